"""What images show: a class that a judge recognises, height and slant, sharpness."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from symgen._typed import Count
from symgen.groups import affine, centroid, warp
from symgen.metrics.inputs import require_shapes, takes_arrays

_GREATEST_FEATURE = 1e60  # whose fourth power double precision holds

__all__ = ["centred_crop", "frechet_distance", "height_and_slant", "recognised", "sharpness"]


@takes_arrays
@torch.no_grad()
def recognised(
    scores: Callable[[Tensor], Tensor],
    images: Float[Tensor, "classes points channels height width"],
) -> float:
    """Return the share of images that `scores`, (n, classes), assign to their row, in percent.

    Args:
        scores: takes images (n, channels, height, width), returns a score of every class.
        images: a row for each class.

    Example:
        >>> recognised(lambda x: x.flatten(1), torch.eye(2).reshape(2, 1, 1, 1, 2))
        100.0
    """
    if not images.numel():
        raise ValueError(f"images of shape {tuple(images.shape)}: give at least one of each class")
    given = [scores(row) for row in images]
    require_shapes(
        *((f"scores of row {row}", each, "n classes") for row, each in enumerate(given))
    )
    found = torch.stack([each.argmax(1) for each in given])
    own = torch.arange(len(images), device=found.device)
    return 100 * float((found == own[:, None]).double().mean())


@takes_arrays
def centred_crop(
    images: Float[Tensor, "*batch channels height width"], side: Count = 28
) -> Float[Tensor, "*batch channels side side"]:
    """Cut a square around the centroid out of larger images, as MNIST is centred.

    Args:
        images: images larger than the square.
        side: of the square, in pixels.

    Example:
        >>> image = torch.nn.functional.pad(torch.ones(1, 2, 2), (30, 10, 10, 30))
        >>> centred_crop(image)[0, 13:15, 13:15].min() > 0.99
        tensor(True)
    """
    if min(images.shape[-2:]) < side:
        raise ValueError(
            f"side={side} for images {tuple(images.shape)}: give {side} pixels or more"
        )
    shift = centroid(images.clamp(min=0))
    angle = torch.zeros_like(shift[..., 0])
    pose = affine.from_parameters(angle, angle + 1, shift)
    top, left = ((size - side) // 2 for size in images.shape[-2:])
    return warp(images, pose)[..., top : top + side, left : left + side]


@takes_arrays
def sharpness(images: Float[Tensor, "*batch channels height width"]) -> float:
    """Return the mean length of the gradient of brightness, per pixel.

    Args:
        images: values in [0, 1].

    Example:
        >>> round(sharpness(torch.arange(4.0).expand(1, 4, 4)), 4)
        1.0
    """
    if min(images.shape[-2:]) < 2 or not images.numel():
        raise ValueError(f"images of shape {tuple(images.shape)}: give 2 x 2 pixels at least")
    dx = images.diff(dim=-1)[..., :-1, :]
    dy = images.diff(dim=-2)[..., :-1]
    return float((dx.square() + dy.square()).sqrt().mean())


@takes_arrays
def height_and_slant(
    images: Float[Tensor, "*batch channels height width"],
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """Return height and slant of what images show, by the moments of their brightness.

    The standard deviation of y, in pixels; and the covariance of x and y over the variance of y:
    how far x moves for each pixel down.

    Args:
        images: images; all channels count alike.

    Example:
        >>> [round(float(v), 3) for v in height_and_slant(torch.ones(1, 18, 1))]
        [5.188, 0.0]
    """
    ink = images.to(torch.promote_types(images.dtype, torch.float32)).sum(-3)
    ink = ink / ink.sum((-2, -1), keepdim=True).clamp(min=1e-9)
    y = torch.arange(ink.shape[-2], dtype=ink.dtype, device=ink.device)[:, None]
    x = torch.arange(ink.shape[-1], dtype=ink.dtype, device=ink.device)

    def mean(values: Tensor) -> Tensor:
        return (ink * values).sum((-2, -1), keepdim=True)

    dx, dy = x - mean(x), y - mean(y)
    along = mean(dy.square())[..., 0, 0]
    slant = mean(dx * dy)[..., 0, 0] / along.clamp(min=1e-9)
    return along.sqrt().to(images.dtype), slant.to(images.dtype)


@takes_arrays
def frechet_distance(
    first: Float[Tensor, "n features"], second: Float[Tensor, "m features"]
) -> Float[Tensor, ""]:
    """Return the squared Fréchet distance of two Gaussians fitted to two sets of features.

    `|μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½)`, in the features' units squared (Dowson & Landau,
    1982). With the last features of the Inception net it is the FID (Heusel et al., NeurIPS 2017,
    eq. 6); with those of another net it ranks models on one data set but is not comparable with
    FIDs elsewhere. Small sets bias it upwards: compare sets of one size.

    Args:
        first, second: features of two sets of items, a row for each.

    Example:
        >>> features = torch.randn(100, 3)
        >>> round(float(frechet_distance(features, features + 2)), 3)
        12.0
    """
    if min(len(first), len(second)) < 2 or not first.shape[1]:
        sizes = f"sets of {len(first)} and {len(second)} images"
        raise ValueError(f"{sizes}: give at least two of one feature, for their covariance")
    first, second = first.double(), second.double()
    size = max(float(part.abs().max()) for part in (first, second))
    if not size < _GREATEST_FEATURE:
        raise ValueError(f"features of up to {size:g}: give less than {_GREATEST_FEATURE:g}")
    one, two = (torch.atleast_2d(part.T.cov()) for part in (first, second))
    values, vectors = torch.linalg.eigh(one)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    between = torch.linalg.eigvalsh(root @ two @ root).clamp(min=0).sqrt().sum()  # tr (Σ₁ Σ₂)^½
    spread = one.trace() + two.trace() - 2 * between
    return (first.mean(0) - second.mean(0)).square().sum() + spread.clamp(min=0)
