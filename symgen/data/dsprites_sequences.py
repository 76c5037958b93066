"""Moving sprites: sequences of dSprites in which one factor walks through its values."""

from functools import cache
from math import prod
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int64, UInt8
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
_COMPARED = 2_048  # images at once in a search
_DEGREES = 2 * 360 / 39  # between one orientation and the next
_TURNS = (90.0, 180.0, 360.0)  # after which square, ellipse and heart look the same
_WITHIN = 20.0  # degrees
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
        validation: leave as many of the training orbits out, and let them be the test split: for
            choices that no test orbit may decide.
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
        validation: bool = False,
    ) -> None:
        require_choice("mode", mode, MOVING)
        require_choice("split", split, get_args(Split))
        fewest = COUNT // max(SIZES)
        parts = 1 + validation
        if not (0 < held_out < 1 / parts and 0 < parts * round(held_out * fewest) < fewest):
            raise ValueError(
                f"held_out={held_out} leaves a split empty: choose a share between 0 and "
                f"{1 / parts:g} of the {fewest} orbits of a factor"
            )
        if frames is not None:
            require_whole("frames", frames, 1, MOST_FRAMES)
        require_seed("split_seed", split_seed)
        self.mode: Mode = mode
        self.frames = frames or CYCLE
        self.split: Split = split
        self.held_out = held_out
        self.split_seed = split_seed
        self.validation = validation
        self.device = torch.device(device)
        # At one bit per pixel, spread by a table on reading, batches come faster than from bytes.
        self._bits = _images().to(self.device)
        pixels_of_byte = torch.arange(256)[:, None] >> torch.arange(7, -1, -1) & 1
        self._pixels_of_byte = pixels_of_byte.to(self.device, torch.float32)
        self._pairs = None  # or start images with a moving factor
        if split != "all":
            pairs = _pairs(split == "test", held_out, split_seed, validation)
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

    @torch.no_grad()
    def nearest(self, images: Float[Tensor, "n 1 64 64"]) -> Int64[Tensor, "n 5"]:
        """Return the factors of the nearest of the 50,625 images, by squared error.

        It judges what a model draws.

        Example:
            >>> source = MovingSprites("test")
            >>> frames, factors, _ = source.batch(torch.arange(2), torch.Generator())
            >>> source.nearest(0.8 * frames[:, 3]).equal(factors[:, 3])
            True
        """
        flat = images.to(self.device).flatten(1)
        best = flat.new_full((len(flat),), torch.inf)
        found = torch.zeros(len(flat), dtype=torch.int64, device=self.device)
        for start in range(0, COUNT, _COMPARED):
            pixels = embedding(self._bits[start : start + _COMPARED].int(), self._pixels_of_byte)
            pixels = pixels.flatten(1)
            distance, index = (pixels.sum(1)[:, None] - 2 * pixels @ flat.T).min(0)
            found = torch.where(distance < best, start + index, found)
            best = best.minimum(distance)
        return torch.stack(torch.unravel_index(found, SIZES), -1)

    def told_right(
        self, images: Float[Tensor, "n 1 64 64"], factors: Int64[Tensor, "n 5"]
    ) -> dict[str, Bool[Tensor, " n"]]:
        """Tell whether what a model drew looks like what it should: as the nearest image does.

        Args:
            images: what it drew.
            factors: what it should have drawn.

        Returns:
            By name: whether the `shape` is right, and whether the `orientation` is, within 20° up
            to the symmetry of the shape. By chance that is 33 and 26 % of them.
        """
        found, factors = self.nearest(images), factors.to(self.device)
        turn = torch.tensor(_TURNS, device=self.device)[factors[:, 0]]
        degrees = (found - factors)[:, 2] * _DEGREES
        degrees = (degrees + turn / 2) % turn - turn / 2
        return {
            "shape": found[:, 0] == factors[:, 0],
            "orientation": degrees.abs() <= _WITHIN,
        }

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
        how += ", validation=True" if self.validation else ""
        return f"MovingSprites({split}, {how})"

    def described(self) -> dict[str, object] | None:
        """Return what it takes to draw the sequences again, if they were drawn as by default."""
        if self.split != "train" or self.held_out != HELD_OUT:
            return None
        return {
            "kind": "sprites",
            "mode": self.mode,
            "length": None if self.frames == CYCLE else self.frames,
            "split_seed": self.split_seed,
            "validation": self.validation,
        }


@cache
def _images() -> UInt8[Tensor, "images 512"]:
    """Draw the images that are used, once for all sources."""
    return dsprites.render_bits(dsprites.every_other())


def _pairs(test: bool, held_out: float, seed: int, validation: bool) -> Int64[Tensor, "pairs 2"]:
    """List the pairs (start image, moving factor) of the orbits of one split, shuffled."""
    generator = torch.Generator().manual_seed(seed)
    chosen = []
    for factor in MOVING["single"]:
        sizes = [1 if other == factor else size for other, size in enumerate(SIZES)]
        orbits = prod(sizes)
        order, held = torch.randperm(orbits, generator=generator), round(held_out * orbits)
        first, last = (held, 2 * held) if validation else (0, held)
        drawn = (first <= order) & (order < last) if test else order >= last
        chosen.append(drawn.view(sizes).expand(SIZES).flatten())
    pairs = torch.stack(chosen, dim=-1).nonzero() + torch.tensor((0, 1))
    return pairs[torch.randperm(len(pairs), generator=generator)]
