"""The phase of capsules: what a roll adds to it, and what it cannot tell."""

import math

import pytest
import torch

from symgen.latents import AxesTopography, capsule_phase, roll


def turned(found: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
    """The differences of angles, between -π and π."""
    return (found - expected + math.pi) % (2 * math.pi) - math.pi


@pytest.mark.parametrize("units", [3, 8, 15])
@pytest.mark.parametrize("steps", [1, -2, 7])
def test_a_roll_adds_its_share_of_a_turn_and_keeps_the_amplitude(
    units: int, steps: int, dtype: torch.dtype
) -> None:
    t = torch.randn(5, 4, units, dtype=dtype)
    before, after = capsule_phase(t), capsule_phase(roll(t, steps))
    added = turned(after.phase - before.phase, torch.tensor(2 * math.pi * steps / units))
    torch.testing.assert_close(added, torch.zeros_like(added), rtol=0, atol=1e-6)
    torch.testing.assert_close(after.amplitude, before.amplitude)


def test_a_wave_has_the_phase_of_its_crest_and_its_amplitude(dtype: torch.dtype) -> None:
    unit = torch.arange(12, dtype=dtype)
    t = 5 + 3 * (2 * math.pi * (unit - 4.5) / 12).cos()
    found = capsule_phase(t[None])
    assert found.phase.shape == (1, 1)
    assert math.isclose(found.phase.item() % (2 * math.pi), 2 * math.pi * 4.5 / 12, abs_tol=1e-6)
    assert math.isclose(found.amplitude.item(), 3, abs_tol=1e-6)


def test_two_equal_crests_have_no_first_component() -> None:
    two = torch.tensor([[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]])
    assert capsule_phase(two).amplitude.item() < 1e-6


def test_every_axis_has_a_phase_of_its_own(dtype: torch.dtype) -> None:
    topography = AxesTopography(capsules=2, shape=(5, 4), frames=5, window=3)
    t = torch.randn(2, 20, dtype=dtype)
    before = capsule_phase(t, topography.shape)
    after = capsule_phase(topography.roll(t, 1, axis=1), topography.shape)
    added = turned(after.phase, before.phase)
    expected = torch.tensor([0, math.pi / 2], dtype=dtype).expand(2, 2)
    torch.testing.assert_close(added, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("units", "shape"), [(2, None), (6, (3, 2)), (6, (3, 3))])
def test_capsules_that_tell_no_direction_are_refused(
    units: int, shape: tuple[int, ...] | None
) -> None:
    with pytest.raises(ValueError, match="a phase needs three units or more along every axis"):
        capsule_phase(torch.zeros(1, units), shape)
