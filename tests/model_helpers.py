"""Small models of every kind, net, likelihood and shape of data, and what they are given."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from ace_helpers import OPTIONS, SMALL
from torch import Tensor, nn

from symgen import ACE, TVAE, VAE, BubbleVAE, TorusVAE, likelihoods

FRAMES = 4
SEQUENCES = {"capsules": 2, "units": 6, "frames": FRAMES}
KINDS: dict[str, tuple[type, dict[str, Any]]] = {
    "tvae": (TVAE, {**SEQUENCES, "window": 3, "neighbourhood": 3}),
    "bubble": (BubbleVAE, {**SEQUENCES, "window": 3}),
    "vae": (VAE, SEQUENCES),
    "torus": (TorusVAE, {"capsules": 4, "units": 5, "neighbourhood": 3}),
    "causal": (TVAE, {**SEQUENCES, "window": 3, "causal": True, "boundary": "zero"}),
    "axes": (TVAE, {**SEQUENCES, "units": None, "capsule_axes": (3, 2), "window": 3}),
    "odd speed": (TVAE, {**SEQUENCES, "window": 4, "shift": 0.8}),
    "ace": (ACE, {**SMALL, "width": 8, "depth": 1, "latents": 2, "pose": None}),
    "ace with pose": (ACE, {**SMALL, "width": 8, "depth": 1}),
}
NETS = ("dense", "residual", "conv", "own")
LIKELIHOODS = {
    "bernoulli": {"likelihood": "bernoulli"},
    "continuous-bernoulli": {"likelihood": "continuous-bernoulli"},
    "gaussian of a fixed scale": {"likelihood": "gaussian", "likelihood_scale": 0.5},
    "gaussian of one scale": {"likelihood": "gaussian"},
    "gaussian of channels": {"likelihood": "gaussian", "likelihood_scale": "channel"},
    "gaussian of values": {"likelihood": "gaussian", "likelihood_scale": "value"},
    "poisson": {"likelihood": "poisson"},
    "discretised-logistic": {"likelihood": "discretised-logistic"},
}
SHAPES = {"vector": (7,), "image": (2, 9, 7), "volume": (1, 3, 5, 4)}


class Case(NamedTuple):
    """A kind of model with one choice of everything else, and how to make it."""

    kind: str
    net: str
    likelihood: str
    shape: str
    make: Callable[[], Any]
    own: Callable[[], dict[str, nn.Module]]  # fresh modules of one's own, by argument


class OwnEncoder(nn.Sequential):
    def __init__(self, data_shape: tuple[int, ...], outputs: int) -> None:
        hidden = nn.Linear(math.prod(data_shape), 8)
        super().__init__(nn.Flatten(), hidden, nn.Tanh(), nn.Linear(8, outputs))


class OwnClassifier(OwnEncoder):
    pass


class OwnDecoder(nn.Sequential):
    def __init__(self, latents: int, shape: tuple[int, ...]) -> None:
        last = nn.Linear(8, math.prod(shape))
        super().__init__(nn.Linear(latents, 8), nn.Tanh(), last, nn.Unflatten(1, shape))


class OwnClassDecoder(nn.Module):
    def __init__(self, classes: int, latents: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.classes = nn.Embedding(classes, latents)
        self.decoder = OwnDecoder(latents, shape)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.decoder(z + self.classes(y))


def own_parts(
    kind: str, likelihood: dict[str, Any], data_shape: tuple[int, ...]
) -> dict[str, nn.Module]:
    builder, sizes = KINDS[kind]
    made = likelihoods.make_likelihood(
        likelihood["likelihood"], likelihood.get("likelihood_scale")
    )
    shape = (made.parameters, *data_shape)
    if builder is ACE:
        classes = sizes["classes"]
        return {
            "classifier": OwnClassifier(data_shape, classes),
            "encoder": OwnEncoder(data_shape, 6),
            "decoder": OwnClassDecoder(classes, sizes.get("latents", 1), shape),
        }
    latents = sizes["capsules"] * (sizes["units"] or math.prod(sizes["capsule_axes"]))
    outputs = (2 if builder is VAE else 4) * latents
    return {"encoder": OwnEncoder(data_shape, outputs), "decoder": OwnDecoder(latents, shape)}


def named_nets(kind: str, net: str) -> dict[str, Any]:
    if KINDS[kind][0] is not ACE:
        return {"net": net, "width": 4 if net == "conv" else 8}
    return {"encoder": net, "decoder": net, "classifier": None if net == "conv" else net}


def case(kind: str, net: str, likelihood: str, shape: str) -> Case:
    builder, sizes = KINDS[kind]
    density, data_shape = LIKELIHOODS[likelihood], SHAPES[shape]

    def own() -> dict[str, nn.Module]:
        return own_parts(kind, density, data_shape) if net == "own" else {}

    def make() -> Any:
        nets = own() or named_nets(kind, net)
        return builder(**{**sizes, "data_shape": data_shape, **density, **nets})

    return Case(kind, net, likelihood, shape, make, own)


def covering() -> list[Case]:
    """Cases in which every kind meets every net, likelihood and shape, where that is legal."""
    cases = []
    for row, kind in enumerate(KINDS):
        for column, likelihood in enumerate(LIKELIHOODS):
            net, shape = NETS[(row + column) % 4], list(SHAPES)[(row + column) % 3]
            if kind == "ace with pose" or (net == "conv" and shape == "vector"):
                shape = "image"
            cases.append(case(kind, net, likelihood, shape))
    return cases


def centred(model: Any) -> Any:
    """Give a model the mean of some data, as a training does."""
    with torch.no_grad():
        model.data_mean.copy_(
            torch.linspace(0.1, 0.9, model.data_mean.numel()).view_as(model.data_mean)
        )
    return model


IMAGES = {"data_shape": SHAPES["image"], "width": 8}
FURTHER: dict[str, Callable[[], Any]] = {
    "even": lambda: TVAE(**IMAGES, **SEQUENCES, window=4),
    "L=0": lambda: TVAE(
        **IMAGES, **SEQUENCES, window=1, neighbourhood=3, eps=1e-3, standardise=False
    ),
    "reference": lambda: TVAE(
        **IMAGES,
        **SEQUENCES,
        window=3,
        neighbourhood=3,
        reference_window=True,
        initialisation="reference",
        output_bias="channel",
        clamp_logits=True,
        activation="relu",
        standardise=False,
    ),
    "weight norm": lambda: TVAE(**IMAGES, **SEQUENCES, window=3, normalisation="weight"),
    "projected": lambda: TVAE(**IMAGES, **SEQUENCES, window=3, normalisation="projected"),
    "half speed": lambda: TVAE(**IMAGES, **SEQUENCES, window=3, shift=0.5),
    "ends": lambda: TVAE(
        **IMAGES, **SEQUENCES, window=3, boundary="zero", capsule_boundary="zero"
    ),
    "ahead": lambda: TVAE(**IMAGES, **SEQUENCES, window=3, causal=True, boundary="zero", ahead=1),
    "centred": lambda: centred(TVAE(**IMAGES, **SEQUENCES, window=3, centre=True)),
    "centred, plain": lambda: centred(VAE(**IMAGES, **SEQUENCES, centre=True)),
}
COVERING = {f"{c.kind}, {c.net}, {c.likelihood}, {c.shape}": c for c in covering()}
MODELS: dict[str, Callable[[], Any]] = {name: case.make for name, case in COVERING.items()}
MODELS |= {f"tvae, {name}": make for name, make in FURTHER.items()}
MODELS |= {f"ace, {name}": lambda o=options: ACE(**o) for name, options in OPTIONS.items()}


def inputs(model: Any, count: int = 5) -> tuple[Tensor, ...]:
    """What `forward` takes: data that the likelihood takes, and of ACE labels of two classes."""
    is_ace = isinstance(model, ACE)
    shape = (count, *(() if is_ace else (model.frames,)), *model.data_shape)
    x = torch.rand(shape)
    if isinstance(model.likelihood, likelihoods.Gaussian):
        x = torch.randn(shape)
    if isinstance(model.likelihood, likelihoods.Poisson):
        x = torch.poisson(2 * x)
    x = x.to(next(model.parameters()).device)
    return (x, 2 * (torch.arange(count, device=x.device) % 2)) if is_ace else (x,)
