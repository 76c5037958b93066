"""What is measured of a run of ACE: what its images show, how it works inside, its judges."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from symgen import metrics
from symgen._devices import seeded
from symgen.data import DistortedImages, ImageBatch
from symgen.data.batches import Batches
from symgen.data.distorted import SCALES
from symgen.experiments.families.ace import ACEFamily, pose_parameters
from symgen.experiments.runs import held_out
from symgen.groups import affine, warp
from symgen.latents import Laplace
from symgen.likelihoods import Bernoulli
from symgen.models import ACE, ACELatents

Values = Mapping[str, float]
_POINTS, _END = 20, 4.0  # of a traversal (Georgiev 2016, Figs 1 and 2)
_DIGITS, _POSES = 300, 8  # of the regression with an offset for each digit
_HALF_TURNS, _NEAR = (0, 1, 8), 10.0  # digits that are symmetric under them; degrees
_DRAWS = 1_000_000
_SIDE = 28  # of a digit of MNIST
# What may see labels.
_SCORES = ("error", "error_sampled", "error_generative", "pose_r2", "too_few", "nats")
_SCORES += ("labels", "cluster_sizes")


# --- judges and baselines --------------------------------------------------------------------


def judge(measured: Any) -> Values:
    """Measure a judge's test error in percent, and what a model without latents costs.

    `class_mean`, in nats per test image, is the cost under the mean of its class with every
    pixel's probability at least 0.001 away from 0 and 1; `entropy_floor` that below which no
    Bernoulli pixels can go.
    """
    data, net = measured.experiment.data, measured.model
    train = held_out(replace(data, fixed=True).source(True), ACEFamily())
    totals = torch.zeros(net.classes, *train.source.data_shape, dtype=torch.float64)
    counts = torch.zeros(net.classes, dtype=torch.float64)
    for batch in train:
        totals.index_add_(0, batch.labels, batch.images.double())
        counts += batch.labels.bincount(minlength=len(counts))
    means = (totals / counts[:, None, None, None]).float()
    wrong, costs, floors = [], [], []
    for batch in held_out(data.source(False), ACEFamily()):
        scores = net.scores(batch.images.to(measured.workshop.device))
        wrong.append((scores.argmax(1).cpu() != batch.labels).double())
        around = Bernoulli().baseline(means[batch.labels], batch.images, 3)
        costs.append(-around.log_prob(batch.images).double())
        floors.append(metrics.entropy_floor(batch.images[:, None]).double())
    error, class_mean, floor = (float(torch.cat(part).mean()) for part in (wrong, costs, floors))
    return {"error": 100 * error, "class_mean": class_mean, "entropy_floor": floor}


def _judge_of(measured: Any) -> Any:
    """Load the judge of a run's data."""
    name = measured.experiment.data.distortion
    if measured.line.preset.startswith("ace-cifar"):
        name = "cifar10"
    return measured.other(f"judge-{'mnist' if name == 'none' else name}")


def _tests(measured: Any) -> ImageBatch:
    """Return the first test images, as many as the budget checks, on the device."""
    source = measured.experiment.data.source(train=False)
    indices = torch.arange(min(measured.budget.checked, len(source)))
    batch = source.batch(indices, torch.Generator())
    return ImageBatch(*(part.to(measured.workshop.device) for part in batch))


# --- what images show --------------------------------------------------------------------------


def traversal(measured: Any) -> Values:
    """Measure how far judges recognise 20 styles from -4 to 4, and what moves along them.

    Styles are shown at the identity, and in the mean pose of each class's test images: which
    pose is canonical is for the model to choose, its size included, and a judge knows only the
    sizes in its data.
    """
    own, model = _judge_of(measured).scores, measured.model
    z = torch.linspace(-_END, _END, _POINTS, device=next(model.parameters()).device)
    z = z[:, None].expand(-1, model.latent_count)
    at_identity = model.manifold(z)
    shown = at_identity if model.pose is None else _in_mean_pose(model, _tests(measured), z)
    height, slant = (float(part.var(1).mean()) for part in metrics.height_and_slant(at_identity))
    values = {
        "recognised, %": metrics.recognised(own, shown),
        "recognised at the identity, %": metrics.recognised(own, at_identity),
        "height variance": height,
        "slant variance": slant,
    }
    if shown.shape[-1] > _SIDE:
        mnist = measured.other("judge-mnist").scores
        upright = metrics.centred_crop(shown, _SIDE)
        inner = upright[:, _POINTS // 4 : -(_POINTS // 4)]
        values["recognised by the judge of MNIST, %"] = metrics.recognised(mnist, upright)
        values["recognised by it from -2 to 2, %"] = metrics.recognised(mnist, inner)
    return values


def _in_mean_pose(
    model: Any, batch: ImageBatch, z: Float[Tensor, "points latents"]
) -> Float[Tensor, "classes points channels height width"]:
    h = model.encode(batch.images).h
    rows = []
    for label in range(model.classes):
        own = h[batch.labels == label]  # none of them in a smoke run: at the identity then
        mean = (own.mean(0) if len(own) else torch.zeros_like(h[0])).expand(len(z), -1)
        y = torch.full((len(z),), label, device=h.device)
        rows.append(model.decode(ACELatents(z, y, model.pose.element(mean))).mean)
    return torch.stack(rows)


def samples(measured: Any) -> Values:
    """Measure how far a judge recognises samples of the prior, in a drawn pose and without."""
    own, count = _judge_of(measured).scores, measured.budget.drawn
    model, seed = measured.model, measured.seed
    values = {"canonical pose, %": metrics.recognised(own, prior_samples(model, count, seed))}
    if model.pose is not None:
        drawn = prior_samples(model, count, seed, "prior")
        values["pose drawn, %"] = metrics.recognised(own, drawn)
    return values


def prior_samples(
    model: ACE, count: int, seed: int, pose: Literal["identity", "prior"] = "identity"
) -> Float[Tensor, "classes count channels height width"]:
    """Show what is drawn from the prior of every class, the same for the same seed: the means."""
    device = next(model.parameters()).device
    labels = torch.arange(model.classes, device=device).repeat_interleave(count)
    with seeded(seed, labels.device):
        shown = model.decode(model.sample_latents(len(labels), labels, pose)).mean
    return shown.unflatten(0, (model.classes, count))


def photographs(measured: Any) -> Values:
    """Measure how sharp samples are, and their Fréchet distance in the features of the judge."""
    net, model, device = _judge_of(measured), measured.model, measured.workshop.device
    batches = list(held_out(measured.experiment.data.source(train=False), ACEFamily()))
    shown = torch.cat([net.features(batch.images.to(device)) for batch in batches])
    labels = torch.cat([batch.labels for batch in batches]).to(device)
    count = -(-measured.budget.painted // model.classes)
    drawn = prior_samples(model, count, measured.seed, "prior")
    painted = torch.stack([net.features(row) for row in drawn])
    of_each = [metrics.frechet_distance(row, shown[labels == y]) for y, row in enumerate(painted)]
    return {
        "sharpness of samples": metrics.sharpness(drawn),
        "Fréchet distance": float(metrics.frechet_distance(painted.flatten(0, 1), shown)),
        "Fréchet distance, mean of classes": float(torch.stack(of_each).mean()),
    }


# --- poses -------------------------------------------------------------------------------------


def poses(measured: Any) -> Values:
    """Measure R² of the pose with a canonical pose of each digit, not of each class.

    The same test digits are shown in several poses, and the regression has an offset for each.
    """
    if measured.model.pose is None:
        return {}
    source = measured.experiment.data.source(train=False)
    degrees = source.degrees
    fresh = DistortedImages(source.images, source.distortion, fixed=False, degrees=degrees)
    indices = torch.arange(min(_DIGITS, len(fresh)))
    generator = torch.Generator().manual_seed(measured.seed)
    batches = [fresh.batch(indices, generator) for _ in range(_POSES)]
    device = measured.workshop.device
    found = [measured.model.encode(batch.images.to(device)).pose for batch in batches]
    inferred = torch.cat([metrics.pose_coordinates(pose.affine) for pose in found])
    true = torch.cat([pose_parameters(batch.pose) for batch in batches])
    r2 = metrics.pose_recovery(inferred.cpu(), true, indices.repeat(_POSES))
    angle, log_scale, x, y = r2.tolist()
    return {"angle": angle, "log_scale": log_scale, "shift": min(x, y)}


def angles(measured: Any) -> Values:
    """Measure how far angles are off, in degrees, modulo each digit's own symmetry.

    0, 1 and 8 look the same after half a turn. What is canonical has an offset for each pair of
    digit and class that the model found.
    """
    if measured.model.pose is None:
        return {}
    batch = _tests(measured)
    posterior = measured.model.encode(batch.images)
    found = torch.rad2deg(affine.to_parameters(posterior.pose.affine).angle).cpu()
    true, y = torch.rad2deg(affine.to_parameters(batch.pose).angle).cpu(), batch.labels.cpu()
    symmetry = torch.where(torch.isin(y, torch.tensor(_HALF_TURNS)), 2, 1)
    groups = y * measured.model.classes + posterior.y.cpu()
    errors = metrics.angle_errors(found, true, groups, symmetry)
    within = float((errors <= _NEAR).double().mean())
    return {"median": float(errors.median()), "within 10°, %": 100 * within}


def control(measured: Any) -> Values:
    """Compare the reconstruction of moved latents with the reconstruction moved as an image.

    Over the test images whose object stays on the canvas; of three motions the worst one counts.
    """
    model, batch = measured.model, _tests(measured)
    latents = model.latents(batch.images)
    still = model.decode(latents).mean
    net = _judge_of(measured)
    classifiers: dict[str, Callable[[Tensor], Tensor]] = {
        "model": lambda x: model.encode(x).y,
        "judge": lambda x: net.scores(x).argmax(1),
    }
    level = 0.0 if model.background is None else model.background[0].sum(0).sigmoid()
    distances, staying, same = [], [], {name: [] for name in classifiers}
    for element in metrics.motions(batch.pose, SCALES):
        on = metrics.stays(batch.images, element)
        moved = model.decode(model.act(latents, element)).mean
        directly = warp(still, affine.inverse(element), background=level)
        distances.append(float((moved - directly).abs()[on].mean()))
        staying.append(100 * float(on.double().mean()))
        for name, classify in classifiers.items():
            unchanged = (classify(moved) == classify(still))[on]
            same[name].append(100 * float(unchanged.double().mean()))
    return {
        "distance from direct warp": max(distances),
        "class unchanged for the judge, %": min(same["judge"]),
        "class unchanged for the model, %": min(same["model"]),
        "round trip": metrics.round_trip(latents.pose.affine, model.data_shape[1:]),
        "images that stay on the canvas, %": min(staying),
    }


# --- how it works inside -----------------------------------------------------------------------


def mechanics(measured: Any) -> Values:
    """Check the density, the order of the bounds, and the wires of the paper's Fig. 5."""
    model, batch = measured.model, _tests(measured)
    with seeded(measured.seed, batch.images.device):
        values = {**_laplace(), **_mixture(model, batch)}
        with torch.enable_grad():
            elbo = model(batch.images, batch.labels)
            values["gradient of R in the pose net"] = _gradient(elbo.nll, model)
            name = "gradient of cross-entropy in the pose net"
            values[name] = _gradient(elbo.cross_entropy, model)
    fresh, _ = measured.experiment.build(measured.workshop.device)
    start = fresh.encode(batch.images).pose.affine
    values["fresh pose off identity"] = float((start - torch.eye(3).to(start)).abs().max())
    found = [_label_free(measured, len(batch.labels), roll) for roll in (0, 1)]
    values["change by other labels"] = max(abs(found[0][n] - found[1][n]) for n in found[0])
    return values


def _laplace() -> dict[str, float]:
    """Compare sampler and closed-form divergence of the Laplace density."""
    mean = torch.tensor([0.0, 0.3, 1.0, -2.0], dtype=torch.float64)
    q = Laplace(mean, torch.tensor([-2.0, -1.0, 1.0, -4.0], dtype=torch.float64))
    draws = q.rsample(_DRAWS)
    ratio = q.log_prob(draws) - Laplace.standard((4,), dtype=torch.float64).log_prob(draws)
    variance = 2 / q.momentum.square()
    return {
        "KL, % off": 100 * float((ratio.mean(0) / q.kl() - 1).abs().max()),
        "mean, % of std off": 100 * float(((draws.mean(0) - mean) / q.std).abs().max()),
        "variance, % off": 100 * float((draws.var(0) / variance - 1).abs().max()),
    }


def _mixture(model: ACE, batch: ImageBatch) -> dict[str, float]:
    """Compare the bounds of eq. 4.1, which stand in an order."""
    nll, kl_z, kl_pose, log_probs = (t.double() for t in model.class_terms(batch.images))
    every = nll + kl_z + kl_pose[:, None]
    paper, valid, tight = metrics.mixture_bounds(every, log_probs)
    labels = batch.labels[:, None]
    sure = torch.full_like(log_probs, -math.inf).scatter(1, labels, 0.0)
    own = metrics.mixture_bounds(every, sure).paper - every.gather(1, labels)[:, 0]
    return {
        "Σω - 1": float((log_probs.exp().sum(1) - 1).abs().max()),
        "tight - valid": float((tight - valid).max()),
        "paper - valid": float((paper - valid).max()),
        "valid - paper - log C": float((valid - paper).max()) - math.log(model.classes),
        "paper - labelled, ω one-hot": float(own.abs().max()),
    }


def _gradient(term: Tensor, model: ACE) -> float:
    """Return the length of the gradient of one term in the pose net."""
    net = [part for name, part in model.named_parameters() if name.startswith("pose.net.")]
    gradients = torch.autograd.grad(term.mean(), net, retain_graph=True)
    return math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients))


def _label_free(measured: Any, count: int, roll: int) -> dict[str, float]:
    """Evaluate without what scores a model against labels, which are shifted by some images."""
    source = measured.experiment.data.source(train=False)
    images = source.images._replace(labels=source.images.labels.roll(roll))
    same = DistortedImages(images, source.distortion, fixed=True, seed=source.seed)
    test: Batches[Any] = held_out(same, ACEFamily())
    found = ACEFamily().evaluate(measured.model, test, test, items=count, samples=1)
    bounds = {name: value for name, value in found.pop("bounds").items() if name != "labelled"}
    return {name: float(value) for name, value in found.items() if name not in _SCORES} | bounds


MEASURES: dict[str, Callable[[Any], Any]] = {
    kind.__name__: kind
    for kind in (judge, traversal, samples, photographs, poses, angles, control, mechanics)
}
"""Measures of ACE by name."""
