"""Criteria about what generated images show: E1, E2, E3, E6 and E8."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from symgen.experiments.reproduce.criterion import Values
from symgen.experiments.reproduce.evidence import Data, Evidence
from symgen.experiments.reproduce.judge import recognised, to_digit_size
from symgen.models import ACE, Code

__all__ = [
    "canonical_traversals",
    "height_and_slant",
    "many_latents",
    "one_latent",
    "prior_samples",
    "shown_traversal",
    "size_factored_out",
    "traversal",
    "without_pose",
]

_POINTS, _END = 20, 4.0  # of a traversal (Georgiev 2016, Figs 1 and 2)
_DISTORTED: tuple[Data, ...] = ("rts", "tc")


def traversal(model: ACE) -> Float[Tensor, "classes 20 channels height width"]:
    """Decode 20 styles from -4 to 4 by every class in the canonical pose (Figs 1 and 2)."""
    z = torch.linspace(-_END, _END, _POINTS, device=next(model.parameters()).device)
    return model.manifold(z[:, None].expand(-1, model.latent_count))


@torch.no_grad()
def shown_traversal(
    evidence: Evidence, preset: str, seed: int
) -> Float[Tensor, "classes 20 channels height width"]:
    """Decode the same styles in the mean pose of each class's test images.

    Which pose is the canonical one is for the model to choose, its size included, and a judge
    knows only sizes that its data have: one constant map per class brings them together.
    """
    model = evidence.model(preset, seed)
    if model.pose is None:
        return traversal(model)
    batch = evidence.tests(preset, seed)
    h = model.encode(batch.images).h
    means = [h[batch.labels == label].mean(0) for label in range(model.classes)]
    z = torch.linspace(-_END, _END, _POINTS, device=h.device)[:, None].expand(
        -1, model.latent_count
    )
    rows = [
        model.decode(
            Code(
                z,
                torch.full_like(z[:, 0], label).long(),
                model.pose.element(mean.expand(len(z), -1)),
            )
        ).mean
        for label, mean in enumerate(means)
    ]
    return torch.stack(rows)


def prior_samples(
    model: ACE, count: int, seed: int, pose: Literal["identity", "prior"] = "identity"
) -> Float[Tensor, "classes count channels height width"]:
    """Draw images of every class from the prior, the same ones for the same seed."""
    device = next(model.parameters()).device
    labels = torch.arange(model.classes, device=device).repeat_interleave(count)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        return model.sample(len(labels), labels, pose).unflatten(0, (model.classes, count))


def one_latent(evidence: Evidence, seed: int) -> Values:
    """E1: one latent per class suffices on MNIST."""
    valid = evidence.bounds("ace-mnist-plain", seed)["valid"]
    images = traversal(evidence.model("ace-mnist-plain", seed))
    return {
        "recognised, %": recognised(evidence.judge("mnist"), images),
        "nats below class mean": evidence.class_mean("mnist") - valid,
        "U_valid": valid,
    }


def without_pose(evidence: Evidence, seed: int) -> Values:
    """E2: without symmetry statistics it fails on distorted images."""
    values: dict[str, float | None] = {}
    for data in _DISTORTED:
        judge, name = evidence.judge(data), data.upper()
        plain, posed = (
            recognised(judge, shown_traversal(evidence, preset, seed))
            for preset in (f"ace-{data}-plain", f"ace-{data}")
        )
        valid = evidence.bounds(f"ace-{data}-plain", seed)["valid"]
        values[f"{name} recognised, % of with pose"] = 100 * plain / posed if posed else None
        values[f"{name} nats from class mean"] = abs(evidence.class_mean(data) - valid)
        values[f"{name} recognised without pose, %"] = plain
        values[f"{name} recognised with pose, %"] = posed
    return values


def many_latents(evidence: Evidence, seed: int) -> Values:
    """E3: a hundred latents do not make up for the pose."""
    judge, count = evidence.judge("rts"), evidence.budget.drawn
    posed = evidence.model("ace-rts", seed)
    plain = evidence.model("ace-rts-plain-100", 0)
    hundred = recognised(judge, prior_samples(plain, count, seed))
    one = recognised(judge, prior_samples(posed, count, seed, "prior"))
    canonical = recognised(judge, prior_samples(posed, count, seed))
    return {
        "100 latents less 1 with pose, points": hundred - one,
        "100 latents without pose, %": hundred,
        "1 latent, pose drawn, %": one,
        "1 latent, canonical pose, %": canonical,
    }


def size_factored_out(evidence: Evidence, seed: int) -> Values:
    """E6: on MNIST the pose takes the size over from the style."""
    height, slant = (
        [float(part.var(1).mean()) for part in parts]
        for parts in zip(
            *(
                height_and_slant(traversal(evidence.model(preset, seed)))
                for preset in ("ace-mnist", "ace-mnist-plain")
            ),
            strict=True,
        )
    )
    plain, posed = (evidence.bounds(p, seed) for p in ("ace-mnist-plain", "ace-mnist"))
    charged = plain["valid"] - posed["valid"]
    return {
        "height variance, part of without pose": height[0] / height[1] if height[1] else None,
        "gain free of charge, nats": charged + posed["kl_pose"],
        "gain charged, nats": charged,
        "U_valid with pose": posed["valid"],
        "cost of the pose, nats": posed["kl_pose"],
        "slant variance, part of without pose": slant[0] / slant[1] if slant[1] else None,
    }


def canonical_traversals(evidence: Evidence, seed: int) -> Values:
    """E8: canonical traversals of distorted digits are legible.

    The judge is that of MNIST, which looks at what is around the centre of mass. The one of the
    data's own kind stands beside it; on TC it has never seen a digit without clutter.
    """
    values: dict[str, float | None] = {}
    for data in _DISTORTED:
        images = shown_traversal(evidence, f"ace-{data}", seed)
        name, own = data.upper(), evidence.judge(data)
        upright = to_digit_size(images)
        values[f"{name} recognised, %"] = recognised(evidence.judge("mnist"), upright)
        inner = upright[:, _POINTS // 4 : -(_POINTS // 4)]
        values[f"{name} recognised from -2 to 2, %"] = recognised(evidence.judge("mnist"), inner)
        values[f"{name} recognised by the judge of {name}, %"] = recognised(own, images)
        canonical = traversal(evidence.model(f"ace-{data}", seed))
        values[f"{name} recognised by it at the identity, %"] = recognised(own, canonical)
    return values


def height_and_slant(
    images: Float[Tensor, "*batch channels height width"],
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """Return height and slant of what images show, by the moments of their brightness.

    The height is the standard deviation along y, in pixels; the slant is the covariance of x and
    y over the variance along y: how far x moves for each pixel down.

    Example:
        >>> image = torch.zeros(1, 28, 28)
        >>> image[0, 5:23, 14] = 1
        >>> [round(float(v), 3) for v in height_and_slant(image)]
        [5.188, 0.0]
    """
    ink = images.sum(-3)
    ink = ink / ink.sum((-2, -1), keepdim=True).clamp(min=1e-9)
    y = torch.arange(ink.shape[-2], dtype=ink.dtype, device=ink.device)[:, None]
    x = torch.arange(ink.shape[-1], dtype=ink.dtype, device=ink.device)

    def mean(values: Tensor) -> Tensor:
        return (ink * values).sum((-2, -1), keepdim=True)

    dx, dy = x - mean(x), y - mean(y)
    along = mean(dy.square())[..., 0, 0]
    return along.sqrt(), mean(dx * dy)[..., 0, 0] / along.clamp(min=1e-9)
