"""The one model behind TVAE, BubbleVAE and VAE: a variational auto-encoder with a topography."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from symgen.data.images import require_unit_range
from symgen.latents import AxesTopography, Gaussian, Topography, standard_normal_log_prob
from symgen.models.elbo import Elbo, Posterior
from symgen.models.likelihood import PixelBernoulli
from symgen.models.neighbourhood import LearnedNeighbourhood
from symgen.models.pretrained import Pretrained
from symgen.models.prior_moments import prior_moments
from symgen.nets import Linear, Perceptron, TwinPerceptron

__all__ = ["TopographicVAE"]


class TopographicVAE(Pretrained):
    """A variational auto-encoder whose latents have a topography.

    Encoders give Gaussian posteriors of z and u for every frame; together they make the
    topographic Student-t variables `t = (z - μ) / sqrt(W u² + eps)` that the decoder turns into
    pixels (Keller & Welling 2021, sections 4 and A). Without a topography t = z: a plain VAE.

    See also:
        `TVAE`, `BubbleVAE`, `VAE`, which build the topography from plain numbers.

    Args:
        image_shape: channels, height and width of a frame.
        topography: which units share energy, a `Topography`, an `AxesTopography` or the fields of
            one; its capsules, units and frames shape the latents.
        hidden: units of the encoders' hidden layers, in reverse order of the decoder's; None
            stands for the paper's (3N, 2N) with N = C·D.
        mu: initial value of the offset μ, one trainable number.
        eps: keeps the energy's root away from zero.
        standardise: feed the decoder (t - m) / s, where m and s are mean and standard deviation
            of t under the prior at the initial μ. A fixed change of units that makes learning
            much faster: at μ = -30 t is about 5 ± 0.2.
        initialisation: "fan_in" draws every layer from U(±1/√inputs); "reference" draws the
            decoder's from U(±1/√outputs) as the authors' transposed convolutions do.
        output_bias: bias of the last layer, one per "pixel" or, as the authors', per "channel".
        normalisation: "none", "weight" or "projected" (the paper's Table 3).
        clamp_logits: hold the logits within ±15.94 as the authors' code does.
        ahead: predict: decode `act(t_l, ahead)` into frame l + ahead, for frames l that have one.
            Needs a causal topography with a zero boundary of time: others look into the future.
        learn: train the neighbourhoods too, which start as the topography says: their "kernel" of
            weights, or the roll "speed" of every capsule, see `LearnedNeighbourhood`.

    Raises:
        ValueError: if the numbers do not fit together.

    Example:
        >>> topography = Topography.tvae(capsules=2, units=6, frames=6, window=3)
        >>> model = TopographicVAE(image_shape=(1, 8, 8), topography=topography)
        >>> x = torch.rand(5, 6, 1, 8, 8)
        >>> t = model.latents(model.encode(x))
        >>> t.shape, model.decode(t).mean.shape, model.elbo(x).nll.shape
        (torch.Size([5, 6, 2, 6]), torch.Size([5, 6, 1, 8, 8]), torch.Size([5, 6]))
    """

    terms: ClassVar[tuple[str, ...]] = Elbo._fields

    def __init__(
        self,
        *,
        image_shape: Sequence[int],
        topography: Topography | AxesTopography | Mapping[str, Any],
        hidden: Sequence[int] | None = None,
        mu: float = -30.0,
        eps: float = 1e-6,
        standardise: bool = False,
        initialisation: Literal["fan_in", "reference"] = "fan_in",
        output_bias: Literal["pixel", "channel"] = "pixel",
        normalisation: Literal["none", "weight", "projected"] = "none",
        clamp_logits: bool = False,
        ahead: int = 0,
        learn: Literal["none", "kernel", "speed"] = "none",
    ) -> None:
        super().__init__()
        if len(image_shape) != 3 or min(image_shape) < 1:
            raise ValueError(
                f"image_shape={tuple(image_shape)}: give three positive numbers, "
                "channels, height and width"
            )
        channels, height, width = image_shape
        self.image_shape = (channels, height, width)
        if isinstance(topography, Mapping):
            if "shape" in topography:
                shape = tuple(topography["shape"])  # a list in JSON
                topography = AxesTopography(**{**topography, "shape": shape})
            else:
                topography = Topography(**topography)
        self.topography = topography
        if not 0 <= ahead < topography.frames:
            raise ValueError(f"ahead={ahead}: choose 0 to {topography.frames - 1} frames")
        if ahead:
            self.require_causal()
        self.ahead = ahead
        self.clamp_logits = clamp_logits
        self.eps = eps
        self.mu = None if topography.is_none else nn.Parameter(torch.tensor(float(mu)))
        self.location, self.scale = (
            prior_moments(topography, mu, eps)
            if standardise and not topography.is_none
            else (0.0, 1.0)
        )

        self.learned = None if learn == "none" else LearnedNeighbourhood(topography, learn)

        pixels = math.prod(self.image_shape)
        latents = topography.capsules * topography.units
        widths = tuple(hidden or (3 * latents, 2 * latents))
        layer = partial(Linear, normalisation=normalisation)
        self.encoder = TwinPerceptron(
            (pixels, *widths, 2 * latents), count=1 if topography.is_none else 2, make=layer
        )

        def decoder_layer(inputs: int, outputs: int) -> Linear:
            last = outputs == pixels and inputs == widths[0]
            return layer(
                inputs,
                outputs,
                fan=outputs if initialisation == "reference" else None,
                projected_dimension=0,
                shared_bias=channels if last and output_bias == "channel" else None,
            )

        self.decoder = Perceptron((latents, *reversed(widths), pixels), decoder_layer)

    @property
    def frames(self) -> int:
        """Frames in a sequence, S."""
        return self.topography.frames

    @property
    def capsules(self) -> int:
        """Number of capsules, C."""
        return self.topography.capsules

    @property
    def units(self) -> int:
        """Units in a capsule, D."""
        return self.topography.units

    def encode(self, x: Float[Tensor, "B S channels height width"]) -> Posterior:
        """Infer the posteriors of z and u of every frame.

        Args:
            x: sequences of images in [0, 1].

        Raises:
            ValueError: if `x` has another shape or type than the model takes, or, on the CPU,
                values outside [0, 1] or that are not numbers.
        """
        open_ended = self.topography.open_ended
        frames = x.shape[1] if open_ended and x.dim() == 5 else self.frames
        expected = (frames, *self.image_shape)
        if x.dim() != 5 or tuple(x.shape[1:]) != expected or not x.is_floating_point():
            raise ValueError(
                f"x of shape {tuple(x.shape)} and {x.dtype} does not fit the model: expected "
                "float images (batch, frames, channels, height, width) = (B, "
                f"{'S' if open_ended else expected[0]}, {expected[1]}, {expected[2]}, "
                f"{expected[3]}) with values in [0, 1]"
            )
        if x.device.type == "cpu" and not torch.compiler.is_compiling():
            require_unit_range("x", x)  # on a GPU looking at the values would mean waiting
        return self.posterior(self.encoder(x.flatten(2)))

    def posterior(self, outputs: Sequence[Float[Tensor, "*batch outputs"]]) -> Posterior:
        """Read the posteriors of z and u off the outputs of the encoder."""
        gaussians = []
        for output in outputs:
            full = output.to(torch.promote_types(output.dtype, torch.float32))
            mean, log_variance = full.unflatten(-1, (2, *self._unit_shape)).unbind(-3)
            gaussians.append(Gaussian(mean, log_variance))
        return Posterior(gaussians[0], gaussians[1] if len(gaussians) == 2 else None)

    def latents(self, posterior: Posterior, sampled: bool = True) -> Float[Tensor, "B S C D"]:
        """Make t from a posterior.

        Args:
            posterior: what `encode` returned.
            sampled: draw z and u from the posterior, as in training and in the paper's
                evaluation. Otherwise take the mean of z and the expected energy W E[u²]; the
                square of u's mean would be wrong, since u is mostly spread around zero.
        """
        if sampled:
            u = None if posterior.u is None else posterior.u.sample()
            return self.latents_from(posterior.z.sample(), u)
        if posterior.u is None:
            return posterior.z.mean
        return self._student_t(posterior.z.mean, posterior.u.second_moment())

    def latents_from(
        self, z: Float[Tensor, "*batch S C D"], u: Float[Tensor, "*batch S C D"] | None
    ) -> Float[Tensor, "*batch S C D"]:
        """Make t from z and u, both of shape (*batch, S, C, D); u is None in a VAE."""
        return z if u is None else self._student_t(z, u.square())

    def decode(self, t: Float[Tensor, "*batch C D"]) -> PixelBernoulli:
        """Return the likelihood p(x|t) of a frame for each t."""
        logits = self.decoder(((t - self.location) / self.scale).flatten(-2))
        return PixelBernoulli(logits.unflatten(-1, self.image_shape), self.clamp_logits)

    def elbo(self, x: Float[Tensor, "B S channels height width"]) -> Elbo:
        """Estimate the evidence lower bound with one sample of the posterior."""
        posterior = self.encode(x)
        nll = -self._log_likelihood(self.latents(posterior), x)
        kl_z = self._with_target(posterior.z.kl().sum((-2, -1)))
        if posterior.u is None:
            return Elbo(nll, kl_z, torch.zeros_like(kl_z))
        return Elbo(nll, kl_z, self._with_target(posterior.u.kl().sum((-2, -1))))

    @torch.no_grad()
    def log_weights(
        self, x: Float[Tensor, "B S channels height width"], samples: int
    ) -> Float[Tensor, "K B targets"]:
        """Draw the log importance weights of every frame.

        `w = log p(x|t) + log p(z) + log p(u) - log q(z|x) - log q(u|x)` with z and u drawn from
        the posterior; the encoder runs once and the samples are decoded together.

        Args:
            x: sequences of images in [0, 1].
            samples: number of samples, K.

        Returns:
            log w of every frame, or of those that have one `ahead`.
        """
        posterior = self.encode(x)
        z = posterior.z.sample(samples)
        weights = (standard_normal_log_prob(z) - posterior.z.log_prob(z)).sum((-2, -1))
        u = None
        if posterior.u is not None:
            u = posterior.u.sample(samples)
            weights += (standard_normal_log_prob(u) - posterior.u.log_prob(u)).sum((-2, -1))
        weights = self._with_target(weights)
        t = self.latents_from(z, u)
        for weight, one in zip(weights, t, strict=True):  # sample by sample to bound memory
            weight += self._log_likelihood(one, x)
        return weights

    def log_prob(
        self, x: Float[Tensor, "B S channels height width"], samples: int = 10
    ) -> Float[Tensor, " B"]:
        """Bound log p(x_1 … x_S) from below by importance sampling, in nats per sequence.

        `log mean_k exp sum_l w_k(l)`, which grows with the number of samples towards log p(x)
        (Burda, Grosse & Salakhutdinov 2016, eq. 8).
        """
        return self.log_weights(x, samples).sum(-1).logsumexp(0) - math.log(samples)

    def act(
        self,
        t: Float[Tensor, "*batch C D"],
        element: int | float | Tensor,
        axis: int | Sequence[int] = 0,
    ) -> Float[Tensor, "*out C D"]:
        """Act on t with an element of the cyclic group: roll every capsule by so many steps.

        A step is what a frame does, a roll by the `speed` of the neighbourhoods. Into capsules
        with ends roll padding variables, at the mean of z and the expected energy.

        Args:
            t: latents.
            element: number of steps; a tensor is broadcast against the leading dimensions of t.
            axis: along which the capsules roll, if they have several; one for all or for each.
        """
        if isinstance(element, Tensor):
            element = element[..., None]
        if self.topography.capsule_boundary == "cyclic":
            return self._neighbourhood.roll(t, element, axis=axis)
        padding = self._padding()
        return self._neighbourhood.roll(t - padding, element, axis=axis) + padding

    @torch.no_grad()
    def traverse(
        self,
        x: Float[Tensor, "B S channels height width"],
        steps: int | None = None,
        axis: int = 0,
    ) -> Float[Tensor, "B steps channels height width"]:
        """Decode the rolls of the first frame's capsules: `decode(Roll_l(t_0))`, l = 0, 1, ….

        Args:
            x: sequences of images.
            steps: number of rolls, each of a step of `act`; None stands for D.
            axis: along which the capsules roll, if they have several.

        Returns:
            Pixel probabilities. t_0 is made of the mean of z and the expected energy.
        """
        first = self.latents(self.encode(x), sampled=False)[:, :1]  # (B, 1, C, D)
        elements = torch.arange(self.units if steps is None else steps, device=x.device)
        return self.decode(self.act(first, elements, axis)).mean  # (B, steps, ...)

    def step(
        self,
        frame: Float[Tensor, "B channels height width"],
        state: Float[Tensor, "B window C D"] | None = None,
    ) -> tuple[Float[Tensor, "B C D"], Float[Tensor, "B window C D"]]:
        """Take the next frame of B streams in constant time and memory, however long they are.

        Equals `latents(encode(x), sampled=False)` at the last frame of all frames so far.

        Args:
            frame: images in [0, 1].
            state: what the previous step returned, the energies of the frames in the window; None
                at the beginning, before which lie padding variables.

        Returns:
            t of the mean of z and the expected energy, and the new state.

        Raises:
            ValueError: if the model sees the future.

        See also:
            `Stream`, the same at several times the speed.
        """
        self.require_causal()
        return self.advance(self.posterior(self.encoder(frame.flatten(1))), state)

    def advance(
        self, posterior: Posterior, state: Float[Tensor, "B window C D"] | None
    ) -> tuple[Float[Tensor, "B C D"], Float[Tensor, "B window C D"]]:
        """Take the next posterior of B streams, see `step`."""
        energy = cast(Gaussian, posterior.u).second_moment()[:, None]
        if state is None:
            state = torch.ones_like(energy).expand(-1, self.topography.window, -1, -1)
        state = torch.cat([state[:, 1:], energy], 1)
        return self._student_t(posterior.z.mean[:, None], state)[:, -1], state

    def require_causal(self) -> None:
        """Require that t of a frame depends on this and past frames only.

        Raises:
            ValueError: if it does not.
        """
        if not (self.topography.causal and self.topography.open_ended):
            raise ValueError(
                f"{self.topography} sees the future: following a stream or predicting needs a "
                "model with causal=True and boundary='zero'"
            )

    @torch.no_grad()
    def sample(self, count: int) -> Float[Tensor, "count S channels height width"]:
        """Generate sequences from the prior: pixel probabilities."""
        device = next(self.parameters()).device
        z = torch.randn(count, self.frames, *self._unit_shape, device=device)
        u = None if self.topography.is_none else torch.randn_like(z)
        return self.decode(self.latents_from(z, u)).mean

    def project_(self) -> None:
        """Rescale the weights of a model with normalisation="projected"; call after each step."""
        for module in self.modules():
            if isinstance(module, Linear):
                module.project_()

    @property
    def speed(self) -> int | float:
        """Units by which capsules roll per step of `act`, on average where it is learned."""
        if self.learned is None:
            return self.topography.speed
        return self.learned.speed.mean().item()

    @property
    def _neighbourhood(self) -> Topography | AxesTopography | LearnedNeighbourhood:
        return self.topography if self.learned is None else self.learned

    @property
    def _unit_shape(self) -> tuple[int, int]:
        return (self.topography.capsules, self.topography.units)

    def _student_t(self, z: Tensor, energy: Tensor) -> Tensor:
        scale = self._neighbourhood.inverse_scale(energy, self.eps)
        return (z - cast(Tensor, self.mu)) * scale

    def _padding(self) -> Tensor:
        """Return t of a padding variable: z at its mean and every neighbour's energy expected."""
        one = cast(Tensor, self.mu).new_ones(1, self.frames, *self._unit_shape)
        return self._student_t(0 * one, one)[0, 0]

    def _log_likelihood(self, t: Tensor, x: Tensor) -> Tensor:
        """Evaluate log p(x|t) of every frame, or of the frames `ahead` of one."""
        if self.ahead:
            t, x = self.act(t[..., : -self.ahead, :, :], self.ahead), x[:, self.ahead :]
        return self.decode(t).log_prob(x)

    def _with_target(self, values: Float[Tensor, "*batch S"]) -> Float[Tensor, "*batch targets"]:
        """Leave out the last frames, which have no target `ahead`."""
        return values[..., : values.shape[-1] - self.ahead]
