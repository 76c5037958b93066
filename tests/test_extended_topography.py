"""Partial rolls, zero boundaries, causal windows and several axes, each against its equation."""

import itertools
import math

import jaxtyping
import pytest
import torch

from symgen.latents import AxesTopography, Topography, observed_rolls, roll, student_t
from symgen.latents import topography as module

TOPOGRAPHIES = {
    "half": Topography(2, 5, 7, 4, 3, shift=0.5),
    "backwards by a third": Topography(2, 6, 5, 3, shift=-1 / 3),
    "zero time": Topography(2, 5, 6, 4, 3, boundary="zero"),
    "zero capsules": Topography(2, 5, 6, 5, 3, capsule_boundary="zero"),
    "zero both": Topography(2, 5, 6, 5, shift=2, boundary="zero", capsule_boundary="zero"),
    "zero both, half": Topography(2, 5, 6, 3, 3, 0.5, 2, False, "zero", "zero"),
    "causal": Topography(2, 5, 6, 4, 3, causal=True),
    "causal, zero": Topography(3, 5, 6, 4, 3, causal=True, boundary="zero"),
    "causal, zero both, half": Topography(
        2, 5, 6, 3, shift=0.5, causal=True, boundary="zero", capsule_boundary="zero"
    ),
}
every = pytest.mark.parametrize("topography", TOPOGRAPHIES.values(), ids=TOPOGRAPHIES.keys())


def offsets(extent, causal=False):
    """Offsets of a window with their weights; the ends of an even one count half."""
    if causal:
        return [(offset, 1.0) for offset in range(1 - extent, 1)]
    half = extent // 2
    ends = 1.0 if extent % 2 else 0.5
    return [(d, ends if abs(d) == half and half else 1.0) for d in range(-half, half + 1)]


def by_loop(topography, energy):
    """Sum term by term: partial rolls of the frames (eq. 19, 20), padding of energy one (C.2)."""
    frames, capsules, units = energy.shape

    def read(frame, capsule, unit):
        if topography.boundary == "zero" and not 0 <= frame < frames:
            return 1.0
        if topography.capsule_boundary == "zero" and not 0 <= unit < units:
            return 1.0
        return energy[frame % frames, capsule, unit % units]

    def partial(frame, capsule, position):
        low = math.floor(position)
        part = position - low
        at_low, at_high = (read(frame, capsule, unit) for unit in (low, math.ceil(position)))
        return (1 - part) * at_low + part * at_high

    v = torch.zeros_like(energy)
    for frame, c, j in itertools.product(range(frames), range(capsules), range(units)):
        for delta, a in offsets(topography.window, topography.causal):
            for epsilon, b in offsets(topography.neighbourhood):
                for gamma, g in offsets(topography.capsule_neighbourhood):
                    position = j + topography.shift * delta + epsilon
                    v[frame, c, j] += (
                        a * b * g * partial(frame + delta, (c + gamma) % capsules, position)
                    )
    return v


@every
@pytest.mark.parametrize("limit", [None, 0], ids=["dense", "windowed"])
def test_energy_equals_the_loop_of_the_equation(topography, limit, device, dtype, monkeypatch):
    if limit is not None:
        monkeypatch.setattr(module, "_DENSE_LIMIT", limit)
    shape = (2, topography.frames, topography.capsules, topography.units)
    u = torch.randn(shape, device=device, dtype=dtype)
    expected = torch.stack([by_loop(topography, one.square()) for one in u])
    torch.testing.assert_close(topography.energy(u), expected)


@every
def test_under_the_prior_every_unit_expects_the_same_energy(topography):
    """Padding variables count with what they expect, so t has one scale up to the ends."""
    ones = torch.ones(topography.frames, topography.capsules, topography.units).double()
    total = topography.window * topography.neighbourhood * topography.capsule_neighbourhood
    torch.testing.assert_close(topography.pool(ones), total * ones)
    assert (topography.pool(0 * ones) >= 0).all() and (topography.matrix() >= 0).all()


@every
def test_the_first_frame_sees_what_it_says(topography):
    u = torch.rand(topography.frames, topography.capsules, topography.units, requires_grad=True)
    topography.pool(u)[0].sum().backward()
    assert u.grad is not None
    assert torch.equal(u.grad.flatten(1).sum(1) > 0, topography.seen_frames())


def test_causal_windows_see_no_future_and_zero_boundaries_no_other_end():
    topography = TOPOGRAPHIES["causal, zero"]
    u = torch.rand(9, 3, 5, requires_grad=True)  # any number of frames
    topography.pool(u)[5].sum().backward()
    assert u.grad is not None
    assert (u.grad.flatten(1).sum(1) > 0).tolist() == [2 <= frame <= 5 for frame in range(9)]


def test_with_open_ends_the_energy_of_a_longer_sequence_is_the_same_where_it_sees_the_same():
    topography = TOPOGRAPHIES["causal, zero"]
    energy = torch.rand(11, 3, 5).double()
    torch.testing.assert_close(topography.pool(energy)[:6], topography.pool(energy[:6]))


def test_with_a_full_window_at_half_speed_every_energy_rolls_by_half_a_unit(device, dtype):
    """The point of C.1: nine units come round once in eighteen frames."""
    topography = Topography(2, 9, 18, 18, shift=0.5)
    v = topography.energy(torch.randn(3, 18, 2, 9, device=device, dtype=dtype))
    torch.testing.assert_close(topography.roll(v[:, :-2], 2), v[:, 2:])
    torch.testing.assert_close(topography.roll(v, 18), v)


def test_a_step_is_the_roll_of_a_frame():
    t = torch.randn(4, 6)
    assert torch.equal(Topography(4, 6, 6, 3, shift=2).roll(t, 2), roll(t, 4))
    assert torch.equal(Topography.bubble(4, 6, 6, 3).roll(t, 2), roll(t, 2))
    ends = Topography(4, 6, 6, 3, shift=0.5, capsule_boundary="zero")
    torch.testing.assert_close(ends.roll(t, 3), roll(t, 1.5, boundary="zero"))


AXES = {
    "plain": AxesTopography(2, (3, 4), 4, 3),
    "three": AxesTopography(1, (2, 3, 2), 5, 4, shift=-1),
    "ends": AxesTopography(2, (4, 3), 5, 3, 3, 0.5, boundary="zero", capsule_boundary="zero"),
    "causal": AxesTopography(2, (3, 3), 5, 3, boundary="zero", causal=True),
}
every_axes = pytest.mark.parametrize("topography", AXES.values(), ids=AXES.keys())


@every_axes
def test_several_axes_are_the_group_sparse_equation(topography, device, dtype):
    """Eq. 21: one root for every axis, along which lines of units are capsules of their own."""
    frames, capsules, shape = topography.frames, topography.capsules, topography.shape
    z, u = torch.randn(2, frames, capsules, topography.units, device=device, dtype=dtype)
    grid = u.square().unflatten(-1, shape)
    total = torch.zeros_like(grid)
    for axis, line in enumerate(topography.axes):
        others = [range(size) for other, size in enumerate(shape) if other != axis]
        for capsule, *place in itertools.product(range(capsules), *others):
            place.insert(axis, slice(None))
            index = (slice(None), capsule, *place)
            single = Topography(
                1, line.units, frames, line.window, line.neighbourhood, line.shift,
                boundary=line.boundary, capsule_boundary=line.capsule_boundary, causal=line.causal,
            )  # fmt: skip
            total[index] += (by_loop(single, grid[index][:, None])[:, 0] + 1e-3).sqrt()
    expected = (z - 2) / total.flatten(2)
    torch.testing.assert_close(student_t(z, u, topography, mu=2.0, eps=1e-3), expected)


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
        (lambda: Topography(2, 5, 6, 3, shift=math.inf), "finite number"),
        (lambda: Topography(2, 5, 6, 3, boundary="open"), "boundary='open': choose"),  # pyright: ignore
        (lambda: Topography(2, 5, 6, 3, causal=True, reference_window=True), "authors' code"),
        (lambda: AxesTopography(2, (5,), 6, 3), "at least two"),
        (lambda: AxesTopography(2, (5, 4), 6, 7), "window=7 does not fit frames=6"),
        (lambda: AXES["plain"].roll(torch.zeros(2, 12), 1, 2), "axes 0 to 1"),
        (lambda: TOPOGRAPHIES["half"].roll(torch.zeros(2, 5), 1, 1), "one axis"),
    ],
)
def test_what_does_not_fit_is_refused(make, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message):
        make()
