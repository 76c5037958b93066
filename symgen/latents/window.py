"""Windows: weights of the offsets that share energy, and sums over them."""

import torch
from torch import Tensor

from symgen.latents.capsules import Boundary

__all__ = ["box", "extended", "pool_cyclic", "weights"]


def weights(extent: int, reference: bool, causal: bool = False) -> dict[int, float]:
    """Weigh the offsets of a window of `extent` (see Topography)."""
    half = extent // 2
    if causal:
        return dict.fromkeys(range(1 - extent, 1), 1.0)
    if extent % 2:
        return dict.fromkeys(range(-half, half + 1), 1.0)
    if reference:
        return dict.fromkeys(range(1 - half, half + 1), 1.0)
    return {d: 0.5 if abs(d) == half else 1.0 for d in range(-half, half + 1)}


def extended(
    energy: Tensor, axis: int, first: int, last: int, boundary: Boundary, padding: float
) -> Tensor:
    """Continue `energy` along `axis` from index `first` <= 0 to size - 1 + `last`.

    Beyond the ends it wraps around or, with a zero boundary, is `padding`.
    """
    size = energy.shape[axis]
    index = torch.arange(first, size + last, device=energy.device)
    inside = energy.index_select(axis, index % size)
    if boundary == "cyclic":
        return inside
    beyond = ((index < 0) | (index >= size)).view(-1, *[1] * (-1 - axis))
    return inside.masked_fill(beyond, padding)


def pool_cyclic(energy: Tensor, axis: int, extent: int, reference: bool) -> Tensor:
    """Sum over a cyclic window along `axis`."""
    terms = [w * energy.roll(-d, axis) for d, w in weights(extent, reference).items()]
    return torch.stack(terms).sum(0)


def box(padded: Tensor, axis: int, offsets: dict[int, float]) -> Tensor:
    """Sum over a sliding window along `axis`, from running sums within blocks.

    A window [a, a+k) is the rest of the block of length k that a lies in, plus the start of the
    next block: two additions for any k, and no difference of large sums that would lose digits.
    """
    ends_halved = min(offsets.values()) < 1
    k = len(offsets) - ends_halved
    moved = padded.movedim(axis, 0)
    length = moved.shape[0]
    blocks = -(-length // k) + 1
    filled = torch.cat([moved, moved.new_zeros(blocks * k - length, *moved.shape[1:])])
    by_block = filled.unflatten(0, (blocks, k))
    rest = by_block.flip(1).cumsum(1).flip(1).flatten(0, 1)
    start = (by_block.cumsum(1) - by_block).flatten(0, 1)
    windows = rest[: length - k + 1] + start[k : length + 1]
    if ends_halved:
        windows = 0.5 * (windows[:-1] + windows[1:])
    return windows.movedim(0, axis)
