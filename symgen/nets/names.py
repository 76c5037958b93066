"""Encoders and decoders by name, for command lines and files."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Literal, get_args

from torch import nn

from symgen._errors import require_choice
from symgen.nets.dense import DenseDecoder, DenseEncoder
from symgen.nets.linear import Linear, Normalisation
from symgen.nets.residual import Activation, ResidualDecoder, ResidualEncoder
from symgen.nets.strided import ConvDecoder, ConvEncoder

__all__ = ["Initialisation", "NetName", "OutputBias", "make_decoder", "make_encoder", "make_nets"]

NetName = Literal["dense", "residual", "conv"]
Initialisation = Literal["fan_in", "lecun", "reference"]
OutputBias = Literal["value", "channel"]
DeepName = Literal["residual", "conv"]
_DEEPEST = 1000  # layers
_SIZES = {"residual": (384, 3), "conv": (32, 1)}  # width and depth


def make_nets(
    net: NetName,
    data_shape: Sequence[int],
    latents: int,
    width: int | None = None,
    depth: int | None = None,
    activation: Activation = "relu",
    initialisation: Initialisation = "fan_in",
    output_bias: OutputBias = "value",
    normalisation: Normalisation = "none",
    *,
    posteriors: int,
    parameters: int,
) -> tuple[nn.Module, nn.Module]:
    """Make the encoder and the decoder of a model of this many latents.

    Args:
        net: "dense": fully connected, the Topographic VAE's own, encoders of z and u side by
            side; "residual": pre-norm residual layers; "conv": strided residual convolutions of
            images and volumes, both with one trunk for z and u.
        data_shape: shape of one item of the data.
        latents: number of latents, N.
        width: units of every hidden layer (None: the paper's 3N and 2N), of the residual stream
            (384), or channels of the first convolution (32).
        depth: hidden layers (2), residual layers (3), or residual layers at every size (1).
        activation: between layers.
        initialisation: of dense nets: "fan_in" draws every layer from U(±1/√inputs); "lecun" draws
            weights from U(±√(3/inputs)), which keeps the scale of activations (LeCun et al. 1998);
            "reference" draws the decoder's from U(±1/√outputs) as the authors' transposed
            convolutions do.
        output_bias: of dense nets: one for every "value", or for every "channel" as the authors'.
        normalisation: of dense nets' weights: "none", "weight" or "projected" (Table 3).
        posteriors: Gaussian posteriors to infer: 2 for z and u, 1 for z alone.
        parameters: outputs of the decoder for every value of the data.

    Returns:
        A module (n, *data_shape) -> (n, posteriors · 2 · latents), means and log-variances one
        after the other, and a module (n, latents) -> (n, parameters, *data_shape). Unknown names,
        sizes below 1 and options of dense nets for others raise ValueError.

    Example:
        >>> import torch
        >>> encoder, decoder = make_nets("conv", (1, 9, 9), 6, posteriors=2, parameters=1)
        >>> decoder(encoder(torch.zeros(2, 1, 9, 9))[:, :6]).shape
        torch.Size([2, 1, 1, 9, 9])
    """
    require_choice("net", net, get_args(NetName))
    require_choice("initialisation", initialisation, get_args(Initialisation))
    require_choice("output_bias", output_bias, get_args(OutputBias))
    outputs, shape = posteriors * 2 * latents, (parameters, *data_shape)
    if net != "dense":
        if (initialisation, output_bias, normalisation) != ("fan_in", "value", "none"):
            raise ValueError(
                f"net={net!r} with initialisation={initialisation!r}, output_bias={output_bias!r},"
                f" normalisation={normalisation!r}: these options are for net='dense'"
            )
        sizes = (width, depth, activation)
        encoder = make_encoder(net, data_shape, outputs, *sizes)
        return encoder, make_decoder(net, latents, shape, *sizes)
    _require_sizes(width, depth)
    if width is None and depth not in (None, 2):
        raise ValueError(f"depth={depth} of a dense net: give a width as well")
    widths = (3 * latents, 2 * latents) if width is None else (width,) * (depth or 2)
    gain = math.sqrt(3) if initialisation == "lecun" else 1.0
    layer = partial(Linear, normalisation=normalisation, gain=gain)
    encoder = DenseEncoder(data_shape, outputs, widths, posteriors, activation, layer)

    def make(inputs: int, outputs: int, shared_bias: int | None = None) -> Linear:
        fan = outputs if initialisation == "reference" else None
        return layer(inputs, outputs, fan=fan, projected_dimension=0, shared_bias=shared_bias)

    biases = math.prod(shape[:2]) if output_bias == "channel" else None
    last = partial(make, shared_bias=biases)
    return encoder, DenseDecoder(latents, shape, widths[::-1], activation, make, last)


def make_encoder(
    net: DeepName,
    data_shape: Sequence[int],
    outputs: int,
    width: int | None = None,
    depth: int | None = None,
    activation: Activation = "silu",
) -> nn.Module:
    """Make a residual or convolutional encoder: (n, *data_shape) -> (n, outputs).

    Args:
        net: "residual" or "conv".
        data_shape: shape of an item.
        outputs: numbers made of it.
        width: units of the layers, or channels of the first convolution; None: 384 or 32.
        depth: residual layers, or those at every size; None: 3 or 1.
        activation: between layers.

    Example:
        >>> import torch
        >>> make_encoder("conv", (1, 16, 16), 8, width=4)(torch.zeros(5, 1, 16, 16)).shape
        torch.Size([5, 8])
    """
    kind = ResidualEncoder if net == "residual" else ConvEncoder
    return kind(data_shape, outputs, *_sizes(net, width, depth), activation)


def make_decoder(
    net: DeepName,
    latents: int,
    shape: Sequence[int],
    width: int | None = None,
    depth: int | None = None,
    activation: Activation = "silu",
) -> nn.Module:
    """Make a residual or convolutional decoder: (n, latents) -> (n, *shape).

    Args:
        net: "residual" or "conv".
        latents: latents of an item.
        shape: shape of what is made of them, such as (parameters, channels, height, width).
        width: units of the layers, or channels of the first convolution; None: 384 or 32.
        depth: residual layers, or those at every size; None: 3 or 1.
        activation: between layers.

    Example:
        >>> import torch
        >>> make_decoder("residual", 8, (1, 12), width=16)(torch.zeros(5, 8)).shape
        torch.Size([5, 1, 12])
    """
    kind = ResidualDecoder if net == "residual" else ConvDecoder
    return kind(latents, shape, *_sizes(net, width, depth), activation)


def _sizes(net: str, width: int | None, depth: int | None) -> tuple[int, int]:
    """Return width and depth of a residual or convolutional net, by default its own."""
    require_choice("net", net, _SIZES)
    _require_sizes(width, depth)
    return width or _SIZES[net][0], depth or _SIZES[net][1]


def _require_sizes(width: int | None, depth: int | None) -> None:
    for name, size in (("width", width), ("depth", depth)):
        if size is not None and size < 1:
            raise ValueError(f"{name}={size}: give 1 or more")
    if depth is not None and depth > _DEEPEST:
        raise ValueError(f"depth={depth}: give {_DEEPEST:,} layers at most")
