"""Criteria about numbers of the test set: E4, E5, E7, E10, E11 and E12."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from symgen.data import DistortedImages
from symgen.experiments.ace_evaluation import pose_parameters
from symgen.experiments.reproduce.criterion import Values
from symgen.experiments.reproduce.evidence import Data, Evidence
from symgen.experiments.reproduce.legibility import prior_samples
from symgen.metrics import frechet_distance, pose_coordinates, pose_recovery

__all__ = [
    "errors",
    "gain",
    "internal_augmentation",
    "photographs",
    "pose_recovered",
    "sharpness",
]

_DIGITS, _POSES = 300, 8  # of the regression with an offset for each digit


def gain(data: Data) -> Callable[[Evidence, int], Values]:
    """Return what measures E4 or E5: what the pose gains on U_valid, its own cost counted."""

    def measure(evidence: Evidence, seed: int) -> Values:
        plain, posed = (
            evidence.bounds(preset, seed) for preset in (f"ace-{data}-plain", f"ace-{data}")
        )
        charged = evidence.evaluation(f"ace-{data}", seed)["charged"]
        difference = plain["valid"] - posed["valid"]
        return {
            "gain charged, nats": difference if charged else None,
            "U_valid with pose": posed["valid"],
            "U_valid without pose": plain["valid"],
            "cost of the pose, nats": posed["kl_pose"],
        }

    return measure


def pose_recovered(evidence: Evidence, seed: int) -> Values:
    """E7: the symmetry statistics are poses.

    A class has one canonical pose in the criterion, although its digits are written at different
    slants; beside it, every digit has one of its own.
    """
    rts = evidence.evaluation("ace-rts", seed)["pose_r2"]
    tc = evidence.evaluation("ace-tc", seed)["pose_r2"]
    own = _recovered_of_each_digit(evidence, seed)
    return {
        "RTS R² shift": min(rts["shift_x"], rts["shift_y"]),
        "RTS R² angle": rts["angle"],
        "RTS R² log scale": rts["log_scale"],
        "TC R² shift": min(tc["shift_x"], tc["shift_y"]),
        "RTS R² shift, canonical pose of each digit": float(own[2:].min()),
        "RTS R² angle, canonical pose of each digit": float(own[0]),
        "RTS R² log scale, canonical pose of each digit": float(own[1]),
    }


@torch.no_grad()
def _recovered_of_each_digit(evidence: Evidence, seed: int) -> Float[Tensor, " 4"]:
    """Show the same test digits in several poses, and regress with an offset for each digit."""
    model = evidence.model("ace-rts", seed)
    source = evidence.experiment("ace-rts", seed).data.source(train=False)
    fresh = DistortedImages(source.images, source.distortion, fixed=False)
    items = torch.arange(min(_DIGITS, len(fresh)))
    generator = torch.Generator().manual_seed(seed)
    batches = [fresh.make(items, generator) for _ in range(_POSES)]
    poses = [model.encode(batch.images.to(evidence.device)).pose for batch in batches]
    read = torch.cat([pose_coordinates(pose.affine) for pose in poses])
    true = torch.cat([pose_parameters(batch.pose) for batch in batches])
    return pose_recovery(read.cpu(), true, items.repeat(_POSES))


def errors(evidence: Evidence, seed: int) -> Values:
    """E10: classification errors, beside those of spatial transformers."""
    error = {
        name: evidence.evaluation(f"ace-{name}", seed)["error"]
        for name in ("mnist", "rts", "tc", "tc-plain", "rts-plain")
    }
    return {
        "MNIST error, %": error["mnist"],
        "RTS error, %": error["rts"],
        "TC error, %": error["tc"],
        "TC error less without pose, points": error["tc"] - error["tc-plain"],
        "RTS error less without pose, points": error["rts"] - error["rts-plain"],
    }


def internal_augmentation(evidence: Evidence, seed: int) -> Values:
    """E11: training with sampled poses helps the classifier."""
    sampled = evidence.evaluation("ace-rts", seed)["error"]
    mean = evidence.evaluation("ace-rts-free", 0)["error"]
    return {
        "error sampled less deterministic, points": sampled - mean,
        "error sampled, %": sampled,
        "error deterministic, %": mean,
    }


@torch.no_grad()
def photographs(evidence: Evidence, seed: int) -> Values:
    """E12: CIFAR-10 with and without a pose."""
    values: dict[str, float] = {}
    presets = {"without pose": "ace-cifar-plain", "with pose": "ace-cifar"}
    judge = evidence.judge("cifar10")
    batches = list(evidence.experiment("ace-cifar", seed).test_images(1000))
    shown = torch.cat([judge.features(batch.images.to(evidence.device)) for batch in batches])
    labels = torch.cat([batch.labels for batch in batches]).to(shown.device)
    for words, preset in presets.items():
        bounds, model = evidence.bounds(preset, seed), evidence.model(preset, seed)
        values[f"U_valid {words}"] = bounds["valid"]
        values[f"R {words}"] = bounds["reconstruction"]
        values[f"G {words}"] = bounds["kl_z"] + bounds["kl_pose"]
        values[f"error {words}, %"] = evidence.evaluation(preset, seed)["error"]
        count = -(-evidence.budget.painted // model.classes)
        samples = prior_samples(model, count, seed, "prior")
        values[f"sharpness of samples {words}"] = sharpness(samples)
        drawn = torch.stack([judge.features(row) for row in samples])
        of_all = frechet_distance(drawn.flatten(0, 1), shown)
        values[f"Fréchet distance {words}"] = float(of_all)
        of_each = [frechet_distance(row, shown[labels == y]) for y, row in enumerate(drawn)]
        values[f"Fréchet distance {words}, mean of classes"] = float(torch.stack(of_each).mean())
    gain = values["U_valid without pose"] - values["U_valid with pose"]
    nearer = values["Fréchet distance with pose"] - values["Fréchet distance without pose"]
    return {"gain charged, nats": gain, "Fréchet distance with less without pose": nearer} | values


def sharpness(images: Float[Tensor, "*batch channels height width"]) -> float:
    """Return the mean length of the gradient of brightness, per pixel.

    Example:
        >>> import torch
        >>> round(sharpness(torch.arange(4.0).expand(1, 4, 4)), 4)
        1.0
    """
    dx = images.diff(dim=-1)[..., :-1, :]
    dy = images.diff(dim=-2)[..., :-1]
    return float((dx.square() + dy.square()).sqrt().mean())
