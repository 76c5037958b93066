"""Latents refuse arguments of other kinds, shapes and sizes by name."""

import jaxtyping
import pytest
import torch

from symgen.latents import (
    AxesTopography,
    Laplace,
    Topography,
    observed_roll,
    observed_rolls,
    roll,
    standard_normal_log_prob,
)

T = torch.randn(3, 4, 6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: roll(T, 1e30), "shift=1e.30: give"),
        (lambda: roll(T, torch.inf), "shift=inf: give"),
        (lambda: roll(T, 1, method="Linear"), "method='Linear': choose"),
        (lambda: observed_roll(T[..., 1:], T), r"got t_ref \(3, 4, 5\), t \(3, 4, 6\)"),
        (lambda: observed_roll(T, T / 0), "t holds 72 values of 72 that are not finite"),
        (lambda: observed_roll(T * torch.nan, T), "t_ref holds 72 values"),
        (lambda: observed_roll(T, T, boundary="CYCLIC"), "boundary='CYCLIC': choose"),
        (lambda: observed_roll(T, T, resolution=0), "resolution=0: give"),
        (lambda: observed_roll(T[:0], T[:0]), r"t of shape \(0, 4, 6\)"),
        (lambda: observed_rolls(T, T, (2, 4)), r"shape=\(2, 4\) does not have the 6 units"),
        (lambda: observed_rolls(T, T, (-2, -3)), "shape=.*: give"),
        (lambda: observed_rolls(T, T.long(), (2, 3)), "t of shape .* is torch.int64: give float"),
        (lambda: standard_normal_log_prob(T.long()), "x of shape"),
        (lambda: Topography(2, True, 6, 3), "units=True: give"),
        (lambda: Topography(2, 6, "x", 3), "frames='x': give"),
        (lambda: Topography(2, 6, 6, 3, causal=1), "causal=1: give"),
        (lambda: Topography(2, 600, 10**6, 3).matrix(), "frames=1000000, units=600"),
        (lambda: AxesTopography(2, 3, 6, 3), "shape=3: give"),
        (lambda: AxesTopography(2, (2, 3), 6, 3, neighbourhood=[]), r"neighbourhood=\[\]: give"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message) as raised:
        call()
    assert "\n" not in str(raised.value)


def test_rolls_are_observed_in_half_precision():
    t = T.half()
    assert observed_roll(t, roll(t, 2)).eq(2).all()
    assert observed_rolls(t, t.roll(3, -1), (2, 3))[..., 0].eq(1).all()


def test_a_laplace_variable_of_infinite_variance_is_infinitely_far():
    q = Laplace(T, torch.full_like(T, 1e20))
    assert q.kl().eq(torch.inf).all()
