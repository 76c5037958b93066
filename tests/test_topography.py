import itertools

import pytest
import torch

from symgen.latents import Topography, roll, student_t
from symgen.latents import topography as module

TOPOGRAPHIES = {
    "tvae odd": Topography.tvae(2, 6, 6, 5, neighbourhood=3),
    "tvae even": Topography.tvae(2, 6, 7, 4),
    "tvae full": Topography.tvae(2, 6, 6, 6, neighbourhood=2),
    "tvae L=0": Topography.tvae(2, 6, 5, 1, neighbourhood=3),
    "more frames than units": Topography.tvae(2, 4, 9, 7, neighbourhood=3),
    "bubble": Topography.bubble(2, 6, 7, 5, neighbourhood=3),
    "fast and backwards": Topography(2, 6, 7, 4, 3, shift=-2),
    "torus": Topography.torus((6, 7), patch=5),
    "reference even": Topography.tvae(2, 6, 7, 4, reference_window=True),
    "reference corners": Topography.tvae(2, 6, 6, 5, neighbourhood=3, reference_window=True),
    "reference full": Topography.tvae(2, 6, 6, 6, neighbourhood=3, reference_window=True),
    "reference bubble": Topography.bubble(2, 6, 7, 4, neighbourhood=2, reference_window=True),
}
every = pytest.mark.parametrize("topography", TOPOGRAPHIES.values(), ids=TOPOGRAPHIES.keys())


def by_loop(topography, u):
    """Sum over the window written from the equation, one term after the other."""
    frames, capsules, units = u.shape
    window, extent = topography.window, topography.neighbourhood

    def ends(k):
        low, high = -(k // 2), k // 2
        return (low + 1 if topography.reference_window and k % 2 == 0 else low), high

    def weight(offset, k):
        return (
            0.5 if k % 2 == 0 and 2 * abs(offset) == k and not topography.reference_window else 1
        )

    across = topography.capsule_neighbourhood
    low, high = ends(window)
    v = torch.zeros_like(u)
    for frame, capsule, unit in itertools.product(range(frames), range(capsules), range(units)):
        for delta in range(low, high + 1):
            for epsilon in range(ends(extent)[0], ends(extent)[1] + 1):
                corner = topography.reference_window and topography.shift and extent > 1
                if corner and not low <= delta + epsilon <= high:
                    continue
                for gamma in range(ends(across)[0], ends(across)[1] + 1):
                    term = u[
                        (frame + delta) % frames,
                        (capsule + gamma) % capsules,
                        (unit + topography.shift * delta + epsilon) % units,
                    ]
                    v[frame, capsule, unit] += (
                        weight(delta, window) * weight(epsilon, extent) * term**2
                    )
    return v


@every
def test_energy_equals_the_loop_of_the_equation(topography, device, dtype):
    shape = (2, topography.frames, topography.capsules, topography.units)
    u = torch.randn(shape, device=device, dtype=dtype)
    expected = torch.stack([by_loop(topography, one) for one in u])
    torch.testing.assert_close(topography.energy(u), expected)


@every
def test_windowed_sum_equals_the_matrix_product(topography, device, dtype, monkeypatch):
    shape = (3, topography.frames, topography.capsules, topography.units)
    u = torch.randn(shape, device=device, dtype=dtype)
    dense = topography.energy(u)
    monkeypatch.setattr(module, "_DENSE_LIMIT", 0)
    torch.testing.assert_close(topography.energy(u), dense)


def test_windowed_sum_loses_no_digits_and_is_never_negative(monkeypatch):
    monkeypatch.setattr(module, "_DENSE_LIMIT", 0)
    topography = Topography.tvae(1, 4, 40, 3)
    u = torch.full((1, 40, 1, 4), 1e-4)
    u[0, 0] = 1e4  # a running sum from the first frame on would bury the rest
    energy = topography.energy(u)
    torch.testing.assert_close(energy[0, 2:-1], torch.full_like(energy[0, 2:-1], 3e-8))


@pytest.mark.parametrize("name", [name for name in TOPOGRAPHIES if name != "torus"])
def test_matrix_is_what_energy_applies_to_a_capsule(name):
    topography = TOPOGRAPHIES[name]
    shape = (1, topography.frames, topography.capsules, topography.units)
    u = torch.randn(shape, dtype=torch.float64)
    flat = u[0, :, 0].flatten()
    torch.testing.assert_close(
        topography.matrix() @ flat.square(), topography.energy(u)[0, :, 0].flatten()
    )


@every
def test_weights_add_up_and_the_first_frame_sees_what_it_says(topography):
    ones = torch.ones(1, topography.frames, topography.capsules, topography.units)
    total = topography.energy(ones).unique()
    assert len(total) == 1
    if not (topography.reference_window and topography.shift and topography.neighbourhood > 1):
        full = topography.window * topography.neighbourhood * topography.capsule_neighbourhood
        assert total.item() == pytest.approx(full)
    u = torch.zeros(ones.shape, requires_grad=True)
    topography.pool(u)[0, 0].sum().backward()
    assert u.grad is not None
    assert torch.equal(u.grad[0].flatten(1).sum(1) > 0, topography.seen_frames())


@pytest.mark.parametrize(
    ("window", "terms"), [(13, 37), (18, 52), (5, 13)], ids=lambda value: str(value)
)
def test_reference_kernel_has_the_authors_number_of_terms(window, terms):
    kernel = Topography.tvae(1, 18, 18, window, neighbourhood=3, reference_window=True)
    assert kernel.matrix()[0].sum() == terms


@pytest.mark.parametrize("window", [13, 18])
def test_energy_of_a_rolled_sequence_rolls(window, device, dtype):
    topography = Topography.tvae(3, 18, 18, window, neighbourhood=3)
    u = torch.randn(2, 18, 3, 18, device=device, dtype=dtype)
    advanced = roll(u, 1).roll(1, dims=1)  # one frame later, one unit further
    torch.testing.assert_close(
        topography.energy(advanced), roll(topography.energy(u), 1).roll(1, dims=1)
    )


def test_with_a_full_window_every_energy_rolls(device, dtype):
    topography = Topography.tvae(3, 15, 15, 15)
    v = topography.energy(torch.randn(2, 15, 3, 15, device=device, dtype=dtype))
    torch.testing.assert_close(roll(v[:, :-1], 1), v[:, 1:])


def test_student_t_is_the_equation_and_stays_finite(device, dtype):
    topography = Topography.tvae(2, 6, 6, 5)
    z, u = torch.randn(2, 3, 6, 2, 6, device=device, dtype=dtype)
    t = student_t(z, u, topography, mu=-30.0, eps=1e-6)
    torch.testing.assert_close(t, (z + 30) / (topography.energy(u) + 1e-6).sqrt())
    assert student_t(z, 0 * u, topography, mu=-30.0).isfinite().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": 7}, "window=7 does not fit frames=6"),
        ({"window": -1}, "window=-1"),
        ({"window": 0}, "window=0"),
        ({"neighbourhood": 9}, "neighbourhood=9 does not fit units=5"),
        ({"frames": 0}, "frames=0"),
        ({"neighbourhood": 2, "reference_window": True}, "odd neighbourhood"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(arguments, message):
    numbers = {"capsules": 2, "units": 5, "frames": 6, "window": 3} | arguments
    with pytest.raises(ValueError, match=message):
        Topography(**numbers)


def test_energy_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"\(2, 5, 2, 6\)"):
        Topography.tvae(2, 6, 6, 3).energy(torch.zeros(2, 5, 2, 6))
    with pytest.raises(ValueError, match="window of at least 1"):
        Topography.none(2, 6, 6).energy(torch.zeros(2, 6, 2, 6))
