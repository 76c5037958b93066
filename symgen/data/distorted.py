"""Distorted images: single images at a random pose, among clutter or in a random colour."""

import math
from fractions import Fraction
from typing import Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float32, Int64, UInt8
from torch import Tensor

from symgen._errors import require_choice
from symgen.data.batches import require_items
from symgen.data.images import Images
from symgen.data.items import fingerprint
from symgen.data.labelled import labelled_kind
from symgen.data.options import require_real, require_seed, require_whole
from symgen.groups import affine, hue_vector, warp

__all__ = ["DistortedImages", "Distortion", "ImageBatch"]

Distortion = Literal["none", "translated", "rts", "tc", "hue"]

DEGREES = 45.0  # of the rotation, either way
SCALES = (0.7, 1.2)
PATCHES, PATCH = 6, 6  # of clutter: their number, and the side of each in pixels
# What the canvas adds on either side, by the side of the image; also the longest shift.
MARGINS = {"translated": Fraction(4, 7), "rts": Fraction(1, 4), "tc": Fraction(4, 7)}


class ImageBatch(NamedTuple):
    """Images with their labels and what was done to them.

    Made by `DistortedImages`.

    Attributes:
        images: values in [0, 1].
        labels: number of the class of each, from 0.
        pose: maps from the middle, in pixels; `warp(images, pose)` undoes them.
        hue: degrees by which pure red was turned; 0 where images were not coloured.
        known: whether the label may be learned from, 1 or 0.
    """

    images: Float32[Tensor, "B channels height width"]  # in [0, 1]
    labels: Int64[Tensor, " B"]
    pose: Float32[Tensor, "B 3 3"]  # from the middle; `warp(images, pose)` undoes it
    hue: Float32[Tensor, " B"]  # degrees by which pure red was turned; 0 where not coloured
    known: Int64[Tensor, " B"]  # the labels, or -1 where they are hidden

    @property
    def inputs(self) -> tuple[Tensor, Tensor]:
        """What the `forward` of a model of labelled images takes: images and known labels."""
        return self.images, self.known


class _Draw(NamedTuple):
    """The random choices behind n distorted images."""

    pose: Float32[Tensor, "n 3 3"]
    hue: Float32[Tensor, " n"]
    clutter: Int64[Tensor, "n patches 5"]  # image, row and column there, row and column here


class DistortedImages:
    """Makes labelled images at a random pose, among clutter or in a random colour.

    * `"none"`: the images themselves, gray or in colour.
    * `"translated"`: shifted by whole pixels, uniformly up to 4/7 of the image's size either way,
      on a black canvas that holds every shift; 28 × 28 becomes 60 × 60.
    * `"rts"`: rotated by up to `degrees` either way, scaled by 0.7 to 1.2 and shifted by up to a
      quarter of the image's size along x and y, all uniform, in one bilinear warp on a black
      canvas 1.5 times as large; 28 × 28 becomes 42 × 42.
    * `"tc"`: as `"translated"`, plus six patches of 6 × 6, cut at random places of random other
      images and laid at random places of the canvas; where things overlap, the brightest shows.
    * `"hue"`: the gray image times a colour of random hue, 0 to 360 degrees.

    RTS and TC are the data of Georgiev (2016, arXiv 1511.02841, appendix B) after Jaderberg et al.
    (2015, arXiv 1506.02025, appendix A.4), which leave interpolation, maximum and clutter open.

    Args:
        images: labelled images; batches are made on the device of their pixels.
        distortion: what is done to them.
        fixed: draw one distortion per image from `seed`; otherwise afresh in each batch.
        seed: seed of the fixed distortions, and of which images keep their label.
        degrees: greatest rotation of "rts", either way.
        labels: images of each class that keep their label in the `inputs`; None for all.

    Example:
        >>> from symgen.data import Batches, DistortedImages, load
        >>> source = DistortedImages(load("digits", split="test"), "tc")
        >>> batch = Batches(source, batch_size=3, shuffle=False).batch(0)
        >>> tuple(batch.images.shape), batch.labels.tolist(), batch.pose[0, :2, 2].tolist()
        ((3, 1, 60, 60), [2, 8, 2], [-10.0, 5.0])
    """

    frames = 1

    def __init__(
        self,
        images: Images,
        distortion: Distortion = "none",
        fixed: bool = True,
        seed: int = 0,
        degrees: float = DEGREES,
        labels: int | None = None,
    ) -> None:
        require_seed("seed", seed)
        require_real("degrees", degrees, 0, 180)
        _require_fit(images, distortion)
        self.images = Images(images.pixels, images.labels.to(images.pixels.device))
        self.distortion: Distortion = distortion
        self.fixed = fixed
        self.seed = seed
        self.degrees = degrees
        self.classes = int(images.labels.max()) + 1
        self.known = self.images.labels if labels is None else _hidden(images.labels, labels, seed)
        self.known = self.known.to(images.pixels.device)
        self.labelled = labelled_kind(self.known.cpu().numpy())
        channels, height, width = images.pixels.shape[1:]
        share = MARGINS.get(distortion, 0)
        self._margin = vertical, horizontal = int(share * height), int(share * width)
        channels = 3 if distortion == "hue" else channels
        self.data_shape = (channels, height + 2 * vertical, width + 2 * horizontal)
        generator = torch.Generator().manual_seed(seed)
        self._fixed = self._draw(torch.arange(len(self)), generator) if fixed else None

    def __len__(self) -> int:
        return len(self.images.pixels)

    def only(self, chosen: Bool[Tensor, " n"]) -> "DistortedImages":
        """Return a source of the chosen images alone, with their labels, distorted likewise."""
        images = Images(self.images.pixels[chosen], self.images.labels[chosen])
        found = DistortedImages(images, self.distortion, self.fixed, self.seed, self.degrees)
        found.classes = self.classes
        return found

    def batch(self, indices: Int64[Tensor, " B"], generator: torch.Generator) -> ImageBatch:
        """Distort the images with these numbers; the generator draws what is not fixed."""
        indices = require_items(self, indices)
        here = indices.to(self.images.pixels.device)
        fixed = self._fixed and _Draw(*(part[here] for part in self._fixed))
        drawn = fixed or self._draw(indices, generator)
        images = self._distorted(self.images.pixels[here], drawn)
        labels = self.images.labels[here]
        known = labels if self.labelled == "all" else self.known[here]
        return ImageBatch(images, labels, drawn.pose, drawn.hue, known)

    def _draw(self, items: Int64[Tensor, " n"], generator: torch.Generator) -> _Draw:
        """Draw a distortion for each item, on the CPU, so that it is the same for every device."""
        count, device = len(items), self.images.pixels.device
        angle = hue = torch.zeros(count)
        scale, shift = torch.ones(count), torch.zeros(count, 2)
        longest = torch.tensor(self._margin[::-1])  # x, y
        if self.distortion == "rts":
            uniform = torch.rand(count, 4, generator=generator)
            angle = (2 * uniform[:, 0] - 1) * math.radians(self.degrees)
            scale = SCALES[0] + (SCALES[1] - SCALES[0]) * uniform[:, 1]
            shift = (2 * uniform[:, 2:] - 1) * longest
        elif self.distortion in ("translated", "tc"):
            shift = (_whole_numbers(2 * longest + 1, (count,), generator) - longest).float()
        elif self.distortion == "hue":
            hue = 360 * torch.rand(count, generator=generator)
        clutter = torch.empty(count, 0, 5, dtype=torch.int64)
        if self.distortion == "tc":
            sides = torch.tensor([*self.images.pixels.shape[2:], *self.data_shape[1:]])
            limits = torch.cat([torch.tensor([len(self) - 1]), sides - PATCH + 1])
            clutter = _whole_numbers(limits, (count, PATCHES), generator)
            # Images are counted from the one after the item's own, which is thus never reached.
            clutter[..., 0] = (clutter[..., 0] + 1 + items[:, None]) % len(self)
        pose = affine.from_parameters(angle, scale, shift)
        return _Draw(*(part.to(device) for part in (pose, hue, clutter)))

    def _distorted(self, pixels: UInt8[Tensor, "B channels height width"], drawn: _Draw) -> Tensor:
        if self.distortion in ("translated", "tc"):
            pixels = self._pasted(pixels, drawn)
        images = pixels.to(torch.float32) / 255
        if self.distortion == "rts":
            vertical, horizontal = self._margin
            padded = F.pad(images, (horizontal, horizontal, vertical, vertical))
            # The weights of four white pixels may add up to a little more than 1.
            images = warp(padded, affine.inverse(drawn.pose)[:, :2]).clamp_(max=1)
        elif self.distortion == "hue":
            images = images * hue_vector(drawn.hue)[..., None, None]
        return images

    def _pasted(self, pixels: UInt8[Tensor, "B 1 height width"], drawn: _Draw) -> Tensor:
        """Lay the image and its clutter on a black canvas."""
        canvas = pixels.new_zeros(len(pixels), *self.data_shape)
        margin = torch.tensor(self._margin, device=pixels.device)
        corner = drawn.pose[:, :2, 2].flip(-1).long() + margin  # row, column
        _lay(canvas, pixels, corner[:, None])
        image, row, column = drawn.clutter[..., :3, None, None].unbind(2)
        side = torch.arange(PATCH, device=pixels.device)
        patches = self.images.pixels[image, 0, row + side[:, None], column + side]
        _lay(canvas, patches, drawn.clutter[..., 3:])
        return canvas

    def __repr__(self) -> str:
        images = f"{len(self)} images of {' x '.join(map(str, self.images.pixels.shape[1:]))}"
        drawn = f"fixed, seed={self.seed}" if self.fixed else "afresh in each batch"
        if self.degrees != DEGREES:
            drawn = f"degrees={self.degrees:g}, {drawn}"
        if self.labelled != "all":
            drawn += f", {int((self.known >= 0).sum())} labels"
        content = f"fingerprint={fingerprint(*self.images)!r}"
        return f"DistortedImages({images}, distortion={self.distortion!r}, {drawn}, {content})"


def _hidden(labels: Int64[Tensor, " n"], kept: int, seed: int) -> Int64[Tensor, " n"]:
    """Hide all labels but those of some images of each class, which are drawn from a seed."""
    require_whole("labels", kept, 0)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    known = torch.full_like(labels, -1)
    for label in labels.unique():
        mine = order[labels[order] == label][:kept]
        known[mine] = label
    return known


def _whole_numbers(limits: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draw rows of whole numbers from 0, each uniform below its own limit."""
    return torch.randint(2**62, (*shape, len(limits)), generator=generator) % limits


def _lay(canvas: Tensor, patches: Tensor, corners: Tensor) -> None:
    """Lay patches (B, n, height, width) on canvases; the corners are (row, column) of each."""
    height, width = patches.shape[2:]
    row, column = corners[..., None, None].unbind(2)
    row = row + torch.arange(height, device=canvas.device)[:, None]
    place = row * canvas.shape[-1] + column + torch.arange(width, device=canvas.device)
    canvas.flatten(1).scatter_reduce_(1, place.flatten(1), patches.flatten(1), "amax")


def _require_fit(images: Images, distortion: Distortion) -> None:
    require_choice("distortion", distortion, get_args(Distortion))
    pixels, labels = images
    fits = pixels.ndim == 4 and pixels.dtype == torch.uint8 and labels.shape == pixels.shape[:1]
    if not fits or not len(pixels):
        raise ValueError(
            "distorted images are made from uint8 images (n, channels, height, width) with "
            f"labels (n,), got {tuple(pixels.shape)} {pixels.dtype} and {tuple(labels.shape)}"
        )
    if distortion != "none" and pixels.shape[1] != 1:
        raise ValueError(
            f"distortion {distortion!r} is for gray images, got {tuple(pixels.shape)}: "
            "give images of one channel, or take 'none'"
        )
    if distortion == "tc" and (len(pixels) < 2 or min(pixels.shape[2:]) < PATCH):
        raise ValueError(
            f"'tc' cuts {PATCH} × {PATCH} patches from other images, got {tuple(pixels.shape)}: "
            "give two images or more, each at least as large as a patch"
        )
