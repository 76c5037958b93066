"""Capsules: vectors on which a group acts by rolling their units."""

import math
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from symgen._inputs import checked, require_finite
from symgen._typed import Count, Range

__all__ = ["Boundary", "observed_roll", "roll"]

Boundary = Literal["cyclic", "zero"]
_FARTHEST = 2**53  # to which floats tell whole numbers apart


@checked
def roll(
    t: Shaped[Tensor, "*batch D"],
    shift: Annotated[int | float, Range(-_FARTHEST, _FARTHEST)] | Tensor,
    method: Literal["linear", "fourier"] = "linear",
    boundary: Boundary = "cyclic",
) -> Shaped[Tensor, "*out D"]:
    """Roll every capsule: the value of unit j moves to unit j + shift.

    `Roll_k(t)[j] = t[(j - k) mod D]` (Topographic VAE, Keller & Welling 2021, eq. 18): an exact
    permutation for whole k, the action of the cyclic group Z_D on a capsule. A fraction between
    the whole numbers k and k + 1 is a partial roll (their eq. 19 and 20):

    * linear: `(1 - f) Roll_k(t) + f Roll_(k+1)(t)` with f = shift - k. It keeps the mean and never
      makes a positive capsule negative, but blurs: two halves are not a whole.
    * fourier: the phases of the discrete Fourier transform are shifted. This is an action of the
      circle: halves add up, and -shift undoes shift, unless D is even and t has something at the
      highest frequency.

    Args:
        t: activations, the units of a capsule last.
        shift: number of units; a tensor is broadcast against `t` without its last dimension, so
            that each capsule can have its own. Linear rolls have gradients with respect to it.
        method: what to do between whole units.
        boundary: "cyclic", or "zero" for a non-periodic capsule: units rolled out are lost and
            zeros rolled in.

    Raises:
        ValueError: if the shift is not a number, or a Fourier roll, which is cyclic, is to end.

    Example:
        >>> roll(torch.tensor([10, 20, 30, 40]), 1)
        tensor([40, 10, 20, 30])
        >>> roll(torch.tensor([10.0, 20.0, 30.0, 40.0]), 0.5, boundary="zero")
        tensor([ 5., 15., 25., 35.])
        >>> roll(torch.tensor([10, 20, 30, 40]), torch.tensor([[0], [2]])).shape
        torch.Size([2, 1, 4])
    """
    if isinstance(shift, Tensor) and shift.dtype == torch.bool:
        raise ValueError(f"roll takes a number of units, got {shift!r}: give an integer or float")
    whole = not (shift.is_floating_point() if isinstance(shift, Tensor) else shift % 1)
    if whole:
        return _permute(t, shift if isinstance(shift, Tensor) else int(shift), boundary)
    if not t.is_floating_point():
        raise ValueError(f"t of {t.dtype} cannot be rolled by a fraction: give it as float")
    if method == "fourier":
        if boundary != "cyclic":
            raise ValueError(
                f"boundary={boundary!r} with method='fourier': a Fourier roll is cyclic, take "
                "method='linear'"
            )
        return _shift_phase(t, shift)
    if isinstance(shift, Tensor):
        low = shift.floor()
        part, low = (shift - low)[..., None].to(t.dtype), low.long()
    else:
        low = math.floor(shift)
        part = shift - low
    return (1 - part) * _permute(t, low, boundary) + part * _permute(t, low + 1, boundary)


def _permute(t: Tensor, shift: int | Tensor, boundary: Boundary) -> Tensor:
    if isinstance(shift, int) and boundary == "cyclic":
        return t.roll(shift, dims=-1)
    shift = torch.as_tensor(shift, device=t.device)
    units = t.shape[-1]
    source = torch.arange(units, device=t.device) - shift[..., None]
    shape = (*torch.broadcast_shapes(t.shape[:-1], shift.shape), units)
    rolled = t.expand(shape).gather(-1, (source % units).expand(shape))
    if boundary == "cyclic":
        return rolled
    return rolled.masked_fill((source < 0) | (source >= units), 0)


def _shift_phase(t: Tensor, shift: float | Tensor) -> Tensor:
    units, given = t.shape[-1], t.dtype
    t = t.to(torch.promote_types(given, torch.float32))  # half precision has no Fourier transform
    frequency = torch.arange(units // 2 + 1, device=t.device, dtype=t.dtype)
    turns = torch.as_tensor(shift, device=t.device, dtype=t.dtype)[..., None] * frequency / units
    phase = torch.polar(torch.ones_like(turns), -2 * math.pi * turns)
    return torch.fft.irfft(torch.fft.rfft(t) * phase, n=units).to(given)


@checked
def observed_roll(
    t_ref: Float[Tensor, "*batch C D"],
    t: Float[Tensor, "*batch C D"],
    resolution: Count = 1,
    boundary: Boundary = "cyclic",
) -> Int64[Tensor, "*batch C"]:
    """Infer by how many units each capsule of `t` is rolled compared with `t_ref`.

    The shift k with the greatest periodic cross-correlation `sum_j t_ref[j] t[j + k]` (Keller &
    Welling 2021, section 5, the phase of CapCorr), computed by the discrete Fourier transform.
    Between whole units the correlation is that of a Fourier roll.

    Args:
        t_ref, t: capsules, without unit; the second is compared with the first.
        resolution: parts of a unit in which shifts are given, such as 2 for half units.
        boundary: "zero" correlates non-periodic capsules, with zeros beyond their ends.

    Returns:
        Shifts in parts of a unit, 0 .. D·resolution - 1, or with a zero boundary from
        -D·resolution on; `t == roll(t_ref, k)` gives k at resolution 1.

    Example:
        >>> t = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
        >>> observed_roll(t, roll(t, 5))
        tensor([5, 5, 5])
        >>> observed_roll(t, roll(t, 2.5, method="fourier"), resolution=2)
        tensor([5, 5, 5])
    """
    t_ref, t = require_capsules(t_ref, t)
    units = t.shape[-1] if boundary == "cyclic" else 2 * t.shape[-1]
    spectrum = torch.fft.rfft(t_ref, n=units).conj() * torch.fft.rfft(t, n=units)
    if resolution > 1 and units % 2 == 0:
        # The highest frequency of the coarse grid is a pair of conjugates on the fine one.
        spectrum = torch.cat([spectrum[..., :-1], spectrum[..., -1:] / 2], -1)
    period = units * resolution
    shift = torch.fft.irfft(spectrum, n=period).argmax(-1)
    if boundary == "cyclic":
        return shift
    return torch.where(shift >= period // 2, shift - period, shift)


def require_capsules(t_ref: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Return capsules to compare in a precision that has a Fourier transform, if there are some.

    Raises:
        ValueError: for what is empty or not finite, among which nothing is greatest.
    """
    if not t.numel():
        raise ValueError(f"t of shape {tuple(t.shape)}: give one capsule of one unit at least")
    require_finite("t_ref", t_ref)
    require_finite("t", t)
    kind = torch.promote_types(t.dtype, torch.float32)
    return t_ref.to(kind), t.to(kind)
