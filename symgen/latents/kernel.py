"""Neighbourhoods given by their weights, which may be learned."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from symgen._inputs import Index, checked
from symgen._typed import Count
from symgen.latents.capsules import Boundary
from symgen.latents.window import extended

__all__ = ["kernel_speed", "moving_kernel", "pool_kernel"]


@checked
def pool_kernel(
    energy: Float[Tensor, "*batch S C D"],
    kernel: Float[Tensor, "kernels offsets D"],
    first: Index,
    boundary: Boundary = "cyclic",
) -> Float[Tensor, "*batch S C D"]:
    """Return `v[l, c, j] = sum_δ sum_o A[c, δ, o] e[l + δ, c, (j + o) mod D]`.

    Args:
        energy: what is shared, not negative.
        kernel: weights A by offset in time, from `first` on, and in units, 0 to D - 1; one kernel
            for all capsules or one for each.
        first: first offset in time, at most 0, the last one being at least 0.
        boundary: of time; beyond a zero boundary every unit has the energy 1, as in `Topography`.

    Raises:
        ValueError: if the offset 0 is not among the kernel's, or kernels and capsules disagree.

    Example:
        >>> e, kernel = torch.eye(3)[:, None], torch.zeros(1, 3, 3)
        >>> kernel[0, 0, 2] = 1.0  # one frame back, one unit back (2 = -1 mod 3)
        >>> pool_kernel(e, kernel, first=-1)[1, 0]
        tensor([0., 1., 0.])
    """
    count, units = kernel.shape[-2:]
    last = first + count - 1
    if not first <= 0 <= last:
        raise ValueError(f"first={first} for {count} offsets: the offset 0 must be among them")
    if len(kernel) not in (1, energy.shape[-2]):
        raise ValueError(f"kernel of shape {tuple(kernel.shape)} for {energy.shape[-2]} capsules")
    around = extended(energy, -3, first, last, boundary, 1.0).unfold(-3, count, 1)
    rows = around.movedim(-1, -2).flatten(-2)  # (*batch, S, C, offsets·D)
    unit = torch.arange(units, device=energy.device)
    circulant = kernel[..., (unit[:, None] - unit) % units]  # source unit, receiving unit
    matrix = circulant.flatten(1, 2)  # (kernels, offsets·D, D)
    if len(matrix) == 1:
        return rows @ matrix[0]
    return torch.einsum("...ci,cij->...cj", rows, matrix)


@checked
def moving_kernel(
    speed: Float[Tensor, " C"],
    in_time: Float[Tensor, " offsets"],
    in_units: Float[Tensor, " extent"],
    first: Index,
    units: Count,
) -> Float[Tensor, "C offsets D"]:
    """Weigh the offsets of neighbourhoods that advance at a speed of each capsule's own.

    `A[c, δ, o] = a_δ sum_ε b_ε hat(o - speed_c δ - ε)` with the hat of linear interpolation: the
    W of a `Topography` with this shift, differentiable with respect to it.

    Args:
        speed: units per frame of every capsule.
        in_time: weights a of the offsets in time.
        in_units: weights b of the offsets -(K-1)/2 … (K-1)/2 from the moving unit, an odd number.
        first: first offset in time.
        units: units in a capsule, D.

    Example:
        >>> moving_kernel(torch.tensor([0.5]), torch.ones(2), torch.ones(1), first=0, units=3)
        tensor([[[1.0000, 0.0000, 0.0000],
                 [0.5000, 0.5000, 0.0000]]])
    """
    delta = torch.arange(len(in_time), device=speed.device) + first
    near = torch.arange(len(in_units), device=speed.device) - len(in_units) // 2
    centre = (speed[:, None] * delta)[..., None] + near  # (C, offsets, K)
    offset = torch.arange(units, device=speed.device)
    distance = (offset[:, None] - centre[..., None, :] + units / 2) % units - units / 2
    hats = (1 - distance.abs()).relu() @ in_units  # (C, offsets, D)
    return hats * in_time[:, None]


@checked
def kernel_speed(kernel: Float[Tensor, "offsets D"], first: Index) -> Float[Tensor, ""]:
    """Infer the roll speed along which a kernel lies, to half a unit per frame.

    The speed s, among those from -D/2 to D/2, with the greatest `sum_(δ ≠ 0) sum_o A[δ, o]
    cos 2π(o - s δ)/D`: the middle of the kernel, however wide it is.

    Args:
        kernel: weights A of every offset in time and along the units.
        first: offset in time of the first row, such as -2 of a window of 5.

    Example:
        >>> speed = torch.tensor([2.0])
        >>> kernel = moving_kernel(speed, torch.ones(3), torch.ones(1), first=-1, units=7)
        >>> kernel_speed(kernel[0], first=-1)
        tensor(2.)
    """
    count, units = kernel.shape
    speeds = torch.arange(1 - units, units + 1, device=kernel.device, dtype=kernel.dtype) / 2
    delta = torch.arange(count, device=kernel.device) + first
    offset = torch.arange(units, device=kernel.device)
    angle = 2 * math.pi / units * (offset - speeds[:, None, None] * delta[:, None])
    score = (kernel * angle.cos() * (delta != 0)[:, None]).sum((-2, -1))
    return speeds.gather(0, score.argmax(0, keepdim=True))[0]
