"""Manifolds: every image at its place, and every number of an axis where the latent has it."""

import math
from itertools import groupby
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import pytest
import torch
from figure_helpers import places, scale_in
from PIL import Image

from symgen.figures import manifold_grid, manifold_rows

WHITE = 255


def random_images(*shape: int) -> torch.Tensor:
    return torch.randint(256, shape) / 255


def corners_of(picture: Image.Image, images: torch.Tensor) -> tuple[int, np.ndarray]:
    """Scale and top left corners (y, x) of images (rows, columns, ...), each shown once."""
    scale = scale_in(picture, images[0, 0])
    corners = np.empty((*images.shape[:2], 2), dtype=int)
    for row, line in enumerate(images):
        for column, image in enumerate(line):
            (corners[row, column],) = places(picture, image, scale)
    return scale, corners


def ink_runs(line: np.ndarray, start: int = 0) -> list[float]:
    """Middles of the runs of pixels that are not paper in a line (n, 3)."""
    inked = (line != WHITE).any(-1)
    runs = [list(run) for dark, run in groupby(range(len(inked)), lambda i: inked[i]) if dark]
    return [start + (run[0] + run[-1]) / 2 for run in runs]


def marks_above(picture: Image.Image, top: int, left: int) -> list[float]:
    return ink_runs(np.asarray(picture)[top - 3, left:], left)


def test_images_stand_in_reading_order_with_constant_distances() -> None:
    for channels, height, width in ((1, 28, 28), (3, 12, 20), (1, 28, 4)):
        images = random_images(3, 4, channels, height, width)
        values = [-2.0, -1.0, 0.0, 1.0]
        for picture in (
            manifold_rows(images, values, ["a", "b", "c"]),
            manifold_grid(images, values[:3], values, title="class a"),
        ):
            scale, corners = corners_of(picture, images)
            assert scale * min(height, width) >= 56
            assert (corners[..., 1] == corners[:1, :, 1]).all()
            assert (corners[..., 0] == corners[:, :1, 0]).all()
            assert set(np.diff(corners[0, :, 1])) == {scale * width + 2}
            assert set(np.diff(corners[:, 0, 0])) == {scale * height + 2}


@pytest.mark.parametrize("turn", [1, -1])
def test_marks_of_the_axis_stand_where_the_latent_has_round_values(turn: int) -> None:
    # From -4 to 4 the round numbers -4, -2, 0, 2, 4 divide the axis into quarters, although no
    # one of the 20 columns is at -2, 0 or 2.
    images, values = random_images(2, 20, 1, 28, 28), torch.linspace(-4, 4, 20).tolist()[::turn]
    picture = manifold_rows(images, values, ["0", "1"])
    scale, corners = corners_of(picture, images)
    centres = corners[0, :, 1] + 28 * scale // 2
    top, left = corners[0, 0]
    expected = np.linspace(centres[0], centres[-1], 5)
    assert np.abs(np.subtract(marks_above(picture, top, left), expected)).max() <= 0.5


def test_marks_of_an_uneven_axis_follow_its_columns() -> None:
    images, values = random_images(1, 6, 1, 16, 16), [0.0, 1.0, 1.25, 1.5, 2.0, 5.0]
    picture = manifold_rows(images, values, ["0"])
    scale, corners = corners_of(picture, images)
    top, left = corners[0, 0]
    exact = {0: 0, 1: 1, 2: 4, 5: 5}  # columns decoded at whole numbers
    marks = marks_above(picture, top, left)
    centres = corners[0, :, 1] + 16 * scale // 2
    assert {centres[column] for column in exact.values()} <= set(marks)
    assert len(marks) == 6  # 3 and 4 between the last two


def test_the_ends_of_an_axis_in_single_precision_are_marked() -> None:
    values = torch.linspace(0.1, 0.7, 7).tolist()
    assert values[0] > 0.1
    assert values[-1] < 0.7
    images = random_images(1, 7, 1, 16, 16)
    picture = manifold_rows(images, values, ["0"])
    scale, corners = corners_of(picture, images)
    top, left = corners[0, 0]
    assert marks_above(picture, top, left) == (corners[0, :, 1] + 8 * scale).tolist()


def test_marks_beside_a_grid_follow_its_rows() -> None:
    images = random_images(5, 3, 1, 28, 28)
    picture = manifold_grid(images, [2.0, 1.0, 0.0, -1.0, -2.0], [0.0, 0.5, 1.0])
    scale, corners = corners_of(picture, images)
    left = corners[0, 0, 1]
    marks = ink_runs(np.asarray(picture)[:, left - 3])
    assert marks == (corners[:, 0, 0] + 28 * scale // 2).tolist()
    # Minus signs stand before the last two numbers only.
    widths = [
        np.nonzero((np.asarray(picture)[int(y) - 8 : int(y) + 9, : left - 8] != WHITE).any((0, 2)))
        for y in marks
    ]
    starts = [int(columns[0][0]) for columns in widths]
    assert max(starts[3:]) < min(starts[:3])


@pytest.mark.parametrize(
    "values", [[0.001 * step for step in range(9)], [10.0**n for n in range(6)]]
)
def test_numbers_above_the_columns_never_touch(values: list[float]) -> None:
    images = random_images(1, len(values), 1, 28, 28)
    picture = manifold_rows(images, values, ["0"])
    _, corners = corners_of(picture, images)
    top, left = corners[0, 0]
    band = np.asarray(picture)[: top - 6, left - 4 :]
    inked = (band != WHITE).any((0, 2))
    gaps = [len(list(run)) for dark, run in groupby(inked) if not dark]
    marks = marks_above(picture, top, left)
    assert len(marks) >= 2
    # The gap between two numbers is wider than any between the digits of one.
    assert sum(gap >= 10 for gap in gaps[1:-1]) == len(marks) - 1


def test_a_single_value_is_marked_although_it_is_not_round() -> None:
    images = random_images(1, 1, 1, 28, 28)
    picture = manifold_grid(images, [0.123], [-1.7])
    scale, corners = corners_of(picture, images)
    y, x = corners[0, 0]
    assert marks_above(picture, y, x) == [x + 14 * scale]
    assert ink_runs(np.asarray(picture)[:, x - 3]) == [y + 14 * scale]


def test_there_is_room_for_long_titles() -> None:
    images, title = random_images(1, 1, 1, 8, 8), "a class of which the name is long " * 4
    for picture in (
        manifold_rows(images, [0.0], [title]),
        manifold_grid(images, [0.0], [0.0], title=title),
    ):
        drawn = np.asarray(picture)
        assert (drawn[:, [0, -1]] == WHITE).all()
        assert (drawn[[0, -1]] == WHITE).all()
        assert (drawn != WHITE).any((0, 2)).sum() > 600


def test_titles_and_the_input_are_used_as_given() -> None:
    images = random_images(2, 3, 3, 12, 12)
    before = images.clone()
    values = [0.0, 1.0, 2.0]
    first = manifold_rows(images, values, ["cat", "dog"])
    assert first != manifold_rows(images, values, ["dog", "cat"])
    plain = manifold_grid(images, values[:2], values)
    assert manifold_grid(images, values[:2], values, title="cat").height > plain.height
    assert torch.equal(images, before)


def test_files_hold_what_is_returned(tmp_path: Path) -> None:
    images, values = random_images(2, 2, 3, 12, 12), [0.0, 1.0]
    rows = manifold_rows(images, values, ["a", "b"], tmp_path / "rows.png")
    grid = manifold_grid(images, values, values, tmp_path / "grid.png")
    for name, picture in (("rows", rows), ("grid", grid)):
        with Image.open(tmp_path / f"{name}.png") as saved:
            assert np.array_equal(np.asarray(saved), np.asarray(picture))
    assert len(list(tmp_path.iterdir())) == 2


ROWS: dict[str, Any] = {
    "images": torch.rand(2, 3, 1, 8, 8),
    "values": [0.0, 1.0, 2.0],
    "titles": ["a", "b"],
}
GRID: dict[str, Any] = {
    "images": torch.rand(2, 3, 1, 8, 8),
    "down": [0.0, 1.0],
    "across": [0.0, 1.0, 2.0],
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.rand(3, 1, 8, 8)}, r"\(3, 1, 8, 8\)"),
        ({"images": torch.rand(2, 3, 2, 8, 8)}, r"\(2, 3, 2, 8, 8\).*1 or 3 channels"),
        ({"images": torch.rand(2, 3, 1, 8, 8) + 1}, "images reaches from 1"),
        ({"images": torch.full((2, 3, 1, 8, 8), math.nan)}, "images reaches from nan"),
        ({"path": "figure.jpg"}, r"cannot write figure\.jpg"),
    ],
)
def test_both_figures_refuse_wrong_images_and_paths(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message):
        manifold_rows(**(ROWS | change))
    with pytest.raises(ValueError, match=message):
        manifold_grid(**(GRID | change))


@pytest.mark.parametrize(
    "values", [[0.0, 1.0, 1.0], [0.0, 2.0, 1.0], [0.0, 1.0, math.nan], [0.0, 1.0, math.inf]]
)
def test_axes_must_rise_or_fall(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"values is \[0\.0, .*rise, or fall"):
        manifold_rows(**(ROWS | {"values": values}))
    with pytest.raises(ValueError, match=r"across is \[0\.0, .*rise, or fall"):
        manifold_grid(**(GRID | {"across": values}))
    with pytest.raises(ValueError, match=r"down is \[1\.0, 1\.0\].*rise, or fall"):
        manifold_grid(**(GRID | {"down": [1.0, 1.0]}))


def test_axes_and_titles_must_agree_with_the_images() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3, 1, 8, 8\) with 1 titles and 3 values"):
        manifold_rows(**(ROWS | {"titles": ["a"]}))
    with pytest.raises(ValueError, match="2 titles and 2 values"):
        manifold_rows(**(ROWS | {"values": [0.0, 1.0]}))
    with pytest.raises(ValueError, match=r"\(2, 3, 1, 8, 8\) with 3 values down and 2 across"):
        manifold_grid(**(GRID | {"down": GRID["across"], "across": GRID["down"]}))


def test_figures_need_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        manifold_rows(**ROWS, path=tmp_path / "nowhere" / "rows.png")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        manifold_grid(**GRID, path=tmp_path / "nowhere" / "grid.png")
