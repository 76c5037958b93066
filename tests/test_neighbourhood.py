"""Learned neighbourhoods: where they start, and that data move them where they belong."""

import itertools
import math

import pytest
import torch

from symgen import TVAE
from symgen.latents import AxesTopography, Topography, kernel_speed, moving_kernel, pool_kernel
from symgen.models.neighbourhood import LearnedNeighbourhood


@pytest.mark.parametrize("boundary", ["cyclic", "zero"])
@pytest.mark.parametrize("kernels", [1, 2])
def test_pooling_is_the_sum_over_the_kernel(kernels, boundary, dtype):
    energy = torch.rand(5, 2, 4, dtype=dtype)
    kernel = torch.rand(kernels, 3, 4, dtype=dtype)
    expected = torch.zeros_like(energy)
    for frame, c, j, at, o in itertools.product(*map(range, (5, 2, 4, 3, 4))):
        there = frame + at - 2  # offsets -2, -1, 0 in time
        inside = boundary == "cyclic" or there >= 0
        source = energy[there % 5, c, (j + o) % 4] if inside else 1.0
        expected[frame, c, j] += kernel[c % kernels, at, o] * source
    torch.testing.assert_close(pool_kernel(energy, kernel, -2, boundary), expected)


@pytest.mark.parametrize("shift", [0, 1, -2, 0.5, 2.75])
@pytest.mark.parametrize("causal", [False, True])
def test_a_moving_kernel_is_that_of_a_topography(shift, causal, dtype):
    topography = Topography(2, 7, 6, 4, 3, shift, causal=causal)
    energy = torch.rand(2, 6, 2, 7, dtype=dtype)
    learned = LearnedNeighbourhood(topography, "speed").to(dtype)
    torch.testing.assert_close(learned.pool(energy), topography.pool(energy), rtol=1e-6, atol=1e-6)
    assert learned.speed.tolist() == pytest.approx([shift, shift])


def test_the_speed_of_a_kernel_has_a_gradient(dtype):
    speed = torch.tensor([0.4, -1.3], dtype=dtype, requires_grad=True)
    weights = torch.ones(3, dtype=dtype)
    assert torch.autograd.gradcheck(lambda s: moving_kernel(s, weights, weights, -1, 7), speed)


def test_a_kernel_starts_at_its_topography_and_stays_positive_with_the_same_sum():
    topography = Topography.tvae(2, 7, 6, 5, neighbourhood=3)
    learned = LearnedNeighbourhood(topography, "kernel")
    kernel = learned.kernel[0]
    assert kernel.min() > 0 and kernel.sum().item() == pytest.approx(15)
    nonzero = kernel > 0.5
    assert nonzero.sum() == 15 and kernel[nonzero].sum() > 0.9 * 15
    assert learned.speed.tolist() == [1.0]
    with torch.no_grad():
        learned.kernel_parameter.normal_()  # pyright: ignore
    assert learned.kernel.min() >= 0 and learned.kernel.sum().item() == pytest.approx(15)


@pytest.mark.parametrize("speed", [-2.0, 0.0, 0.5, 3.0])
def test_the_speed_is_read_off_a_kernel(speed):
    kernel = moving_kernel(torch.tensor([speed]), torch.ones(5), torch.ones(3), -4, units=9)[0]
    assert kernel_speed(kernel + 0.05 * torch.rand_like(kernel), first=-4).item() == speed


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
    assert learned.speed.tolist() == [wrong]
    optimiser = torch.optim.Adam(learned.parameters(), 0.03)
    for _ in range(150):
        optimiser.zero_grad()
        likelihood(learned.pool(u.square()), t).backward()
        optimiser.step()
    assert distance() < 0.2 * start
    assert learned.speed.tolist() == [1.0]


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
    assert learned.speed.tolist() == pytest.approx(speeds, abs=0.06)


def test_a_step_of_a_model_rolls_at_the_learned_speeds():
    model = TVAE(
        image_shape=(1, 4, 4), capsules=2, units=6, frames=5, window=3, learn="speed", shift=0.5
    )
    with torch.no_grad():
        model.learned.turns.copy_(torch.tensor([1 / 6, 2 / 6]))  # pyright: ignore
    t = torch.randn(3, 2, 6)
    expected = torch.stack([t[:, 0].roll(3, -1), t[:, 1].roll(6, -1)], 1)
    torch.testing.assert_close(model.act(t, 3), expected)
    assert math.isclose(model.speed, 1.5, rel_tol=1e-6)


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
