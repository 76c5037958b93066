"""Every metric of a trained ACE on labelled test images, in one pass."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from symgen.data import Batches
from symgen.groups import affine
from symgen.metrics import mixture_bounds, pose_coordinates, pose_recovery
from symgen.models import ACE

__all__ = ["evaluate", "pose_parameters"]

_PARAMETERS = ("angle", "log_scale", "shift_x", "shift_y")


@torch.no_grad()
def evaluate(
    model: ACE,
    data: Batches[Any],
    *,
    images: int | None = None,
    samples: int = 10,
    seed: int = 0,
    observe: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Measure classification, the bounds of eq. 4.1 and how well poses are recovered.

    Labels are compared with what the model says and enter nothing else: the bounds and errors are
    computed without them, except `labelled`, which says so.

    Args:
        model: a trained model.
        data: test images, not shuffled.
        images: measure that many; None stands for all.
        samples: samples of the posteriors, over which the bounds are averaged.
        seed: seed of the samples.
        observe: is told how many batches of how many are done.

    Returns:
        Numbers by name. `bounds` in nats per image, as means over images: R and G of the paper,
        its bound, the valid and the tight one; `charged` tells whether the KL of the pose is in
        them. `error` in percent of the classifier reading the mean pose, `error_sampled` reading
        sampled poses, `error_generative` of the class with the least bound. `pose_r2` where the
        images were moved by known maps.

    Raises:
        ValueError: if there are fewer images than asked for, or too few for the poses.
    """
    if images is not None and not 0 < images <= len(data.source):
        raise ValueError(
            f"images={images}: there are {len(data.source)} test images; "
            "choose a number up to that"
        )
    count = len(data.source) if images is None else images
    least = 1 if model.pose is None else 6 * model.pose.groups + model.classes + 1
    if count < least:
        raise ValueError(
            f"images={count}: the regression of true poses on what the pose net reads takes "
            f"{least} images at least"
        )
    batches = -(-count // data.batch_size)
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    values: dict[str, list[Tensor]] = {}

    def note(**measured: Tensor) -> None:
        for name, value in measured.items():
            values.setdefault(name, []).append(value.cpu())

    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        for step in range(batches):
            batch = data.batch(step)
            left = count - step * data.batch_size
            x, y = (part[:left].to(device) for part in batch.inputs)
            reading = model.encode(x)
            note(read=pose_coordinates(reading.pose.affine), y=y, wrong=(reading.y != y).double())
            note(true=pose_parameters(batch.pose[:left]))
            for _ in range(samples):
                note(**{f"k/{k}": v for k, v in _sample_terms(model, x, y).items()})
            if observe is not None:
                observe(step + 1, batches)
    model.train(was_training)

    joined = {name: torch.cat(parts) for name, parts in values.items()}
    bounds = {n.removeprefix("k/"): float(v.mean()) for n, v in joined.items() if "/" in n}
    error_sampled = 100 * bounds.pop("wrong_sampled")
    result: dict[str, Any] = {
        "images": count,
        "samples": samples,
        "seed": seed,
        "charged": model.charged,
        "error": 100 * float(joined["wrong"].mean()),
        "error_sampled": error_sampled,
        "error_generative": 100 * bounds.pop("wrong_generative"),
        "bounds": bounds,
    }
    if model.pose is not None and float(joined["true"].var(0).sum()) > 0:
        r2 = pose_recovery(joined["read"], joined["true"], joined["y"])
        result["pose_r2"] = {
            name: float(value)
            for name, value in zip(_PARAMETERS, r2, strict=True)
            if not value.isnan()
        }
    return result


def _sample_terms(model: ACE, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Return every bound of every image for one sample of the posteriors."""
    nll, kl_z, kl_pose, log_omega = (term.double() for term in model.class_terms(x))
    every = nll + kl_z + kl_pose[:, None]
    mixture = mixture_bounds(every, log_omega)
    omega = log_omega.exp()
    own = every.gather(1, y[:, None])[:, 0]
    return {
        "reconstruction": (omega * nll).sum(1),
        "kl_z": (omega * kl_z).sum(1),
        "kl_pose": kl_pose,
        **mixture._asdict(),
        "labelled": own,
        "wrong_sampled": (log_omega.argmax(1) != y).double(),
        "wrong_generative": (every.argmin(1) != y).double(),
    }


def pose_parameters(pose: Float[Tensor, "B 3 3"]) -> Float[Tensor, "B 4"]:
    """Return angle, logarithm of the scale, and shifts along x and y of similarities.

    Example:
        >>> pose_parameters(torch.eye(3)[None])
        tensor([[0., 0., 0., 0.]])
    """
    angle, scale, shift = affine.to_parameters(pose)
    return torch.cat([angle[:, None], scale.log()[:, None], shift], 1)
