"""Capsules: vectors on which a group acts by cyclic permutation."""

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

__all__ = ["observed_roll", "roll"]


def roll(t: Shaped[Tensor, "*batch D"], shift: int | Tensor) -> Shaped[Tensor, "*out D"]:
    """Roll every capsule: the value of unit j moves to unit j + shift, cyclically.

    `Roll_k(t)[j] = t[(j - k) mod D]` (Topographic VAE, Keller & Welling 2021, eq. 18): an exact
    permutation, the action of the cyclic group Z_D on a capsule.

    Args:
        t: activations, the units of a capsule last.
        shift: number of units; an integer tensor is broadcast against the shape of `t` without
            its last dimension, so that each capsule can have its own shift.

    Returns:
        The rolled activations, `(*broadcast, D)`.

    Raises:
        ValueError: if the shift is not an integer.

    Example:
        >>> roll(torch.tensor([10, 20, 30, 40]), 1)
        tensor([40, 10, 20, 30])
        >>> roll(torch.tensor([10, 20, 30, 40]), torch.tensor([[0], [2]])).shape
        torch.Size([2, 1, 4])
    """
    if isinstance(shift, int):
        return t.roll(shift, dims=-1)
    if not isinstance(shift, Tensor) or shift.is_floating_point() or shift.dtype == torch.bool:
        given = shift.dtype if isinstance(shift, Tensor) else repr(shift)
        raise ValueError(f"roll takes an integer shift, got {given}: round it to whole units")
    units = t.shape[-1]
    source = (torch.arange(units, device=t.device) - shift[..., None]) % units
    shape = (*torch.broadcast_shapes(t.shape[:-1], shift.shape), units)
    return t.expand(shape).gather(-1, source.expand(shape))


def observed_roll(
    t_ref: Float[Tensor, "*batch C D"], t: Float[Tensor, "*batch C D"]
) -> Int64[Tensor, "*batch C"]:
    """Read off by how many units each capsule of `t` is rolled against `t_ref`.

    The shift k with the greatest periodic cross-correlation `sum_j t_ref[j] t[j + k]` (Keller &
    Welling 2021, section 5, the phase of CapCorr), computed by the discrete Fourier transform.

    Args:
        t_ref: reference activations.
        t: activations to compare with it.

    Returns:
        Shifts in 0 .. D-1; `t == roll(t_ref, k)` gives k.

    Example:
        >>> t = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
        >>> observed_roll(t, roll(t, 5))
        tensor([5, 5, 5])
    """
    units = t.shape[-1]
    spectrum = torch.fft.rfft(t_ref).conj() * torch.fft.rfft(t)
    return torch.fft.irfft(spectrum, n=units).argmax(-1)
