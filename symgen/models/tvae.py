"""TVAE, BubbleVAE, TorusVAE and VAE: Topographic VAEs from names and sizes."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import nn

from symgen.latents import AxesTopography, Boundary, Topographic, Topography
from symgen.likelihoods import Likelihood, LikelihoodName, Scale, make_likelihood
from symgen.models.checks import check_data_shape
from symgen.models.topographic import TopographicVAE
from symgen.nets import Activation, Initialisation, NetName, Normalisation, OutputBias, make_nets

__all__ = ["BubbleVAE", "TVAE", "TorusVAE", "VAE"]


def _parts(
    data_shape: Sequence[int],
    topography: Topographic,
    likelihood: Likelihood,
    own: tuple[nn.Module | None, nn.Module | None],
    *options: Any,
) -> dict[str, Any]:
    """Make the encoder and decoder that are not your own, with these options of `make_nets`."""
    shape, (encoder, decoder) = check_data_shape(data_shape), own
    if encoder is None or decoder is None:
        counts = {"posteriors": 2 - topography.is_none, "parameters": likelihood.parameters}
        latents, (net, *others) = topography.capsules * topography.units, options
        made = make_nets(net, shape, latents, *others, **counts)
        encoder, decoder = (b if a is None else a for a, b in zip(own, made, strict=True))
    parts = {"topography": topography, "likelihood": likelihood, "data_shape": shape}
    return parts | {"encoder": encoder, "decoder": decoder}


class TVAE(TopographicVAE):
    """A topographic VAE with shifting temporal coherence: learned capsules roll with time.

    Args:
        data_shape: shape of a frame: (features,), (channels, height, width) or (channels, depth,
            height, width).
        capsules: number of capsules, C.
        units: units in a capsule, D; None for one for every frame of a sequence.
        frames: frames in a sequence, S.
        window: frames that share energy, 2L in the paper, where 1 is its L = 0; None for two
            thirds of a sequence.
        neighbourhood: units of a capsule that share energy, K.
        shift: units by which the neighbourhood advances per frame, such as D/S; None for 1.
        boundary: of time: "cyclic", or "zero" for sequences that do not wrap around.
        capsule_boundary: of the units of a capsule: "cyclic" or "zero".
        causal: share energy with past frames only.
        reference_window: the window of the authors' code, see `Topography`.
        capsule_axes: units along each axis of a capsule, whose product is D; None for one axis.
        likelihood: what the decoder's outputs parametrise: "bernoulli" (the paper's, of values in
            [0, 1]), "continuous-bernoulli", "gaussian", "poisson" (of counts),
            "discretised-logistic" (of 8-bit photographs), or a `Likelihood`.
        likelihood_scale: of "gaussian" and "discretised-logistic": a number, or learned as "one",
            one for each "channel", or one for each "value"; None leaves the likelihood's default.
        clamp_logits: hold the logits of "bernoulli" within ±15.94 as the authors' code does.
        net: kind of the nets: "dense" (the paper's), "residual" or "conv".
        width: units of the hidden layers, or channels of the first convolution; None for the
            paper's 3N and 2N of dense nets with N = C·D latents, 384 or 32 of others.
        depth: hidden layers (None: 2), residual layers (3), or residual layers at every size (1).
        activation: between layers: "silu", "relu" (the paper's), "gelu" or "tanh".
        initialisation: of dense nets: "fan_in", torch's weights, or "reference", the authors'.
        output_bias: of dense nets: one for every "value", or for every "channel" as the authors'.
        normalisation: of dense nets' weights: "none", "weight" or "projected" (Table 3).
        encoder: an encoder of your own in place of the named one, see `TopographicVAE`.
        decoder: a decoder of your own in place of the named one.
        mu: initial value of the offset μ, one trainable number.
        eps: keeps the energy's root away from zero.
        standardise: feed the decoder latents of mean 0 and variance 1 under the prior; the paper
            does not.
        centre: subtract from what the encoder sees its mean, which `fit` measures before its
            first step; the paper does not.
        ahead: predict: decode the latents of a frame into the frame so many frames later.

    Unknown names and settings that do not fit together raise ValueError.

    Example:
        >>> model = TVAE((1, 64, 64), capsules=15, units=15, frames=15, window=10)
        >>> model.topography.shift, model.mu.item()
        (1, -30.0)
        >>> TVAE((12,), likelihood="gaussian", net="residual", width=32).topography.window
        11
    """

    _shift: ClassVar[int] = 1

    def __init__(
        self,
        data_shape: Sequence[int],
        *,
        capsules: int = 16,
        units: int | None = None,
        frames: int = 16,
        window: int | None = None,
        neighbourhood: int = 1,
        shift: float | None = None,
        boundary: Boundary = "cyclic",
        capsule_boundary: Boundary = "cyclic",
        causal: bool = False,
        reference_window: bool = False,
        capsule_axes: tuple[int, ...] | None = None,
        likelihood: LikelihoodName | Likelihood = "bernoulli",
        likelihood_scale: Scale | None = None,
        clamp_logits: bool = False,
        net: NetName = "dense",
        width: int | None = None,
        depth: int | None = None,
        activation: Activation = "silu",
        initialisation: Initialisation = "fan_in",
        output_bias: OutputBias = "value",
        normalisation: Normalisation = "none",
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
        mu: float = -30.0,
        eps: float = 1e-6,
        standardise: bool = True,
        centre: bool = False,
        ahead: int = 0,
    ) -> None:
        window = round(2 / 3 * frames) if window is None else window
        shift = self._shift if shift is None else shift
        extents: dict[str, Any] = {"frames": frames, "window": window, "shift": shift}
        extents |= {"neighbourhood": neighbourhood, "causal": causal}
        extents |= {"boundary": boundary, "capsule_boundary": capsule_boundary}
        topography: Topographic
        if capsule_axes is None:
            extents["reference_window"] = reference_window
            topography = Topography(capsules, frames if units is None else units, **extents)
        elif units in (None, math.prod(capsule_axes)) and not reference_window:
            topography = AxesTopography(capsules, tuple(capsule_axes), **extents)
        else:
            given = f"capsule_axes={capsule_axes} with units={units}, {reference_window=}"
            fit = "units is the product of the axes, whose window is not the reference's"
            raise ValueError(f"{given}: {fit}")
        made = make_likelihood(likelihood, likelihood_scale, clamp_logits)
        nets = (net, width, depth, activation, initialisation, output_bias, normalisation)
        parts = _parts(data_shape, topography, made, (encoder, decoder), *nets)
        how: dict[str, Any] = {"standardise": standardise, "centre": centre, "ahead": ahead}
        super().__init__(**parts, mu=mu, eps=eps, **how)


class BubbleVAE(TVAE):
    """A topographic VAE with stationary temporal coherence: energy is shared without a roll.

    Takes the arguments of `TVAE`, whose shift is 0 by default.

    Example:
        >>> BubbleVAE((1, 8, 8), capsules=2, units=6, frames=6, window=3).topography.shift
        0
    """

    _shift: ClassVar[int] = 0


class VAE(TopographicVAE):
    """A plain variational auto-encoder of every frame, the baseline: t = z.

    Takes arguments of `TVAE`, which mean the same but for these.

    Args:
        capsules: number of groups into which the latents are arranged for the metrics, C.
        units: latents in a group, D; None for one for every frame of a sequence.
        encoder: an encoder of your own, (n, *data_shape) -> (n, 2N).

    Example:
        >>> VAE((1, 8, 8), capsules=2, units=6, frames=6).mu is None
        True
    """

    def __init__(
        self,
        data_shape: Sequence[int],
        *,
        capsules: int = 16,
        units: int | None = None,
        frames: int = 16,
        likelihood: LikelihoodName | Likelihood = "bernoulli",
        likelihood_scale: Scale | None = None,
        clamp_logits: bool = False,
        net: NetName = "dense",
        width: int | None = None,
        depth: int | None = None,
        activation: Activation = "silu",
        initialisation: Initialisation = "fan_in",
        output_bias: OutputBias = "value",
        normalisation: Normalisation = "none",
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
        centre: bool = False,
    ) -> None:
        topography = Topography.none(capsules, frames if units is None else units, frames)
        made = make_likelihood(likelihood, likelihood_scale, clamp_logits)
        nets = (net, width, depth, activation, initialisation, output_bias, normalisation)
        parts = _parts(data_shape, topography, made, (encoder, decoder), *nets)
        super().__init__(**parts, centre=centre)


class TorusVAE(TopographicVAE):
    """A topographic VAE of single items whose units lie on a 2-D torus: a map without time.

    Units share energy with the patch around them (Keller & Welling 2021, section 6.1; for
    features of a net, Keller, Gao & Welling 2021, arXiv 2110.13911). Takes arguments of `TVAE`,
    which mean the same but for these.

    Args:
        data_shape: shape of an item, as of a frame.
        capsules: rows of the torus.
        units: columns of the torus.
        neighbourhood: side of the patches that share energy.

    Example:
        >>> import torch
        >>> model = TorusVAE((64,), capsules=6, units=8, neighbourhood=3, likelihood="gaussian")
        >>> model.latents(torch.randn(5, 1, 64)).shape  # one frame
        torch.Size([5, 1, 6, 8])
    """

    def __init__(
        self,
        data_shape: Sequence[int],
        *,
        capsules: int = 18,
        units: int = 18,
        neighbourhood: int = 5,
        likelihood: LikelihoodName | Likelihood = "bernoulli",
        likelihood_scale: Scale | None = None,
        clamp_logits: bool = False,
        net: NetName = "dense",
        width: int | None = None,
        depth: int | None = None,
        activation: Activation = "silu",
        initialisation: Initialisation = "fan_in",
        output_bias: OutputBias = "value",
        normalisation: Normalisation = "none",
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
        mu: float = -10.0,
        eps: float = 1e-6,
        standardise: bool = True,
        centre: bool = False,
    ) -> None:
        topography = Topography.torus((capsules, units), patch=neighbourhood)
        made = make_likelihood(likelihood, likelihood_scale, clamp_logits)
        nets = (net, width, depth, activation, initialisation, output_bias, normalisation)
        parts = _parts(data_shape, topography, made, (encoder, decoder), *nets)
        super().__init__(**parts, mu=mu, eps=eps, standardise=standardise, centre=centre)
