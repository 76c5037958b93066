"""The torus of neurons: the strongest images, the classes that neurons prefer, their map."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from figure_helpers import places, scale_in
from PIL import Image

from symgen.figures import class_selectivity, max_activating, torus_map


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("neurons", [(6,), (2, 3)])
def test_max_activating_is_the_image_of_the_greatest_response(
    neurons: tuple[int, ...], absolute: bool
) -> None:
    t, images = torch.randn(20, *neurons) - 1, torch.rand(20, 3, 4, 4)
    best = max_activating(t, images, absolute)
    assert best.shape == (*neurons, 3, 4, 4)
    for neuron in np.ndindex(*neurons):
        responses = [t[(image, *neuron)].item() for image in range(20)]
        responses = [abs(response) if absolute else response for response in responses]
        assert torch.equal(best[neuron], images[responses.index(max(responses))])


def test_max_activating_refuses_another_number_of_images() -> None:
    with pytest.raises(ValueError, match=r"activations \(5, 4\) and images \(6, 1, 2, 2\)"):
        max_activating(torch.rand(5, 4), torch.rand(6, 1, 2, 2))


def discriminability(t: np.ndarray, labels: np.ndarray, label: int) -> float:
    """The d' of one neuron, as it is printed."""
    inside, rest = t[labels == label], t[labels != label]
    return (inside.mean() - rest.mean()) / math.sqrt((inside.var() + rest.var()) / 2)


@pytest.mark.parametrize("threshold", [0.85, 0.2])
@pytest.mark.parametrize("offset", [0.0, 30.0, -1e8])
def test_class_selectivity_is_the_class_of_greatest_discriminability(
    threshold: float, offset: float
) -> None:
    labels = torch.randint(4, (60,))
    t = torch.randn(60, 5, 6, dtype=torch.float64) + 1.5 * torch.randn(4, 5, 6)[labels]
    found = class_selectivity(t + offset, labels, threshold)
    assert found.dtype == torch.int64
    assert found.shape == (5, 6)
    for row, column in np.ndindex(5, 6):
        scores = [
            discriminability(t[:, row, column].numpy(), labels.numpy(), label)
            for label in range(4)
        ]
        expected = int(np.argmax(scores)) if max(scores) >= threshold else -1
        assert found[row, column] == expected


def test_class_selectivity_prefers_the_greatest_where_the_last_would_do_too() -> None:
    # Class 0 answers 4, class 1 answers 3, all others about 0: both exceed the threshold.
    labels = torch.arange(60) % 6
    t = torch.tensor([4.0, 3.0, 0.0, 0.1, -0.1, 0.0])[labels][:, None]
    scores = [discriminability(t[:, 0].numpy(), labels.numpy(), label) for label in (0, 1)]
    assert scores[0] > scores[1] > 0.85
    assert class_selectivity(t, labels).tolist() == [0]


def test_class_selectivity_of_neurons_without_variance() -> None:
    labels = torch.tensor([0, 0, 0, 3, 3, 3, 4])  # no images of classes 1 and 2
    dead = torch.randn(50).expand(7, 50)
    assert (class_selectivity(dead, labels) == -1).all()
    noiseless = torch.stack([labels == 3, labels == 0, labels == 4], dim=1).float()
    assert class_selectivity(noiseless, labels).tolist() == [3, 0, 4]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(4, dtype=torch.int64), r"labels has shape \(4,\) but t \(5, 2, 3\)"),
        (torch.zeros(5, dtype=torch.int64), r"classes \[0\]"),
        (torch.tensor([0, 1, -1, 0, 1]), r"classes \[-1, 0, 1\]"),
    ],
)
def test_class_selectivity_refuses_labels_that_say_nothing(
    labels: torch.Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        class_selectivity(torch.rand(5, 2, 3), labels)


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


def test_torus_map_colours_each_neuron_like_its_class_in_the_legend() -> None:
    labels = torch.arange(40) % 4
    t = torch.nn.functional.one_hot(labels, 4)[:, [2, 0, 0, 1]].float()  # no neuron for class 3
    picture = torus_map(t, torch.zeros(40, 1, 10, 10), labels, grid=(2, 2))
    whole = np.asarray(picture)
    cell = 60 * 60  # a tile of 10 pixels enlarged to at least 56
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
