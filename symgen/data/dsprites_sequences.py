"""Moving sprites: sequences of dSprites in which one factor walks through its values."""

from math import prod
from typing import Literal, get_args

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.nn.functional import embedding

from symgen._errors import require_choice
from symgen.data import dsprites
from symgen.data.batches import SequenceBatch, require_items

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
    at one of them and moves its scale, orientation, posX or posY by one value per frame,
    cyclically, for 15 frames; the scale has five values and wraps around three times (Keller &
    Welling 2021, section 6).

    With `split="all"` the items are the 50,625 start images and the moving factor is drawn
    uniformly each time, as in the paper, which trains and evaluates on the same images. The other
    splits hold out **orbits**: an orbit is a moving factor with the values of the four others,
    which is the closed walk of a sequence. No test sequence is therefore a cyclic shift of a
    training sequence, but its single images do occur in training, in the orbits of other moving
    factors. Here the items are pairs of a start image and a moving factor, about equally many for
    every factor, in a random but fixed order.

    Args:
        split: "train" or "test" orbits, or "all".
        held_out: share of each moving factor's orbits that makes the test split.
        split_seed: seed of the choice of orbits.
        sprites: images to use, as from `read_npz`; None to draw them.
        device: where the images stay and sequences are made.
        mode: "single" moves scale, orientation, posX or posY, "position" only posX or posY.
        frames: length S of a sequence; None for a full cycle of 15.

    Raises:
        ValueError: if the split or mode is unknown, a split would be empty or an image is missing.

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
        sprites: dsprites.Sprites | None = None,
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
        if frames is not None and frames < 1:
            raise ValueError(f"frames={frames}: a sequence has at least one frame")
        self.mode: Mode = mode
        self.frames = frames or CYCLE
        self.split: Split = split
        self.held_out = held_out
        self.split_seed = split_seed
        self.device = torch.device(device)
        self._given = sprites is not None
        # At one bit per pixel, spread by a table on reading, batches come faster than from bytes.
        self._bits = _subset(sprites).to(self.device)
        pixels_of_byte = torch.arange(256)[:, None] >> torch.arange(7, -1, -1) & 1
        self._pixels_of_byte = pixels_of_byte.to(self.device, torch.float32)
        self._pairs = None
        if split != "all":
            pairs = _pairs(split == "test", held_out, split_seed)
            self._pairs = pairs[torch.isin(pairs[:, 1], torch.tensor(MOVING[mode]))]

    def __len__(self) -> int:
        """Return the number of items: start images, or pairs of one with a moving factor."""
        return COUNT if self._pairs is None else len(self._pairs)

    def batch(self, indices: Int64[Tensor, " B"], generator: torch.Generator) -> SequenceBatch:
        """Make the sequence of each item; the generator draws what moves if `split` is "all"."""
        factors, moved = self._walk(require_items(self, indices), generator)
        image = (factors * torch.tensor(STRIDES)).sum(-1).to(self.device)
        frames = embedding(self._bits[image].int(), self._pixels_of_byte)
        frames = frames.view(*image.shape, *self.data_shape)
        return SequenceBatch(frames, factors.to(self.device), moved.to(self.device))

    def _walk(
        self, items: Int64[Tensor, " B"], generator: torch.Generator
    ) -> tuple[Int64[Tensor, "B S F"], Int64[Tensor, " B"]]:
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
        return (
            f"MovingSprites({self.split!r}, held_out={self.held_out}, split_seed="
            f"{self.split_seed}, device={str(self.device)!r}, mode={self.mode!r}, "
            f"frames={self.frames})"
        )

    def described(self) -> dict[str, object] | None:
        """Return what it takes to draw the sequences again, if they were drawn as by default."""
        if self.split != "train" or self.held_out != HELD_OUT or self._given:
            return None
        length = None if self.frames == CYCLE else self.frames
        seed = self.split_seed
        return {"kind": "sprites", "mode": self.mode, "length": length, "split_seed": seed}


def _subset(sprites: dsprites.Sprites | None) -> UInt8[Tensor, "images 512"]:
    """Draw the images that are used, or pick them out of given ones, in C order of the factors."""
    latents = dsprites.every_other()
    if sprites is None:
        return dsprites.render_bits(latents)
    row = torch.full((prod(dsprites.FACTOR_SIZES),), -1)
    row[dsprites.index_of(sprites.latents)] = torch.arange(len(sprites.latents))
    wanted = row[dsprites.index_of(latents)]
    missing = latents[wanted < 0]
    if len(missing):
        raise ValueError(
            f"the {len(sprites.latents)} images given lack {len(missing)} of the {COUNT} that "
            f"sequences are made of, first the one of latents {missing[0].tolist()}: "
            "give the whole of dSprites or None"
        )
    return sprites.bits[wanted]


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
