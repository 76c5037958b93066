"""Moving sprites: sequences of dSprites in which one factor walks through its values."""

from functools import cache
from math import prod
from typing import Literal, get_args

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.nn.functional import embedding

from symgen._errors import require_choice
from symgen.data import dsprites
from symgen.data.batches import SequenceBatch, require_items
from symgen.data.options import MOST_FRAMES, require_seed, require_whole

__all__ = ["MovingSprites"]

Split = Literal["train", "test", "all"]
Mode = Literal["single", "position"]

SIZES = (3, 5, 15, 15, 15)
MOVING: dict[Mode, tuple[int, ...]] = {"single": (1, 2, 3, 4), "position": (3, 4)}
HELD_OUT = 0.1  # share of the orbits of each moving factor
CYCLE = 15  # frames in which a factor walks through its values
COUNT = prod(SIZES)
STRIDES = tuple(prod(SIZES[factor + 1 :]) for factor in range(len(SIZES)))


class MovingSprites:
    """Makes the sequences of the Topographic VAE's dSprites experiments.

    They use 50,625 images of dSprites: all shapes, the five largest scales and every other of the
    first thirty orientations and positions; factors count these values from 0. A sequence starts
    at one and moves its scale, orientation, posX or posY by one value per frame, cyclically, for
    15 frames, in which the scale wraps around three times (Keller & Welling 2021, section 6).

    With `split="all"` the items are the 50,625 start images and the moving factor is drawn
    uniformly each time, as in the paper, which trains and evaluates on the same images. The other
    splits hold out **orbits**, the closed walks of a moving factor, given the four others. No test
    sequence is therefore a cyclic shift of a training sequence, but its single images do occur in
    training, in other orbits. Here the items are pairs of a start image and a moving factor, about
    equally many for every factor, in a random but fixed order.

    Args:
        split: "train" or "test" orbits, or "all".
        held_out: share of each moving factor's orbits that makes the test split.
        split_seed: seed of the choice of orbits.
        device: where the images stay and sequences are made.
        mode: "single" moves scale, orientation, posX or posY, "position" only posX or posY.
        frames: length S of a sequence; None for a full cycle of 15.

    Example:
        >>> source = MovingSprites("test")
        >>> batch = source.batch(torch.arange(3), torch.Generator())
        >>> tuple(batch.frames.shape), tuple(batch.factors.shape), len(source)
        ((3, 15, 1, 64, 64), (3, 15, 5), 20270)
    """

    factor_names = dsprites.FACTOR_NAMES
    factor_sizes = SIZES
    data_shape = (1, 64, 64)

    def __init__(
        self,
        split: Split = "train",
        held_out: float = HELD_OUT,
        split_seed: int = 0,
        device: str | torch.device = "cpu",
        mode: Mode = "single",
        frames: int | None = None,
    ) -> None:
        require_choice("mode", mode, MOVING)
        require_choice("split", split, get_args(Split))
        fewest = COUNT // max(SIZES)
        if not (0 < held_out < 1 and 0 < round(held_out * fewest) < fewest):
            raise ValueError(
                f"held_out={held_out} leaves a split empty: choose a share between 0 and 1 "
                f"of the {fewest} orbits of a factor"
            )
        if frames is not None:
            require_whole("frames", frames, 1, MOST_FRAMES)
        require_seed("split_seed", split_seed)
        self.mode: Mode = mode
        self.frames = frames or CYCLE
        self.split: Split = split
        self.held_out = held_out
        self.split_seed = split_seed
        self.device = torch.device(device)
        # At one bit per pixel, spread by a table on reading, batches come faster than from bytes.
        self._bits = _images().to(self.device)
        pixels_of_byte = torch.arange(256)[:, None] >> torch.arange(7, -1, -1) & 1
        self._pixels_of_byte = pixels_of_byte.to(self.device, torch.float32)
        self._pairs = None  # or start images with a moving factor
        if split != "all":
            pairs = _pairs(split == "test", held_out, split_seed)
            self._pairs = pairs[torch.isin(pairs[:, 1], torch.tensor(MOVING[mode]))]

    def __len__(self) -> int:
        return COUNT if self._pairs is None else len(self._pairs)

    def batch(self, indices: Int64[Tensor, " B"], generator: torch.Generator) -> SequenceBatch:
        """Make the sequence of each item; the generator draws what moves if `split` is "all"."""
        factors, moved = self._walk(require_items(self, indices), generator)
        image = (factors * torch.tensor(STRIDES)).sum(-1).to(self.device)
        frames = embedding(self._bits[image].int(), self._pixels_of_byte)
        frames = frames.view(*image.shape, *self.data_shape)
        return SequenceBatch(frames, factors.to(self.device), moved.to(self.device))

    def _walk(self, items: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the value of each factor in each frame, and the moving factor."""
        if self._pairs is None:
            start = items
            first, *_, last = MOVING[self.mode]
            moved = torch.randint(first, last + 1, start.shape, generator=generator)
        else:
            start, moved = self._pairs[items].unbind(-1)
        moving = moved[:, None] == torch.arange(len(SIZES))
        steps = torch.arange(self.frames)[:, None] * moving[:, None]  # (B, S, F)
        factors = torch.stack(torch.unravel_index(start, SIZES), dim=-1)
        return (factors[:, None] + steps) % torch.tensor(SIZES), moved

    def __repr__(self) -> str:
        split = f"{self.split!r}, held_out={self.held_out}, split_seed={self.split_seed}"
        how = f"device={str(self.device)!r}, mode={self.mode!r}, frames={self.frames}"
        return f"MovingSprites({split}, {how})"

    def described(self) -> dict[str, object] | None:
        """Return what it takes to draw the sequences again, if they were drawn as by default."""
        if self.split != "train" or self.held_out != HELD_OUT:
            return None
        length = None if self.frames == CYCLE else self.frames
        seed = self.split_seed
        return {"kind": "sprites", "mode": self.mode, "length": length, "split_seed": seed}


@cache
def _images() -> UInt8[Tensor, "images 512"]:
    """Draw the images that are used, once for all sources."""
    return dsprites.render_bits(dsprites.every_other())


def _pairs(test: bool, held_out: float, seed: int) -> Int64[Tensor, "pairs 2"]:
    """List the pairs (start image, moving factor) of the orbits of one split, shuffled."""
    generator = torch.Generator().manual_seed(seed)
    held = []
    for factor in MOVING["single"]:
        sizes = [1 if other == factor else size for other, size in enumerate(SIZES)]
        orbits = prod(sizes)
        drawn = torch.randperm(orbits, generator=generator) < round(held_out * orbits)
        held.append(drawn.view(sizes).expand(SIZES).flatten())
    pairs = (torch.stack(held, dim=-1) == test).nonzero() + torch.tensor((0, 1))
    return pairs[torch.randperm(len(pairs), generator=generator)]
