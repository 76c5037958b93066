"""Learned neighbourhoods: where they start, and that training moves them where the data say."""

import math

import pytest
import torch

from symgen import TVAE
from symgen.latents import AxesTopography, Topography, moving_kernel
from symgen.models import LearnedNeighbourhood


@pytest.mark.parametrize("shift", [0, 1, -2, 0.5, 2.75])
@pytest.mark.parametrize("causal", [False, True])
def test_a_moving_kernel_is_that_of_a_topography(shift, causal, dtype):
    topography = Topography(2, 7, 6, 4, 3, shift, causal=causal)
    energy = torch.rand(2, 6, 2, 7, dtype=dtype)
    learned = LearnedNeighbourhood(topography, "speed").to(dtype)
    torch.testing.assert_close(learned.pool(energy), topography.pool(energy), rtol=1e-6, atol=1e-6)
    assert learned.speeds.tolist() == pytest.approx([shift, shift])


def test_a_kernel_starts_at_its_topography_and_stays_positive_with_the_same_sum():
    topography = Topography.tvae(2, 7, 6, 5, neighbourhood=3)
    learned = LearnedNeighbourhood(topography, "kernel")
    kernel = learned.kernel[0]
    assert kernel.min() > 0 and kernel.sum().item() == pytest.approx(15)
    nonzero = kernel > 0.5
    assert nonzero.sum() == 15 and kernel[nonzero].sum() > 0.9 * 15
    assert learned.speeds.tolist() == [1.0]
    with torch.no_grad():
        learned.kernel_parameter.normal_()  # pyright: ignore
    assert learned.kernel.min() >= 0 and learned.kernel.sum().item() == pytest.approx(15)


def likelihood(v, t):
    """Negative log-density of t = z / sqrt(v) with z standard normal, but for a constant."""
    return (0.5 * t.square() * v - 0.5 * v.log()).mean()


@pytest.mark.parametrize("wrong", [0, -1])
def test_data_of_one_neighbourhood_move_a_wrong_kernel_to_it(wrong):
    """Maximum likelihood finds the W that made t from u, whatever the start."""
    true = Topography.tvae(4, 7, 6, 5)
    learned = LearnedNeighbourhood(Topography(4, 7, 6, 5, shift=wrong), "kernel")
    u, z = torch.randn(2, 100, 6, 4, 7)
    t = z / true.energy(u).sqrt()
    goal = moving_kernel(torch.ones(1), torch.ones(5), torch.ones(1), -2, units=7)[0]

    def distance():
        return (learned.kernel[0] - goal).norm().item()

    start = distance()
    assert learned.speeds.tolist() == [wrong]
    optimiser = torch.optim.Adam(learned.parameters(), 0.03)
    for _ in range(150):
        optimiser.zero_grad()
        likelihood(learned.pool(u.square()), t).backward()
        optimiser.step()
    assert distance() < 0.2 * start
    assert learned.speeds.tolist() == [1.0]


def test_data_move_every_capsule_to_a_speed_of_its_own():
    speeds = (1.0, 0.5, -0.4)
    u, z = torch.randn(2, 300, 6, 3, 7)
    single = [Topography(1, 7, 6, 5, 3, shift) for shift in speeds]
    v = torch.cat([one.energy(u[:, :, [c]]) for c, one in enumerate(single)], 2)
    t = z / v.sqrt()
    learned = LearnedNeighbourhood(Topography(3, 7, 6, 5, 3, shift=0.1), "speed")
    optimiser = torch.optim.Adam(learned.parameters(), 0.01)
    for _ in range(100):
        optimiser.zero_grad()
        likelihood(learned.pool(u.square()), t).backward()
        optimiser.step()
    assert learned.speeds.tolist() == pytest.approx(speeds, abs=0.06)


def test_a_step_of_a_model_rolls_at_the_learned_speeds():
    model = TVAE(
        data_shape=(1, 4, 4), capsules=2, units=6, frames=5, window=3, learn="speed", shift=0.5
    )
    with torch.no_grad():
        model.topography.turns.copy_(torch.tensor([1 / 6, 2 / 6]))  # pyright: ignore
    t = torch.randn(3, 2, 6)
    expected = torch.stack([t[:, 0].roll(3, -1), t[:, 1].roll(6, -1)], 1)
    torch.testing.assert_close(model.act(t, 3), expected)
    assert math.isclose(model.speed, 1.5, rel_tol=1e-6)


@pytest.mark.parametrize("learn", ["kernel", "speed"])
@pytest.mark.parametrize(
    "start",
    [
        Topography(2, 7, 6, 3, shift=0.5),
        Topography(2, 7, 6, 3, boundary="zero"),
        Topography(2, 7, 6, 4, causal=True),
    ],
    ids=["cyclic", "zero", "causal"],
)
def test_training_does_not_change_which_frames_share_energy(start, learn):
    learned = LearnedNeighbourhood(start, learn)
    with torch.no_grad():
        for parameter in learned.parameters():
            parameter.add_(torch.randn_like(parameter))
    energy = torch.rand(6, 2, 7, requires_grad=True)
    learned.inverse_scale(energy, 1e-6)[0].sum().backward()
    assert energy.grad is not None
    reached = energy.grad.flatten(1).abs().sum(1) > 0
    assert torch.equal(reached, learned.receptive_field())
    assert torch.equal(reached, start.receptive_field())
    assert (learned.window, learned.causal) == (start.window, start.causal)
    assert learned.open_ended == start.open_ended
    with pytest.raises(ValueError, match="axis=1: the capsules have one axis"):
        learned.roll(torch.zeros(2, 7), 1, axis=1)


@pytest.mark.parametrize(
    "topography",
    [
        Topography.none(2, 6, 5),
        Topography(2, 6, 5, 3, 2),
        Topography(2, 6, 5, 3, capsule_boundary="zero"),
        Topography(2, 6, 5, 3, reference_window=True),
        AxesTopography(2, (3, 2), 5, 3),
    ],
)
def test_what_is_not_learned_is_refused(topography):
    with pytest.raises(ValueError, match="learn='kernel' with"):
        LearnedNeighbourhood(topography, "kernel")
