"""What a neuron responds to most: an item, a class."""

import math

import numpy as np
import pytest
import torch

from symgen.metrics import class_selectivity, max_activating, selectivity_summary


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize(
    ("neurons", "data_shape"), [((6,), (3, 4, 4)), ((2, 3), (5,)), ((2, 3), (1, 2, 4, 4))]
)
def test_max_activating_is_the_item_of_the_greatest_response(neurons, data_shape, absolute):
    t, items = torch.randn(20, *neurons) - 1, torch.rand(20, *data_shape)
    best = max_activating(t, items, absolute)
    assert best.shape == (*neurons, *data_shape)
    for neuron in np.ndindex(*neurons):
        responses = [t[(item, *neuron)].item() for item in range(20)]
        responses = [abs(response) if absolute else response for response in responses]
        assert torch.equal(best[neuron], items[responses.index(max(responses))])


@pytest.mark.parametrize("count", [0, 5])
def test_max_activating_refuses_another_number_of_items_and_none(count):
    given = torch.rand(count, 4), torch.rand(6 if count else 0, 1, 2, 2)
    message = rf"activations \({count}, 4\) and items \({len(given[1])}, 1, 2, 2\)"
    with pytest.raises(ValueError, match=message):
        max_activating(*given)


def discriminability(t, labels, label):
    """The d' of one neuron, as it is printed."""
    inside, rest = t[labels == label], t[labels != label]
    return (inside.mean() - rest.mean()) / math.sqrt((inside.var() + rest.var()) / 2)


@pytest.mark.parametrize("threshold", [0.85, 0.2])
@pytest.mark.parametrize("offset", [0.0, 30.0, -1e8])
def test_class_selectivity_is_the_class_of_greatest_discriminability(threshold, offset):
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


def test_class_selectivity_prefers_the_greatest_where_the_last_would_do_too():
    # Class 0 answers 4, class 1 answers 3, all others about 0: both exceed the threshold.
    labels = torch.arange(60) % 6
    t = torch.tensor([4.0, 3.0, 0.0, 0.1, -0.1, 0.0])[labels][:, None]
    scores = [discriminability(t[:, 0].numpy(), labels.numpy(), label) for label in (0, 1)]
    assert scores[0] > scores[1] > 0.85
    assert class_selectivity(t, labels).tolist() == [0]


def test_class_selectivity_of_neurons_without_variance():
    labels = torch.tensor([0, 0, 0, 3, 3, 3, 4])  # no images of classes 1 and 2
    dead = torch.randn(50).expand(7, 50)
    assert (class_selectivity(dead, labels) == -1).all()
    noiseless = torch.stack([labels == 3, labels == 0, labels == 4], dim=1).float()
    assert class_selectivity(noiseless, labels).tolist() == [3, 0, 4]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(4, dtype=torch.int64), r"got t \(5, 2, 3\), labels \(4,\)"),
        (torch.zeros(5, dtype=torch.int64), r"classes \[0\]"),
        (torch.tensor([0, 1, -1, 0, 1]), r"classes \[-1, 0, 1\]"),
    ],
)
def test_class_selectivity_refuses_labels_that_say_nothing(labels, message):
    with pytest.raises(ValueError, match=message):
        class_selectivity(torch.rand(5, 2, 3), labels)


def test_neighbours_on_a_map_agree_as_they_lie():
    stripes = torch.arange(6).div(3, rounding_mode="floor").expand(6, 6)  # three columns each
    ordered = selectivity_summary(stripes)
    # Of 36 pairs across columns 12 lie on the two seams; those along columns all agree.
    assert ordered["alike_percent"] == pytest.approx(100 * (36 + 24) / 72)
    assert ordered["alike_chance_percent"] == pytest.approx(100 * 17 / 35)
    shuffled = [
        selectivity_summary(stripes.flatten()[torch.randperm(36)].view(6, 6)) for _ in range(200)
    ]
    mean = sum(one["alike_percent"] or 0 for one in shuffled) / len(shuffled)
    assert mean == pytest.approx(100 * 17 / 35, abs=2)


def test_a_map_without_selective_units_has_no_neighbours_to_compare():
    nothing = selectivity_summary(torch.full((3, 3), -1))
    assert nothing["selective_percent"] == nothing["classes"] == 0
    assert nothing["alike_percent"] is None and nothing["alike_chance_percent"] is None


def test_a_unit_is_no_neighbour_of_itself():
    assert selectivity_summary(torch.tensor([[0, 1, 2, 3, 4]]))["alike_percent"] == 0
    assert selectivity_summary(torch.tensor([[0], [0], [1]]))["alike_percent"] == pytest.approx(
        100 / 3
    )
    assert selectivity_summary(torch.tensor([[2]]))["alike_percent"] is None
