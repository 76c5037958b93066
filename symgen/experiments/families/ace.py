"""ACE: every metric of a trained model on labelled test images."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from symgen.data.batches import Batches
from symgen.experiments.families.family import Family, Notes, Row, own_rows
from symgen.experiments.reel import Reel
from symgen.groups import affine
from symgen.metrics import mixture_bounds, pose_coordinates, pose_recovery
from symgen.models import ACE, ACELatents, Pose

_COORDINATES = ("angle", "log_scale", "stretch", "shear", "shift_x", "shift_y")
_PARAMETERS = ("angle", "log_scale", "shift_x", "shift_y")


def _sample_terms(model: ACE, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Return every bound of every image for one sample of the posteriors."""
    nll, kl_z, kl_pose, log_probs = (term.double() for term in model.class_terms(x))
    every = nll + kl_z + kl_pose[:, None]
    mixture = mixture_bounds(every, log_probs)
    omega = log_probs.exp()
    own = every.gather(1, y[:, None])[:, 0]
    return {
        "reconstruction": (omega * nll).sum(1),
        "kl_z": (omega * kl_z).sum(1),
        "kl_pose": kl_pose,
        **mixture._asdict(),
        "labelled": own,
        "wrong_sampled": (log_probs.argmax(1) != y).double(),
        "wrong_generative": (every.argmin(1) != y).double(),
    }


def pose_parameters(pose: Float[Tensor, "B 3 3"]) -> Float[Tensor, "B 4"]:
    """Return angle, logarithm of the scale, and shifts along x and y of similarities."""
    angle, scale, shift = affine.to_parameters(pose)
    return torch.cat([angle[:, None], scale.log()[:, None], shift], 1)


def _named_coordinates(maps: Float[Tensor, "B groups 3 3"]) -> dict[str, Tensor]:
    """Return the coordinates of maps by name, (B, groups) each; NaN for what has no logarithm."""
    coordinates = pose_coordinates(maps).unflatten(-1, (-1, 6))
    undefined = ~affine.has_log(maps)[..., None] & (torch.arange(6, device=maps.device) < 4)
    named = coordinates.masked_fill(undefined, math.nan).unbind(-1)
    return dict(zip(_COORDINATES, named, strict=True))


class ACEFamily(Family):
    """Classifiers with an auto-encoder for every class, behind a pose."""

    kind = ACE
    name = "ace"
    examples = "images"
    per = "image"
    samples = "samples of the posteriors"
    bound = "bounds/valid"
    batch_size = 250
    verbs = ("manifold", "control")

    def prepare(self, model: Any, test: Batches[Any], train: Batches[Any]) -> None:
        """Need nothing to compare with."""

    def measure(
        self, model: Any, batch: Any, source: Any, baseline: Any, samples: int, notes: Notes
    ) -> None:
        """Note errors, bounds and poses of images.

        Labels are compared with what the model says and enter nothing else: the bounds and errors
        are computed without them, except `labelled`, which says so.
        """
        device = next(model.parameters()).device
        x, y = (part.to(device) for part in batch.inputs)
        posterior = model.encode(x)
        notes.note(wrong=(posterior.y != y).double())
        if model.pose is not None and hasattr(batch, "pose"):
            inferred, true = pose_coordinates(posterior.pose.affine), pose_parameters(batch.pose)
            notes.note("pose/", inferred=inferred, true=true, y=y)
        for _ in range(samples):
            notes.note("bounds/", **_sample_terms(model, x, y))

    def summed(self, model: Any, source: Any, baseline: Any, notes: Notes) -> dict[str, Any]:
        """Average over images, and over samples of the posteriors.

        `bounds` are R and G of the paper, its bound, the valid and the tight one;
        `variational_pose` tells whether the KL of the pose is in them. `error` is that of the
        classifier with the mean pose, in percent, `error_sampled` with sampled poses,
        `error_generative` of the class with the least bound. `pose_r2` is there where the images
        were moved by known maps.
        """
        bounds: dict[str, Any] = notes.means("bounds/")
        found: dict[str, Any] = {
            "variational_pose": model.variational_pose,
            "error": 100 * float(notes.values("wrong").mean()),
            "error_sampled": 100 * bounds.pop("wrong_sampled"),
            "error_generative": 100 * bounds.pop("wrong_generative"),
            "bounds": bounds,
        }
        if "pose/true" in notes and float(notes.values("pose/true").var(0).sum()) > 0:
            r2 = pose_recovery(
                *(notes.values(f"pose/{name}") for name in ("inferred", "true", "y"))
            )
            known = {name: float(value) for name, value in zip(_PARAMETERS, r2, strict=True)}
            found["pose_r2"] = {n: value for n, value in known.items() if not math.isnan(value)}
        return found

    def encoded(
        self, model: Any, reel: Reel, posterior: bool = False, phase: bool = False
    ) -> Iterator[dict[str, Tensor]]:
        """Infer class, style and pose of every image.

        By name `y`, the class, with `probabilities` of all; `z`, the style in its auto-encoder;
        `affine`, the maps of the pose, and their `pose_coordinates` one by one, NaN where a map
        has none; `colour`, if there is one. With `posterior` also `z_std` and, where a pose is
        inferred, `pose_mean` and `pose_std` of its density.
        """
        if phase:
            raise ValueError("phase: an ACE has no capsules, leave it out")
        like = next(model.parameters())
        for x, known in reel.blocks:
            with torch.no_grad():
                found = model.encode(x.to(like))
            maps = found.pose.affine
            latents = {
                "y": found.y,
                "probabilities": found.class_log_probs.exp(),
                "z": found.z.mean,
                "affine": maps,
                **_named_coordinates(maps),
            }
            if found.pose.colour is not None:
                latents["colour"] = found.pose.colour
            if posterior:
                latents["z_std"] = found.z.std
            if posterior and found.statistics is not None:
                latents["pose_mean"] = found.statistics.mean
                latents["pose_std"] = found.statistics.std
            yield {**known, **latents}

    def decodes(self, model: Any) -> dict[str, tuple[int, ...]]:
        """Ask for class, style and pose of an image."""
        blank = next(model.parameters()).new_zeros(1, *model.data_shape)
        pose = model.latents(blank).pose
        wanted = {"y": (), "z": (model.latent_count,), "affine": tuple(pose.affine.shape[1:])}
        return wanted | ({} if pose.colour is None else {"colour": (3, 3)})

    def decoded(self, model: Any, latents: Mapping[str, Tensor]) -> Tensor:
        """Decode class, style and pose to the means of images."""
        pose = Pose(latents["affine"], latents.get("colour"))
        return model.decode(ACELatents(latents["z"], latents["y"].long(), pose)).mean

    def rows(self, model: Mapping[str, Any], measured: Mapping[str, Any]) -> Iterator[Row]:
        """Say what an evaluation found."""
        has_pose = model.get("pose", "affine") is not None or model.get("colour_pose", False)
        variational = measured["variational_pose"] and has_pose
        error, sampled = (f"{measured[key]:.2f} %" for key in ("error", "error_sampled"))
        if has_pose:
            yield "error, mean pose", error, "the classifier sees the mean pose"
        else:
            yield "error", error, "of the classifier"
        if variational:
            yield "error, sampled pose", sampled, "it sees poses drawn from q(h|x)"
        generative = f"{measured['error_generative']:.2f} %"
        yield "error, generative", generative, "class of the least U, no ω"
        density = "log p(x)" if variational or not has_pose else "log p(x | pose)"
        pose = "in every U" if variational else "free: in no U" if has_pose else "no pose"
        for name, key, reference in (
            ("R, reconstruction", "reconstruction", "nats/image, mean over ω"),
            ("G, KL of the style", "kl_z", "nats/image, mean over ω"),
            ("KL of the pose", "kl_pose", pose),
            ("U, paper's convention", "paper", "up to log C below a bound"),
            ("U, valid", "valid", f"bounds −{density} with ω"),
            ("U, tight", "tight", f"bounds −{density}, no ω"),
        ):
            yield name, f"{measured['bounds'][key]:.1f}", reference
        for key, value in measured.get("pose_r2", {}).items():
            name = f"R² of the pose, {key.replace('_', ' ')}"
            yield name, f"{value:.2f}", "linear, an offset per class"
        yield from own_rows(measured)
