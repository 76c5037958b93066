"""Image warps by affine and projective maps, bilinear."""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from symgen._errors import require_choice
from symgen._inputs import checked
from symgen._typed import typed

__all__ = ["centroid", "warp"]

_LEAST = 1e-6  # total brightness of an empty image, whose centroid is the middle
_HORIZON = 1e-6  # a homogeneous coordinate nearer to 0 is a point at infinity


def warp(
    images: Float[Tensor, "*#batch channels height width"],
    pose: Float[Tensor, "*#batch rows 3"],
    background: float | Float[Tensor, "..."] = 0.0,
    centre: tuple[float, float] | None = None,
    padding_mode: Literal["background", "border"] = "background",
) -> Float[Tensor, "*out channels height width"]:
    """Read images through poses: output pixel u takes the value of the image at pose(u).

    Coordinates are pixels from `centre`, x to the right and y down, so an integer shift moves
    whole pixels and the identity changes nothing. Values between pixels are bilinear. The inverse
    pose undoes the warp up to interpolation.

    Args:
        images: images; batch dimensions broadcast against those of the poses. One image under many
            poses, `(*batch, 1, channels, height, width)`, is read without being copied.
        pose: affine maps of 2 or 3 rows, or projective maps of 3 rows.
        background: value outside the image: one number, or a tensor of one or one per channel.
        centre: pixel index (x, y) of the origin; None for the middle of the image,
            ((width - 1) / 2, (height - 1) / 2).
        padding_mode: "background", or "border" to continue the nearest pixel of the edge instead.

    Raises:
        ValueError: if shapes do not fit together, or `padding_mode` is neither word.

    Example:
        >>> from symgen.groups import affine
        >>> shift = affine.exp(torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0, 0.0]))
        >>> warp(torch.tensor([[[1.0, 2.0, 3.0]]]), shift)
        tensor([[[2., 3., 0.]]])
    """
    require_choice("padding_mode", padding_mode, ("background", "border"))
    if not torch.compiler.is_compiling():
        typed("background", background, float | Tensor)
        typed("centre", centre, tuple[float, float] | None)
    if padding_mode == "border":
        return _read(images, pose, centre, padding="border")
    if isinstance(background, Tensor):
        if background.shape not in ((), images.shape[-3:-2]):
            raise ValueError(
                f"warp got a background of shape {tuple(background.shape)} for images "
                f"{tuple(images.shape)}: give one number, or one for each channel"
            )
        background = background.to(images.dtype).reshape(-1, 1, 1)
    elif background == 0:
        return _read(images, pose, centre, padding="zeros")
    return _read(images - background, pose, centre, padding="zeros") + background


def _read(
    images: Float[Tensor, "*#batch channels height width"],
    pose: Float[Tensor, "*#batch rows 3"],
    centre: tuple[float, float] | None,
    padding: Literal["zeros", "border"],
) -> Float[Tensor, "*out channels height width"]:
    """Read images through poses; outside lie zeros or the continued edge."""
    batch = _common_batch(images, pose)
    channels, height, width = images.shape[-3:]
    images = images.reshape((1,) * (len(batch) + 3 - images.ndim) + images.shape)
    # Poses of the same image become one tall output of grid_sample: the image is stored once.
    merged = bool(batch) and images.shape[-4] == 1
    outer, shared = (batch[:-1], batch[-1]) if merged else (batch, 1)
    images = images.squeeze(-4) if merged else images
    images = images.expand(*outer, -1, -1, -1).reshape(math.prod(outer), channels, height, width)
    pose = pose.expand(*batch, -1, 3).reshape(images.shape[0], shared, pose.shape[-2], 3)
    sampled = F.grid_sample(
        images,
        _sampling_grid(pose, height, width, centre).to(images.dtype),
        mode="bilinear",
        padding_mode=padding,
        align_corners=False,
    )
    frames = sampled.unflatten(-2, (shared, height)).movedim(-3, 1)
    return frames.reshape(*batch, channels, height, width)


def _common_batch(images: Tensor, pose: Tensor) -> torch.Size:
    """Return the broadcast batch dimensions, after checking both arguments."""
    shapes = f"images {tuple(images.shape)} {images.dtype} and poses {tuple(pose.shape)}"
    if images.ndim < 3 or pose.ndim < 2 or tuple(pose.shape[-2:]) not in ((2, 3), (3, 3)):
        raise ValueError(
            f"warp got {shapes}: give images (*batch, channels, height, width) and poses "
            "(*batch, 2, 3) or (*batch, 3, 3)"
        )
    if not images.is_floating_point():
        raise ValueError(f"warp got {shapes}: convert the images to floats first")
    try:
        return torch.broadcast_shapes(images.shape[:-3], pose.shape[:-2])
    except RuntimeError:
        raise ValueError(
            f"warp got {shapes}: their batch dimensions do not broadcast, insert dimensions of 1"
        ) from None


def _sampling_grid(
    pose: Float[Tensor, "groups shared rows 3"],
    height: int,
    width: int,
    centre: tuple[float, float] | None,
) -> Float[Tensor, "groups stacked width 2"]:
    """Return where each output pixel reads, in the units of grid_sample, edge to edge in [-1, 1].

    Pixel index i is (2 i + 1) / size - 1 there; that change of units is multiplied into the pose,
    and the x and y parts of the map are added as a row and a column: no matrix product per pixel.
    """
    middle = ((width - 1) / 2, (height - 1) / 2) if centre is None else centre
    x = torch.arange(width, dtype=pose.dtype, device=pose.device) - middle[0]
    y = torch.arange(height, dtype=pose.dtype, device=pose.device) - middle[1]
    size = pose.new_tensor([width, height])[:, None, None, None]
    offset = (2 * pose.new_tensor(middle)[:, None, None, None] + 1) / size - 1
    lines = pose.permute(2, 3, 0, 1)  # (rows, 3, groups, shared)
    last = pose.new_tensor([0, 0, 1])[:, None, None] if len(lines) == 2 else lines[2]
    scaled = 2 / size * lines[:2] + offset * last
    if len(lines) == 3:
        scaled = torch.cat([scaled, last[None]])
    along_x, along_y, constant = scaled[..., None, None].unbind(1)
    points = along_x * x + (along_y * y[:, None] + constant)  # (rows, groups, shared, H, W)
    if len(points) == 3:
        depth = points[2]
        points = points[:2] / torch.where(depth.abs() < _HORIZON, _HORIZON, depth)
    return points.flatten(2, 3).permute(1, 2, 3, 0)


@checked
def centroid(images: Float[Tensor, "*batch channels height width"]) -> Float[Tensor, "*batch 2"]:
    """Return the centre of mass (x, y) of the brightness, in pixels from the middle of the image.

    Args:
        images: one image or a batch of any shape; all channels count alike.

    Example:
        >>> image = torch.zeros(1, 3, 5)
        >>> image[0, 2, 3] = 1.0
        >>> centroid(image)
        tensor([1., 1.])
    """
    brightness = images.sum(-3)
    total = brightness.sum((-2, -1)).clamp(min=_LEAST)
    means = []
    for size, across in ((images.shape[-1], -2), (images.shape[-2], -1)):
        place = torch.arange(size, dtype=images.dtype, device=images.device) - (size - 1) / 2
        means.append((brightness.sum(across) * place).sum(-1) / total)
    return torch.stack(means, -1)
