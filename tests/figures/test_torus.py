"""The map of a torus of neurons: the image and the class that each likes best."""

from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
import torch
from figure_helpers import places, scale_in
from PIL import Image

from symgen.figures import torus_map
from symgen.metrics import max_activating


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("absolute", [False, True])
def test_torus_map_lays_out_the_best_images_by_row(channels: int, absolute: bool) -> None:
    t, images = torch.randn(40, 6), torch.rand(40, channels, 14, 14)
    picture = torus_map(t, images, torch.arange(40) % 3, grid=(2, 3), absolute=absolute)
    best = max_activating(t, images, absolute)
    scale = scale_in(picture, best[0])
    corners = [places(picture, image, scale) for image in best]
    if len(best.flatten(1).unique(dim=0)) == 6:
        corners = [corner for (corner,) in corners]
        assert corners == sorted(corners)
        assert len({y for y, _ in corners}) == 2
        assert len({x for _, x in corners}) == 3
    else:
        assert all(corners)


@pytest.mark.parametrize("side", [10, None], ids=["images", "no images"])
def test_torus_map_colours_each_neuron_like_its_class_in_the_legend(side: int | None) -> None:
    labels = torch.arange(40) % 4
    t = torch.nn.functional.one_hot(labels, 4)[:, [2, 0, 0, 1]].float()  # no neuron for class 3
    images = None if side is None else torch.zeros(40, 1, side, side)
    whole = np.asarray(torus_map(t, images, labels, grid=(2, 2)))
    cell = 56 * 56 if side is None else 60 * 60  # a tile of 10 pixels enlarged to at least 56
    colours, counts = np.unique(whole.reshape(-1, 3), axis=0, return_counts=True)
    area = {
        tuple(colour): count
        for colour, count in zip(colours.tolist(), counts.tolist(), strict=True)
        if np.ptp(colour) > 10
    }
    key = min(area.values())  # class 3 has a key in the legend and no cell
    cells = sorted((count - key) / cell for count in area.values())
    assert cells == [0, 1, 1, 2]


def test_torus_map_takes_both_layouts_and_many_classes(tmp_path: Path) -> None:
    t, images, labels = torch.randn(60, 3, 4), torch.rand(60, 1, 8, 8), torch.arange(60) % 30
    path = tmp_path / "torus.png"
    picture = torus_map(t, images, labels, grid=(3, 4), path=path)
    assert picture == torus_map(t.flatten(1), images, labels, grid=(3, 4))
    with Image.open(path) as saved:
        assert np.array_equal(np.asarray(saved), np.asarray(picture))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("shape", [(60, 12), (60, 4, 3), (60,)])
def test_torus_map_refuses_activations_of_another_grid(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must be \(n, 15\) or \(n, 3, 5\)"):
        torus_map(torch.rand(shape), torch.rand(60, 1, 8, 8), torch.arange(60) % 3, grid=(3, 5))


def test_narrow_sheets_leave_room_for_their_headings() -> None:
    t, labels = torch.randn(60, 12), torch.arange(60) % 3
    drawn = np.asarray(torus_map(t, torch.rand(60, 1, 28, 8), labels, grid=(6, 2)))
    inked = (drawn[:30] != 255).any((0, 2))  # the line of the headings
    gaps = [len(list(run)) for dark, run in groupby(inked) if not dark]
    assert sum(gap >= 16 for gap in gaps[1:-1]) == 1  # one gap wider than those between words
