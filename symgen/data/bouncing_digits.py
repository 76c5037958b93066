"""Bouncing digits: sequences of one digit that moves in a box and bounces off its walls."""

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from symgen.data.batches import SequenceBatch, require_items
from symgen.data.images import require_gray_bytes
from symgen.data.items import fingerprint
from symgen.data.options import MOST_FRAMES, require_whole

__all__ = ["BouncingDigits"]

CYCLE = 18  # frames from a place back to it
_LARGEST = 1024  # height and width of a frame


class BouncingDigits:
    """Makes sequences of gray images that move to and fro in a box, as in Moving MNIST.

    Along each axis a digit goes from wall to wall and back in S frames at constant speed, from a
    place and in a direction of its own, and so comes back to where it was (Srivastava, Mansimov &
    Salakhutdinov 2015, with paths that close). Along an axis with so much room, frame l of one
    that started at phase p, 0 to S - 1, is at

        room · (1 - |1 - 2 ((p + l) mod S) / S|), rounded to a pixel.

    The factors are the phases along x and along y, which move together.

    Args:
        pixels: gray images; the sequences are made on their device.
        frames: length S of a sequence, and of the way back; None for 18.
        size: height and width of a frame.

    Example:
        >>> from symgen.data import load
        >>> source = BouncingDigits(load("digits", split="test").pixels)
        >>> batch = source.batch(torch.arange(2), torch.Generator().manual_seed(0))
        >>> tuple(batch.frames.shape), batch.factors[0, :3].tolist()
        ((2, 18, 1, 48, 48), [[8, 9], [9, 10], [10, 11]])
    """

    factor_names = ("x", "y")
    canonical = 0  # a value of a moving factor that every sequence shows

    def __init__(
        self,
        pixels: UInt8[Tensor, "items 1 height width"],
        frames: int | None = None,
        size: int = 48,
    ) -> None:
        require_gray_bytes("bouncing digits", pixels)
        if frames is not None:
            require_whole("frames", frames, 2, MOST_FRAMES)
        require_whole("size", size, 1 + max(pixels.shape[-2:]), _LARGEST)
        self.pixels, self.frames, self.size = pixels, frames or CYCLE, size
        self.factor_sizes = (self.frames, self.frames)
        self.data_shape = (1, size, size)

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, indices: Int64[Tensor, " B"], generator: torch.Generator) -> SequenceBatch:
        """Make one random sequence of each image."""
        indices, device = require_items(self, indices), self.pixels.device
        start = torch.randint(self.frames, (len(indices), 1, 2), generator=generator)
        factors = (start + torch.arange(self.frames)[:, None]) % self.frames  # (B, S, 2)
        room = self.size - torch.tensor(self.pixels.shape[-2:]).flip(0)  # along x, along y
        place = (room * (1 - (1 - 2 * factors / self.frames).abs())).round().long().to(device)
        images = self.pixels[indices.to(device), 0].to(torch.float32) / 255
        frames = _placed(images, place, self.size)[:, :, None]
        moved = torch.full((len(indices),), -1, device=device)
        return SequenceBatch(frames, factors.to(device), moved)

    def __repr__(self) -> str:
        images = f"{len(self)} images of {' x '.join(map(str, self.pixels.shape[-2:]))}"
        how = f"frames={self.frames}, size={self.size}"
        return f"BouncingDigits({images}, {how}, fingerprint={fingerprint(self.pixels)!r})"


def _placed(
    images: Float[Tensor, "B height width"], place: Int64[Tensor, "B S 2"], size: int
) -> Float[Tensor, "B S size size"]:
    """Put images on black ground, their upper left corners at (x, y)."""
    height, width = images.shape[1:]
    bordered = torch.nn.functional.pad(images, (0, 1, 0, 1))  # what lies outside is read there
    x, y = (torch.arange(size, device=images.device) - place[..., None]).unbind(2)  # (B, S, size)
    row = torch.where((y >= 0) & (y < height), y, height)
    column = torch.where((x >= 0) & (x < width), x, width)
    item = torch.arange(len(images), device=images.device)[:, None, None, None]
    return bordered[item, row[..., :, None], column[..., None, :]]
