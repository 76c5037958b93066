"""Colour-transforming digits: sequences of one digit whose angle, scale or hue moves."""

import math
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from symgen._errors import require_choice
from symgen.data.batches import SequenceBatch, require_items
from symgen.data.images import require_gray_bytes
from symgen.data.items import fingerprint
from symgen.data.options import MOST_FRAMES, require_whole
from symgen.groups import affine, hue_vector, projective, warp

__all__ = ["TransformingDigits"]

Mode = Literal["single", "rotation+hue", "perspective+hue", "growth", "still"]

DEGREES = tuple(range(0, 360, 20))  # of the angle; the hue set is the same less 180
SCALES = (0.60, 0.64, 0.68, 0.72, 0.76, 0.79, 0.83, 0.87, 0.91, 0.95)
SCALES += (0.99, 1.03, 1.07, 1.11, 1.14, 1.18, 1.22, 1.26)
SCALE, HUE = 1, 2  # columns of the factors
GROWTH = 12  # frames of a sequence that grows, and so starts at one of seven scales


class TransformingDigits:
    """Makes the sequences of the Topographic VAE's MNIST experiments from gray images.

    A frame is the original image under one warp (rotation and scale about pixel index (width / 2,
    height / 2), bilinear, zeros outside) times one colour. Each factor has 18 values: angles 0,
    20, ..., 340 degrees, counter-clockwise; scales 0.60, 0.64, ..., 1.26; hues -180, -160, ...,
    160 degrees from red. A factor starts at a uniform random value and, if it moves, advances by
    one value per frame, cyclically (Keller & Welling 2021).

    * `"single"`: angle, scale or hue moves, drawn uniformly; the two others stay as drawn.
    * `"rotation+hue"`: both move together; the scale is 1.
    * `"perspective+hue"`: `symgen.groups.projective.tilt` by the angle and hue move together.
    * `"growth"`: the scale grows through 12 frames from one of the seven smallest and does not
      wrap around; angle and hue stay as drawn.
    * `"still"`: the gray images themselves, one channel, for models without time.

    Args:
        pixels: gray images; the sequences are made on their device.
        mode: what moves.
        frames: length S of a sequence; None for 18, a full cycle, or 12 in growth, or 1 if still.

    Example:
        >>> from symgen.data import load
        >>> source = TransformingDigits(load("digits", split="test").pixels)
        >>> batch = source.batch(torch.arange(2), torch.Generator().manual_seed(0))
        >>> tuple(batch.frames.shape), batch.moved.tolist(), batch.factors[0, :3].tolist()
        ((2, 18, 3, 28, 28), [1, 1], [[8, 9, 11], [8, 10, 11], [8, 11, 11]])
    """

    factor_names = ("angle", "scale", "hue")

    def __init__(
        self,
        pixels: UInt8[Tensor, "items 1 height width"],
        mode: Mode = "single",
        frames: int | None = None,
    ) -> None:
        require_choice("mode", mode, get_args(Mode))
        require_gray_bytes("transforming digits", pixels)
        if frames is not None:
            require_whole("frames", frames, 1, MOST_FRAMES)
        self.pixels = pixels
        self.mode = mode
        self.frames = frames or {"still": 1, "growth": GROWTH}.get(mode, len(DEGREES))
        if mode == "growth" and self.frames > len(SCALES):
            raise ValueError(f"frames={frames}: growth has no more than {len(SCALES)} scales")
        height, width = pixels.shape[-2:]
        self._centre = (width / 2, height / 2)
        self._poses = poses = _poses(mode, math.hypot(height, width)).to(pixels.device)
        colours = hue_vector(torch.tensor(DEGREES, dtype=torch.float32) - 180)
        self._colours = (colours if mode != "still" else torch.ones(1, 1)).to(pixels.device)
        # The value of the moving factor that every sequence shows, whatever it starts at.
        self.canonical = len(SCALES) - GROWTH if mode == "growth" else 0
        self.factor_sizes = (poses.shape[0], poses.shape[1], len(self._colours))
        self.data_shape = (self._colours.shape[1], height, width)

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, indices: Int64[Tensor, " B"], generator: torch.Generator) -> SequenceBatch:
        """Make one random sequence of each image; `moved` is -1 unless just one factor moves."""
        indices = require_items(self, indices)
        factors, moved = self._walk(len(indices), generator)
        device = self.pixels.device
        shape = (*factors.shape[:2], 1, *self.data_shape[1:])
        gray = torch.empty(shape, dtype=torch.float32, device=device)
        # A sequence whose hue moves shows one gray image S times: it is warped once.
        for chosen, warped in ((moved != HUE, self.frames), (moved == HUE, 1)):
            rows = chosen.nonzero()[:, 0]
            images = self.pixels[indices[rows].to(device), None].to(torch.float32) / 255
            angle, scale, _ = factors[rows, :warped].to(device).unbind(-1)
            shown = warp(images, self._poses[angle, scale], centre=self._centre)
            gray.index_copy_(0, rows.to(device), shown.expand(-1, self.frames, -1, -1, -1))
        colour = self._colours[factors[..., HUE].to(device)]  # (B, S, channels)
        return SequenceBatch(gray * colour[..., None, None], factors.to(device), moved.to(device))

    def _walk(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw what moves and from where; return the factors of every frame, and `moved`."""
        start = torch.randint(len(DEGREES), (count, 3), generator=generator)
        moved = torch.full((count,), -1)
        if self.mode == "single":
            moved = torch.randint(3, (count,), generator=generator)
        elif self.mode == "growth":
            starts = len(SCALES) - self.frames + 1
            start[:, SCALE] = torch.randint(starts, (count,), generator=generator)
            moved[:] = SCALE
        moving = (moved[:, None] == torch.arange(3)) | (moved < 0)[:, None]
        steps = torch.arange(self.frames)[:, None] * moving[:, None]  # (B, S, 3)
        return (start[:, None] + steps) % torch.tensor(self.factor_sizes), moved

    def __repr__(self) -> str:
        images = f"{len(self)} images of {' x '.join(map(str, self.data_shape[1:]))}"
        how = f"mode={self.mode!r}, frames={self.frames}"
        return f"TransformingDigits({images}, {how}, fingerprint={fingerprint(self.pixels)!r})"


def _poses(mode: Mode, diagonal: float) -> Float[Tensor, "angles scales rows 3"]:
    """Tabulate what `warp` needs to show each (angle, scale), computed in double precision."""
    angles = torch.tensor(DEGREES if mode != "still" else (0,), dtype=torch.float64).deg2rad()
    scales = torch.tensor(SCALES if mode in ("single", "growth") else (1.0,), dtype=torch.float64)
    if mode == "perspective+hue":
        # 181 for 180, as in the authors' program, whose focal length is infinite at 180.
        angles[DEGREES.index(180)] = math.radians(181)
        poses = torch.linalg.inv(projective.tilt(angles, diagonal))[:, None]
    else:
        moved = affine.from_parameters(angles[:, None], scales)
        poses = affine.inverse(moved)[..., :2, :]  # without the last row: no division in the warp
    return poses.to(torch.float32)
