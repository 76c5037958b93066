"""Traversals: every given pixel is drawn at its place, and what was not seen is marked."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from figure_helpers import pixels, places, scale_in
from PIL import Image, ImageSequence

from symgen.figures import traversal_gif, traversal_strip

SEEN = torch.tensor([True, True, False, True])


def rows_of(*shape: int, levels: int = 256) -> tuple[torch.Tensor, ...]:
    return tuple(torch.randint(levels, shape) / (levels - 1) for _ in range(3))


@pytest.mark.parametrize(
    ("channels", "height", "width"), [(1, 28, 28), (3, 28, 28), (1, 64, 64), (3, 10, 16)]
)
def test_strip_shows_every_pixel_at_its_place(channels: int, height: int, width: int) -> None:
    rows = rows_of(2, 4, channels, height, width)
    strip = traversal_strip(*rows, torch.ones(4, dtype=torch.bool), titles=["scale", "hue"])
    scale = scale_in(strip, rows[0][0, 0])
    assert scale * height >= 84
    corners = np.empty((2, 3, 4, 2), dtype=int)
    for row, images in enumerate(rows):
        for example in range(2):
            for frame in range(4):
                (corners[example, row, frame],) = places(strip, images[example, frame], scale)
    # Columns share x and rows share y, at constant distances, in reading order.
    assert (corners[..., 1] == corners[:1, :1, :, 1]).all()
    assert (corners[..., 0] == corners[..., :1, 0]).all()
    assert len(set(np.diff(corners[0, 0, :, 1]).tolist())) == 1
    assert len(set(np.diff(corners[:, :, 0, 0]).ravel().tolist())) == 1
    assert (np.diff(corners[0, 0, :, 1]) > scale * width).all()
    assert (np.diff(corners[..., 0, 0].ravel()) > scale * height).all()


def test_strip_greys_only_given_frames_that_were_not_seen() -> None:
    rows = rows_of(1, 4, 3, 28, 28)
    strip = traversal_strip(*rows, SEEN)
    scale = scale_in(strip, rows[0][0, 0])
    side = 28 * scale
    (y, left), (_, right) = (places(strip, rows[0][0, frame], scale)[0] for frame in (1, 3))
    assert places(strip, rows[0][0, 2], scale) == []
    x = (left + right) // 2
    drawn = np.asarray(strip)[y : y + side, x : x + side].astype(float)
    true = pixels(rows[0][0, 2], scale).astype(float)
    assert np.corrcoef(drawn.ravel(), true.ravel())[0, 1] > 0.999  # the same image,
    assert drawn.std() < true.std() / 2  # but of less contrast
    assert drawn.max() < true.max()
    for images in rows[1:]:
        assert all(len(places(strip, images[0, frame], scale)) == 1 for frame in range(4))


def test_strip_of_one_example_needs_no_leading_dimension() -> None:
    rows = rows_of(1, 4, 1, 12, 12)
    assert traversal_strip(*rows, SEEN) == traversal_strip(*(row[0] for row in rows), SEEN)


def test_strip_leaves_its_input_alone() -> None:
    rows = rows_of(1, 4, 3, 12, 12)
    before = [row.clone() for row in rows]
    traversal_strip(*rows, SEEN)
    assert all(torch.equal(*pair) for pair in zip(rows, before, strict=True))


def test_strip_makes_room_for_a_long_title() -> None:
    rows = rows_of(1, 2, 1, 8, 8)
    title = "the position along the horizontal axis of the picture" * 2
    strip = np.asarray(traversal_strip(*rows, torch.tensor([True, True]), titles=[title]))
    assert (strip[:, -1] == 255).all()


def test_strip_file_holds_what_is_returned(tmp_path: Path) -> None:
    path = tmp_path / "strip.png"
    strip = traversal_strip(*rows_of(1, 4, 1, 12, 12), SEEN, path)
    with Image.open(path) as saved:
        assert np.array_equal(np.asarray(saved), np.asarray(strip))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("examples", [1, 3])
@pytest.mark.parametrize("channels", [1, 3])
def test_gif_has_every_frame_and_loops_for_ever(
    tmp_path: Path, examples: int, channels: int
) -> None:
    path = tmp_path / "walk.gif"
    rows = rows_of(examples, 4, channels, 28, 28, levels=4)
    traversal_gif(*rows, SEEN, path, milliseconds=70)
    with Image.open(path) as animation:
        assert animation.n_frames == 4
        assert animation.info["loop"] == 0  # the format's sign for without end
        assert animation.height >= 300
        scale = scale_in(animation, rows[0][0, 0])
        for index, moment in enumerate(ImageSequence.Iterator(animation)):
            assert moment.info["duration"] == 70
            for row, images in enumerate(rows):
                for example in range(examples):
                    found = places(moment, images[example, index], scale)
                    assert len(found) == (1 if row or SEEN[index] else 0)
    assert list(tmp_path.iterdir()) == [path]


def test_gif_keeps_frames_that_look_alike(tmp_path: Path) -> None:
    still = torch.full((1, 6, 1, 8, 8), 0.5)
    traversal_gif(still, still, still, torch.ones(6, dtype=torch.bool), tmp_path / "still.gif")
    with Image.open(tmp_path / "still.gif") as animation:
        assert animation.n_frames == 6


def test_gif_marks_frames_that_were_not_seen(tmp_path: Path) -> None:
    grey = torch.full((1, 4, 1, 28, 28), 0.5)
    traversal_gif(grey, grey, grey, SEEN, tmp_path / "mark.gif")
    with Image.open(tmp_path / "mark.gif") as animation:
        coloured = [
            bool(np.ptp(np.asarray(moment.convert("RGB")).astype(int), axis=-1).max() > 100)
            for moment in ImageSequence.Iterator(animation)
        ]
    assert coloured == [not seen for seen in SEEN.tolist()]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": torch.rand(4, 28, 28)}, r"\(4, 28, 28\)"),
        ({"rolled": torch.rand(1, 5, 1, 28, 28)}, r"rolled \(1, 5, 1, 28, 28\)"),
        ({"reconstruction": torch.rand(2, 4, 1, 28, 28)}, r"reconstruction \(2, 4, 1, 28, 28\)"),
        ({"seen": torch.ones(3, dtype=torch.bool)}, r"seen has shape \(3,\)"),
        ({"frames": torch.rand(1, 4, 1, 28, 28) + 1}, "frames reaches from 1"),
        ({"rolled": torch.full((1, 4, 1, 28, 28), math.nan)}, "rolled reaches from nan"),
        (dict.fromkeys(("frames", "reconstruction", "rolled"), torch.rand(1, 4, 2, 8, 8)), "2, 8"),
    ],
)
def test_traversals_refuse_what_does_not_fit(
    tmp_path: Path, change: dict[str, torch.Tensor], message: str
) -> None:
    images = torch.rand(1, 4, 1, 28, 28)
    given = {"frames": images, "reconstruction": images, "rolled": images, "seen": SEEN} | change
    with pytest.raises(ValueError, match=message):
        traversal_strip(**given)
    with pytest.raises(ValueError, match=message):
        traversal_gif(**given, path=tmp_path / "walk.gif")
    assert list(tmp_path.iterdir()) == []


def test_traversals_refuse_wrong_titles_and_times(tmp_path: Path) -> None:
    rows = rows_of(2, 4, 1, 8, 8)
    with pytest.raises(ValueError, match=r"1 titles \['scale'\] for 2 examples"):
        traversal_strip(*rows, SEEN, titles=["scale"])
    for milliseconds in (0, -20, 125):
        with pytest.raises(ValueError, match=f"{milliseconds} ms"):
            traversal_gif(*rows, SEEN, tmp_path / "walk.gif", milliseconds)
