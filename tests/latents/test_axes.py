"""Capsules of several axes, along each of which energy moves by itself."""

import itertools

import pytest
import torch
from topography_helpers import AXES, pool_by_loop

from symgen.latents import AxesTopography, Topography, observed_rolls


@pytest.mark.parametrize("topography", AXES.values(), ids=AXES.keys())
def test_several_axes_are_the_group_sparse_equation(topography, device, dtype):
    """Eq. 21: one root for every axis, along which lines of units are capsules of their own."""
    frames, capsules, shape = topography.frames, topography.capsules, topography.shape
    z, u = torch.randn(2, frames, capsules, topography.units, device=device, dtype=dtype)
    grid = u.square().unflatten(-1, shape)
    total = torch.zeros_like(grid)
    for axis, size in enumerate(shape):
        line = Topography(
            1, size, frames, topography.window, topography.neighbourhood, topography.shift,
            boundary=topography.boundary, capsule_boundary=topography.capsule_boundary,
            causal=topography.causal,
        )  # fmt: skip
        others = [range(other) for place, other in enumerate(shape) if place != axis]
        for capsule, *place in itertools.product(range(capsules), *others):
            place.insert(axis, slice(None))
            index = (slice(None), capsule, *place)
            total[index] += (pool_by_loop(line, grid[index][:, None])[:, 0] + 1e-3).sqrt()
    expected = (z - 2) / total.flatten(2)
    torch.testing.assert_close((z - 2) * topography.inverse_scale(u.square(), 1e-3), expected)


def test_energy_that_moves_along_an_axis_rolls_along_it_and_no_other():
    topography = AxesTopography(2, (5, 5), 5, 5)
    first = torch.rand(2, 25).double()
    for axis in (0, 1):
        u = torch.stack([topography.roll(first, frame, axis) for frame in range(5)])
        s = topography.inverse_scale(u.square(), eps=0.0)
        torch.testing.assert_close(topography.roll(s[:-1], 1, axis), s[1:])
        assert not torch.allclose(topography.roll(s[:-1], 1, 1 - axis), s[1:], rtol=0.01)


def test_each_capsule_can_roll_along_an_axis_of_its_own():
    topography = AxesTopography(3, (3, 4), 4, 3)
    t = torch.randn(2, 3, 12)
    rolled = topography.roll(t, torch.tensor([[1], [2]]), [0, 1, 0])
    for batch, capsule in itertools.product(range(2), range(3)):
        expected = topography.roll(t[batch, capsule], batch + 1, (0, 1, 0)[capsule])
        assert torch.equal(rolled[batch, capsule], expected)
    steps = observed_rolls(t[0], rolled[0], topography.shape)
    assert steps.tolist() == [[1, 0], [0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AxesTopography(2, (5,), 6, 3), "at least two"),
        (lambda: AxesTopography(2, (5, 0), 6, 3), r"shape=\(5, 0\)"),
        (lambda: AxesTopography(2, (5, 4), 6, 0), "window=0"),
        (lambda: AxesTopography(2, (5, 4), 6, 7), "window=7 does not fit frames=6"),
        (lambda: AXES["two axes"].roll(torch.zeros(2, 12), 1, 2), "axes 0 to 1"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
