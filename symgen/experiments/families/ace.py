"""ACE: every metric of a trained model on labelled test images."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from symgen.data.batches import Batches
from symgen.experiments.families import ace_verdict
from symgen.experiments.families.family import Family, Notes, Row, own_rows
from symgen.experiments.reel import Reel
from symgen.groups import affine, colour
from symgen.metrics import cluster_scores, mixture_bounds, pose_coordinates, pose_recovery
from symgen.models import ACE, ACELatents, Pose

_PARAMETERS = ("angle", "log_scale", "shift_x", "shift_y")
_EACH = 5  # images for each number that is fitted to them: to fewer it fits by chance


def labels_of(batch: Any, x: Tensor) -> Tensor:
    """Return the true labels of a batch on the device of its images, -1 where there are none."""
    labels = getattr(batch, "labels", None)
    if labels is None:
        labels = batch.inputs[1] if len(batch.inputs) > 1 else x.new_full(x.shape[:1], -1)
    return labels.to(x.device, torch.int64)


def _sample_terms(model: ACE, x: Tensor, y: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return every bound of every image for one sample of the posteriors.

    Those that need a label are of images with one, which come second.
    """
    nll, kl_z, kl_pose, log_probs = (term.double() for term in model.class_terms(x))
    every = nll + kl_z + kl_pose[:, None]
    mixture = mixture_bounds(every, log_probs)
    omega, known = log_probs.exp(), y >= 0
    if model.labelled == "none":  # its classes are clusters, of other numbers
        known = torch.zeros_like(known)
    own = every[known].gather(1, y[known, None])[:, 0]
    terms = {
        "reconstruction": (omega * nll).sum(1),
        "kl_z": (omega * kl_z).sum(1),
        "kl_pose": kl_pose,
        **mixture._asdict(),
    }
    labelled = {
        "bound": own,
        "error_sampled": (log_probs[known].argmax(1) != y[known]).double(),
        "error_generative": (every[known].argmin(1) != y[known]).double(),
    }
    return terms, labelled


def pose_parameters(pose: Float[Tensor, "B 3 3"]) -> Float[Tensor, "B 4"]:
    """Return angle, logarithm of the scale, and shifts along x and y of similarities."""
    angle, scale, shift = affine.to_parameters(pose)
    return torch.cat([angle[:, None], scale.log()[:, None], shift], 1)


def named_pose(maps: Float[Tensor, "B 3 3"]) -> dict[str, Tensor]:
    """Return the parts of maps by names that say their units, (B,) each."""
    angle, scale, stretch, shear, shift = affine.to_parts(maps)
    x, y = shift.unbind(-1)
    named = {"angle_degrees": torch.rad2deg(angle), "scale": scale}
    named |= {"stretch": stretch, "shear": shear}
    return named | {"shift_x_pixels": x, "shift_y_pixels": y}


class ACEFamily(Family):
    """Classifiers with an auto-encoder for every class, behind a pose."""

    kind = ACE
    name = "ace"
    examples = "images"
    per = "image"
    samples = "samples of the posteriors"
    bound = "bounds/valid"
    batch_size = 250
    verbs = ("manifold", "control", "align")

    def prepare(self, model: Any, test: Batches[Any], train: Batches[Any]) -> None:
        """Need nothing to compare with."""

    def measure(
        self, model: Any, batch: Any, source: Any, baseline: Any, samples: int, notes: Notes
    ) -> None:
        """Note errors, bounds and poses of images.

        Labels, where there are some, are compared with what the model says and enter nothing else:
        bounds and errors are computed without them, except `labelled`, which says so.
        """
        device = next(model.parameters()).device
        x = batch.inputs[0].to(device)
        y = labels_of(batch, x)
        posterior = model.encode(x)
        notes.note("class/", found=posterior.y, true=y)
        if posterior.start_log_probs is not None:
            notes.note(rotations=model.readings(x).rotations().double())
        if model.pose is not None and hasattr(batch, "pose"):
            inferred, true = pose_coordinates(posterior.pose.affine), pose_parameters(batch.pose)
            notes.note("pose/", inferred=inferred, true=true, y=y)
        for _ in range(samples):
            terms, labelled = _sample_terms(model, x, y)
            notes.note("bounds/", **terms)
            notes.note("labelled/", **labelled)

    def summed(self, model: Any, source: Any, baseline: Any, notes: Notes) -> dict[str, Any]:
        """Average over images, and over samples of the posteriors.

        `bounds` are R and G of the paper, its bound, the valid and the tight one;
        `variational_pose` tells whether the KL of the pose is in them. Of images with labels
        `error` is that of the classifier with the mean pose, in percent, `error_sampled` with
        sampled poses, `error_generative` of the class with the least bound; of a model that was
        told no labels `clusters` compares its classes with them. `labels` tells how many images
        have one, and the percentage of the most frequent; `cluster_sizes` how many images are in
        each cluster. `rotations` counts those between
        which the pose is not sure. `pose_r2` is there where images were moved by known maps. What
        would fit so few images by chance is left out, and `too_few` tells how many it needs.
        """
        bounds, labelled = notes.means("bounds/"), notes.means("labelled/")
        bounds["labelled"] = labelled.pop("bound")
        found: dict[str, Any] = {"variational_pose": model.variational_pose, "bounds": bounds}
        y, true = notes.values("class/found"), notes.values("class/true")
        known, fitted = true >= 0, {}
        if known.any():
            commonest = 100 * int(true[known].bincount().max()) / int(known.sum())
            found["labels"] = {"images": int(known.sum()), "commonest": commonest}
        if model.labelled == "none" and model.classes > 1:
            found["cluster_sizes"] = y.bincount(minlength=model.classes).tolist()
        if known.any() and model.labelled == "none":
            fitted["clusters"] = int(known.sum()), model.classes
        if "pose/true" in notes and bool(notes.values("pose/true").std(0, correction=0).any()):
            numbers = notes.values("pose/inferred").shape[1] + model.classes
            fitted["pose_r2"] = len(y), numbers
        too_few = {
            n: _EACH * count for n, (images, count) in fitted.items() if images < _EACH * count
        }
        if known.any() and model.labelled != "none":
            found["error"] = 100 * float((y != true)[known].double().mean())
            found |= {name: 100 * (value or 0.0) for name, value in labelled.items()}
        if "clusters" in fitted.keys() - too_few.keys():
            found["clusters"] = cluster_scores(y[known], true[known])._asdict()
        if "rotations" in notes:
            found["rotations"] = float(notes.values("rotations").mean())
        if "pose_r2" in fitted.keys() - too_few.keys():
            poses = [notes.values(f"pose/{name}") for name in ("inferred", "true", "y")]
            r2 = zip(_PARAMETERS, pose_recovery(*poses).tolist(), strict=True)
            found["pose_r2"] = {n: value for n, value in r2 if not math.isnan(value)}
        return found | ({"too_few": too_few} if too_few else {})

    def encoded(
        self, model: Any, reel: Reel, posterior: bool = False, phase: bool = False
    ) -> Iterator[dict[str, Tensor]]:
        """Infer class, style and pose of every image.

        By name `y`, the class, with `probabilities` of all, and `class`, the same number once
        more where classes have names; `z`, the style in its auto-encoder;
        `affine`, the map of the pose, and its parts one by one, named with their units, see
        `symgen.groups.affine.Parts`; `colour` and `hue_degrees`, if there is one. A pose that is
        read from several starts has `rotations`, the number of those that are as good as one
        another. With `posterior` also `z_std`, where a pose is inferred `pose_mean` and
        `pose_std` of its density, and `start_probabilities`.
        """
        if phase:
            raise ValueError("phase: an ACE has no capsules, leave it out")
        like = next(model.parameters())
        for x, known in reel.blocks:
            with torch.no_grad():
                found = model.encode(x.to(like))
            maps = found.pose.affine
            named = {"class": found.y} if "class" in reel.names else {}
            latents = {
                "y": found.y,
                **named,
                "probabilities": found.class_log_probs.exp(),
                "z": found.z.mean,
                "affine": maps,
                **named_pose(maps),
            }
            if found.pose.colour is not None:
                latents["colour"] = found.pose.colour
                latents["hue_degrees"] = colour.hue_degrees(found.pose.colour)
            if found.start_log_probs is not None:
                latents["rotations"] = model.readings(x.to(like)).rotations()
            if posterior:
                latents["z_std"] = found.z.std
            if posterior and found.statistics is not None:
                latents["pose_mean"] = found.statistics.mean
                latents["pose_std"] = found.statistics.std
            if posterior and found.start_log_probs is not None:
                latents["start_probabilities"] = found.start_log_probs.exp()
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

    def verdict(self, measured: Mapping[str, Any]) -> list[str]:
        """Say in words what an evaluation means."""
        return ace_verdict.verdict(measured)

    def rows(self, model: Mapping[str, Any], measured: Mapping[str, Any]) -> Iterator[Row]:
        """Say what an evaluation found."""
        has_pose = model.get("pose", "affine") is not None or model.get("colour_pose", False)
        variational = measured["variational_pose"] and has_pose
        if "error" in measured:
            yield from _error_rows(measured, has_pose, variational)
        for name, value in measured.get("clusters", {}).items():
            yield f"clusters, {name}", *_CLUSTERS[name](value)
        if "rotations" in measured:
            told = "of equal right in an image; 1 where the pose is sure"
            yield "rotations", f"{measured['rotations']:.2f}", told
        classes = model.get("classes")
        over = "" if classes == 1 else ", by the classifier's weights"
        density = "log p(x)" if variational or not has_pose else "log p(x | pose)"
        pose = "in every U" if variational else "free: in no U" if has_pose else "no pose"
        for name, key, reference in (
            ("R, reconstruction", "reconstruction", f"nats/image{over}"),
            ("G, KL of the style", "kl_z", f"nats/image{over}"),
            ("KL of the pose", "kl_pose", pose),
            ("U, paper's convention", "paper", "up to log C below a bound"),
            ("U, valid", "valid", f"bounds −{density}: compare models by it"),
            ("U, tight", "tight", f"bounds −{density}, without the classifier"),
        ):
            if classes == 1 and key in ("paper", "tight"):  # the same as the valid one
                continue
            yield name, f"{measured['bounds'][key]:.1f}", reference
        for key, value in measured.get("pose_r2", {}).items():
            name = f"R² of the pose, {key.replace('_', ' ')}"
            yield name, f"{value:.2f}", "linear, an offset per class"
        for name, needed in measured.get("too_few", {}).items():
            yield _NAMES[name], "–", f"of {needed:,} images or more: these are too few"
        yield from own_rows(measured)


_NAMES = {"clusters": "clusters", "pose_r2": "R² of the pose"}
_CLUSTERS = {
    "matched": lambda value: (f"{value:.1f} %", "agree with a label, one cluster for each class"),
    "majority": lambda value: (f"{value:.1f} %", "have the most frequent label of their cluster"),
    "used": lambda value: (f"{value}", "clusters with images"),
}


def _error_rows(measured: Mapping[str, Any], has_pose: bool, variational: bool) -> Iterator[Row]:
    """Say how often the class was wrong."""
    error, sampled = (f"{measured[key]:.2f} %" for key in ("error", "error_sampled"))
    labels, of = measured.get("labels"), ""
    if labels and labels["images"] < measured.get("examples", 0):
        of = f"; of {labels['images']:,} with a label"
    if has_pose:
        yield "error, mean pose", error, f"the classifier sees the mean pose{of}"
    else:
        yield "error", error, f"of the classifier{of}"
    if variational:
        yield "error, sampled pose", sampled, "it sees poses drawn from q(h|x)"
    yield (
        "error, generative",
        f"{measured['error_generative']:.2f} %",
        "class of the least U, without the classifier",
    )
