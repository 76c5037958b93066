"""Which axis of the capsules follows which factor."""

import pytest
import torch

from symgen import TVAE
from symgen.latents import AxesTopography
from symgen.metrics import AxisAssignment, axis_correlation, equivariance_error


def test_axes_are_told_apart_and_noise_is_not_taken_for_a_roll():
    topography = AxesTopography(3, (6, 6), 6, 3)
    first, steps = torch.randn(40, 3, 36), torch.arange(6)
    along = [torch.stack([topography.roll(first, s, a) for s in range(6)], 1) for a in (0, 1)]
    x_moves = (torch.arange(40) < 20)[:, None, None, None]
    t = torch.where(x_moves, along[1], along[0])
    t[:, :, 2] = torch.randn(40, 6, 36)  # one capsule follows nothing
    factors = torch.zeros(40, 6, 2, dtype=torch.int64)
    factors[:20, :, 0], factors[20:, :, 1] = steps, steps
    table = axis_correlation(t, factors, (6, 6), period=6)
    assert table.shape == (2, 3, 2)
    assert table[:, :2].argmax(-1).tolist() == [[1, 1], [0, 0]]
    assert table[0, :2, 1].min() > 0.5 > 0.3 > table[:, 2].abs().max()


def test_a_shape_of_other_units_is_refused():
    t, factors = torch.randn(4, 6, 3, 36), torch.zeros(4, 6, 2, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"shape=\(6, 5\) does not have the 36 units"):
        axis_correlation(t, factors, (6, 5), period=6)


AXES = [[0, 1], [1, 0]]  # of two capsules, for each of two factors


@pytest.fixture
def assignment():
    return AxisAssignment(torch.nn.functional.one_hot(torch.tensor(AXES), 2).float())


def test_frames_are_unrolled_along_the_axis_of_their_factor(assignment):
    model = TVAE((1, 4, 4), capsules=2, capsule_axes=(4, 4), frames=4, window=3, width=8)
    first = torch.randn(2, 2, 16)
    t = torch.stack(
        [
            torch.stack([model.act(first[n], frame, AXES[n]) for frame in range(4)])
            for n in range(2)
        ]
    )
    still = assignment.unrolled(model, t, torch.arange(2))
    torch.testing.assert_close(still, first[:, None].expand_as(t))
    assert equivariance_error(still, speed=0).max() == 0


def test_sequences_are_parted_by_the_factor_that_moves(assignment):
    parts = assignment.parts(torch.tensor([1, 0, 1]))
    assert [(chosen.tolist(), axes) for chosen, axes in parts] == [
        ([False, True, False], AXES[0]),
        ([True, False, True], AXES[1]),
    ]
    with pytest.raises(ValueError, match="one factor moves"):
        assignment.parts(torch.tensor([0, -1]))


def test_factors_that_never_moved_are_not_described(assignment):
    described = assignment.described(["posX", "posY"])
    assert {name: found["assigned"] for name, found in described.items()} == {
        "posX": AXES[0],
        "posY": AXES[1],
    }
    assert described["posX"]["mean"] == 1.0
    table = assignment.correlation.clone()
    table[1] = 0
    assert list(AxisAssignment(table).described(["posX", "posY"])) == ["posX"]
    assert list(AxisAssignment(table[:1]).described([])) == ["time"]
