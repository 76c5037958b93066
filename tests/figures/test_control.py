"""Factored images, control strips and animations: every image whole, every caption apart."""

import math
from itertools import groupby
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import pytest
import torch
from figure_helpers import places, scale_in
from PIL import Image, ImageSequence

from symgen.figures import control_gif, control_strip, factored_sheet

SHAPES = [(1, 28, 28), (3, 32, 32), (3, 12, 20), (1, 28, 8)]
WHITE = 255


def random_images(*shape: int, levels: int = 256) -> torch.Tensor:
    return torch.randint(levels, shape) / (levels - 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_factored_sheet_has_examples_in_columns(shape: tuple[int, ...]) -> None:
    rows = random_images(3, 4, *shape)
    sheet = factored_sheet(*rows)
    scale = scale_in(sheet, rows[0, 0])
    assert scale * shape[1] >= 84
    corners = np.array(
        [[places(sheet, image, scale) for image in images] for images in rows]
    )  # (3, n, found, 2)
    assert corners.shape == (3, 4, 1, 2)
    corners = corners[:, :, 0]
    assert (corners[..., 1] == corners[:1, :, 1]).all()
    assert (corners[..., 0] == corners[:, :1, 0]).all()
    assert (np.diff(corners[0, :, 1]) > scale * shape[2]).all()
    assert (np.diff(corners[:, 0, 0]) > scale * shape[1]).all()
    # Each row has a name, which leaves the edge of the picture free.
    drawn = np.asarray(sheet)
    assert (drawn[:, 0] == WHITE).all()
    for y, x in corners[:, 0]:
        assert (drawn[y : y + scale * shape[1], :x] != WHITE).any()


@pytest.mark.parametrize("shape", SHAPES)
def test_control_strip_shows_given_and_moved_in_one_row(shape: tuple[int, ...]) -> None:
    images = random_images(4, *shape)
    titles = ["reconstruction", "rotate 30°", "scale 1.3"]
    strip = control_strip(images[0], images[1:], titles)
    scale = scale_in(strip, images[0])
    assert scale * shape[1] >= 112
    found = [places(strip, image, scale) for image in images]
    assert [len(corners) for corners in found] == [1, 1, 1, 1]
    tops, lefts = zip(*(corners[0] for corners in found), strict=True)
    assert len(set(tops)) == 1
    assert len(set(np.diff(lefts).tolist())) == 1
    assert lefts[1] - lefts[0] > scale * shape[2]


@pytest.mark.parametrize(
    "title",
    [
        "rotate by 30 degrees and shift five pixels to the right",
        "Donaudampfschifffahrtsgesellschaftskapitän",
        "WWWWWWWWWWWWWWWWWW WWWWWWWWWWWWWWWWWW",
        "",
    ],
)
def test_captions_never_overlap(title: str) -> None:
    images = random_images(4, 1, 28, 8)
    strip = control_strip(images[0], images[1:], [title] * 3)
    scale = scale_in(strip, images[0])
    lefts, tops = [], []
    for image in images:
        ((top, left),) = places(strip, image, scale)
        lefts.append(left)
        tops.append(top)
    centres = np.array(lefts) + 4 * scale
    pitch = centres[1] - centres[0]
    drawn = np.asarray(strip)
    captions = (drawn[: tops[0]] != WHITE).any((0, 2))
    # No ink half-way between two images, above the first line or at the edges: all four
    # captions stay in their columns and whole.
    for edge in (*(centres - pitch // 2), centres[-1] + pitch // 2):
        assert not captions[max(0, edge - 4) : edge + 4].any()
    assert (drawn[[0, -1]] == WHITE).all()
    assert (drawn[:, [0, -1]] == WHITE).all()
    # The same text three times is the same ink three times.
    columns = [drawn[: tops[0], centre - pitch // 2 : centre + pitch // 2] for centre in centres]
    assert all(np.array_equal(columns[1], column) for column in columns[2:])
    assert (columns[1] != WHITE).any() == bool(title)
    assert (columns[0] != WHITE).any()


def test_a_long_caption_takes_lines_rather_than_width() -> None:
    images = random_images(3, 1, 28, 28)
    heights, widths = {}, {}
    for words in (1, 12):
        titles = ["turn " * words] * 2
        strip = control_strip(images[0], images[1:], titles)
        ((heights[words], _),) = places(strip, images[0], scale_in(strip, images[0]))
        widths[words] = strip.width
    assert widths[1] == widths[12]
    assert heights[12] > heights[1]
    # As many words in a line as fit: fewer lines of ink than words.
    ink = (np.asarray(strip)[: heights[12]] != WHITE).any((1, 2))
    assert 2 <= sum(dark for dark, _ in groupby(ink)) <= 6


def test_lines_of_a_caption_stand_in_order() -> None:
    images = random_images(2, 1, 28, 28)
    strip = control_strip(images[0], images[1:], ["i iiiiiiiiiiiiiiiiiiiiiiiii"])
    ((top, left),) = places(strip, images[1], scale_in(strip, images[1]))
    caption = (np.asarray(strip)[:top, left:] != WHITE).any(-1)
    inked = np.flatnonzero(caption.any(1))
    upper, lower = np.array_split(caption[inked[0] : inked[-1] + 1], 2)
    assert upper.any(0).sum() < lower.any(0).sum() / 4  # a short line above a long one


def test_figures_leave_their_input_alone_and_take_gradients() -> None:
    images = random_images(3, 1, 12, 12).requires_grad_()
    before = images.detach().clone()
    factored_sheet(images, images, images)
    control_strip(images[0], images[1:], ["a", "b"])
    assert torch.equal(images, before)


def test_files_hold_what_is_returned(tmp_path: Path) -> None:
    images = random_images(2, 3, 12, 12)
    sheet = factored_sheet(images, images, images, tmp_path / "sheet.png")
    strip = control_strip(images[0], images[1:], ["a"], tmp_path / "strip.png")
    for name, picture in (("sheet", sheet), ("strip", strip)):
        with Image.open(tmp_path / f"{name}.png") as saved:
            assert np.array_equal(np.asarray(saved), np.asarray(picture))
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(("channels", "levels"), [(1, 256), (3, 6)])
def test_gif_runs_back_and_forth_for_ever(tmp_path: Path, channels: int, levels: int) -> None:
    path = tmp_path / "turn.gif"
    frames = random_images(4, channels, 28, 20, levels=levels)
    control_gif(frames, path, milliseconds=70)
    with Image.open(path) as animation:
        assert animation.info["loop"] == 0  # the format's sign for without end
        assert animation.size == (160, 224)
        shown = []
        for moment in ImageSequence.Iterator(animation):
            assert moment.info["duration"] == 70
            shown += [
                index for index, frame in enumerate(frames) if places(moment, frame, 8) == [(0, 0)]
            ]
    assert shown == [0, 1, 2, 3, 2, 1]
    assert list(tmp_path.iterdir()) == [path]


def test_gif_rests_as_long_as_its_frames_are_alike(tmp_path: Path) -> None:
    frames = torch.stack([torch.zeros(1, 8, 8), torch.ones(1, 8, 8), torch.ones(1, 8, 8)])
    control_gif(frames, tmp_path / "rest.gif")
    with Image.open(tmp_path / "rest.gif") as animation:
        times = [moment.info["duration"] for moment in ImageSequence.Iterator(animation)]
    assert sum(times) == 4 * 80


@pytest.mark.parametrize("steps", [1, 2])
def test_gif_of_few_frames_repeats_none(tmp_path: Path, steps: int) -> None:
    control_gif(random_images(steps, 1, 8, 8), tmp_path / "few.gif")
    with Image.open(tmp_path / "few.gif") as animation:
        assert getattr(animation, "n_frames", 1) == steps


IMAGES = torch.rand(3, 1, 8, 8)
SHEET: dict[str, Any] = {"given": IMAGES, "canonical": IMAGES, "reconstruction": IMAGES}
STRIP: dict[str, Any] = {"given": IMAGES[0], "moved": IMAGES, "titles": ["a", "b", "c"]}


@pytest.mark.parametrize(
    ("draw", "given", "message"),
    [
        (factored_sheet, SHEET | {"given": IMAGES[0]}, r"given \(1, 8, 8\)"),
        (factored_sheet, SHEET | {"canonical": IMAGES[:2]}, r"canonical \(2, 1, 8, 8\)"),
        (factored_sheet, dict.fromkeys(SHEET, IMAGES[0]), r"reconstruction \(1, 8, 8\): give all"),
        (factored_sheet, SHEET | {"canonical": IMAGES + 1}, "canonical reaches from 1"),
        (factored_sheet, SHEET | {"path": "sheet.gif"}, r"cannot write sheet\.gif"),
        (control_strip, STRIP | {"given": IMAGES}, r"given \(3, 1, 8, 8\)"),
        (control_strip, STRIP | {"moved": IMAGES[:, :, :7]}, r"moved \(3, 1, 7, 8\)"),
        (control_strip, STRIP | {"moved": IMAGES[0]}, r"moved \(1, 8, 8\)"),
        (control_strip, STRIP | {"titles": ["a"]}, "with 1 titles"),
        (control_strip, STRIP | {"given": IMAGES[0] - 1}, "given reaches from -"),
        (control_strip, STRIP | {"moved": IMAGES * math.nan}, "moved reaches from nan"),
        (control_strip, STRIP | {"path": "strip.gif"}, r"cannot write strip\.gif"),
    ],
)
def test_pictures_refuse_what_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, draw: Any, given: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message):
        draw(**given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": IMAGES[0]}, r"frames \(1, 8, 8\): give \(steps, channels, height, width\)"),
        ({"frames": IMAGES[:0]}, r"frames has shape \(0, 1, 8, 8\)"),
        ({"frames": IMAGES.expand(-1, 2, -1, -1)}, r"\(3, 2, 8, 8\).*1 or 3 channels"),
        ({"frames": IMAGES + 1}, "frames reaches from 1"),
        ({"path": "turn.png"}, r"cannot write turn\.png"),
        ({"milliseconds": 125}, "125 ms per frame"),
        ({"milliseconds": 0}, "0 ms per frame"),
    ],
)
def test_gif_refuses_what_does_not_fit(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        control_gif(**({"frames": IMAGES, "path": tmp_path / "turn.gif"} | change))
    assert list(tmp_path.iterdir()) == []


def test_figures_need_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        factored_sheet(**SHEET, path=tmp_path / "nowhere" / "sheet.png")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        control_strip(**STRIP, path=tmp_path / "nowhere" / "strip.png")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        control_gif(IMAGES, tmp_path / "nowhere" / "turn.gif")
