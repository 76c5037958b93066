"""The Topographic VAE from parts: nets, a topography and a likelihood."""

import math
from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from symgen._typed import Draws, typed
from symgen.latents import Gaussian, Topographic
from symgen.likelihoods import Likelihood, LikelihoodName, make_likelihood
from symgen.likelihoods.base import full_precision
from symgen.models import checks
from symgen.models.checks import check_data, check_data_shape, check_floats, check_net, check_type
from symgen.models.elbo import Elbo, Posterior
from symgen.models.pretrained import Pretrained
from symgen.models.prior_moments import prior_moments
from symgen.nets import Linear

__all__ = ["Elbo", "Posterior", "TopographicVAE"]

Sequences = Float[Tensor, "B S *data"]
Latents = Float[Tensor, "*batch S C D"]
State = Float[Tensor, "2 B window C D"]


class TopographicVAE(Pretrained):
    """A variational auto-encoder whose latents have a topography.

    The encoder gives Gaussian posteriors of z and u for every frame; together they make the
    topographic Student-t variables `t = (z - μ) / sqrt(W u² + eps)` that the decoder turns into
    data (Keller & Welling 2021, sections 4 and A). Without a topography t = z: a plain VAE.

    `TVAE`, `BubbleVAE`, `TorusVAE` and `VAE` make the parts from names and sizes.

    Attributes:
        frames, capsules, units: S, C and D, those of the topography.
        speed, data_mean: units a frame rolls by; the mean of the data, None without `centre`.

    Args:
        data_shape: shape of a frame: (features,), (channels, height, width) or (channels, depth,
            height, width).
        encoder: (n, *data_shape) -> (n, 4N), with N = C·D: means and log-variances of z, then
            those of u; (n, 2N) without a topography. A positive s stands for the variance 1 + s
            instead of exp(s), see `Gaussian.from_outputs`.
        decoder: (n, N) -> (n, likelihood.parameters, *data_shape).
        topography: which units share energy; its capsules, units and frames shape the latents.
        likelihood: what the decoder's outputs parametrise, by name or as a value.
        mu: initial value of the offset μ, one trainable number.
        eps: keeps the energy's root away from zero.
        standardise: feed the decoder (t - m) / s, with mean m and standard deviation s of t under
            the prior at the initial μ: a fixed change of units that makes learning much faster
            (at μ = -30 t is about 5 ± 0.2).
        centre: subtract from what the encoder sees its mean (data_shape), which `fit` measures
            before its first step, of some hundred items: a fixed change of the first bias that
            can make learning much faster.
        ahead: predict: decode `act(t_l, ahead)` into frame l + ahead, for frames l that have one.
            Needs a causal topography with a zero boundary of time: others look into the future.

    Parts that do not fit together raise ValueError.

    Example:
        >>> from symgen.latents import Topography
        >>> model = TopographicVAE(
        ...     (12,),
        ...     encoder=nn.Linear(12, 4 * 2 * 6),
        ...     decoder=nn.Sequential(nn.Linear(2 * 6, 12), nn.Unflatten(1, (1, 12))),
        ...     topography=Topography.tvae(capsules=2, units=6, frames=6, window=3),
        ...     likelihood="gaussian",
        ... )
        >>> x = torch.randn(5, 6, 12)
        >>> t = model.latents(x)
        >>> t.shape, model.decode(t).mean.shape, model(x).nll.shape
        (torch.Size([5, 6, 2, 6]), torch.Size([5, 6, 12]), torch.Size([5, 6]))
    """

    _replaceable = ("encoder", "decoder")
    _fixed = ("topography", "likelihood", "data_shape", "frames", "capsules", "units")

    def __init__(
        self,
        data_shape: Sequence[int],
        *,
        encoder: nn.Module,
        decoder: nn.Module,
        topography: Topographic,
        likelihood: LikelihoodName | Likelihood = "bernoulli",
        mu: float = -30.0,
        eps: float = 1e-6,
        standardise: bool = False,
        centre: bool = False,
        ahead: int = 0,
    ) -> None:
        super().__init__()
        self.data_shape = check_data_shape(data_shape)
        self.topography, self.likelihood = topography, make_likelihood(likelihood)
        self.frames, self.capsules = topography.frames, topography.capsules
        self.units = topography.units
        checks.check_topographic(topography, mu, eps, ahead)
        if ahead:
            self.require_causal(f"ahead={ahead}")
        self.ahead, self.eps = ahead, eps
        self.mu = None if topography.is_none else nn.Parameter(torch.tensor(float(mu)))
        self.location, self.scale = 0.0, 1.0
        if standardise and not topography.is_none:
            start = getattr(topography, "start", topography)
            self.location, self.scale = prior_moments(start, mu, eps)
        self.data_mean: Tensor | None  # of the training data, 0 before
        self.register_buffer("data_mean", torch.zeros(self.data_shape) if centre else None)
        self.shared = nn.ParameterDict(self.likelihood.learned(self.data_shape))
        self.encoder, self.decoder = encoder, decoder
        self._seal()

    @property
    def speed(self) -> int | float:
        """Units by which capsules roll per step of `act`, on average where it is learned."""
        return self.topography.speed

    @property
    def rolls(self) -> range:
        """Numbers of frames by which training can roll a sequence, with 0: see `forward`."""
        return self._rolls(self.frames)

    # --- inference -------------------------------------------------------------------------

    def encode(self, x: Sequences) -> Posterior:
        """Infer the posteriors of z and u of every frame.

        Another shape or type and, on the CPU, values outside the support raise ValueError.
        """
        check_data(self, "x", x, "S" if self.topography.open_ended else self.frames)
        return self.posterior(self.encoded(x.flatten(0, 1)).unflatten(0, x.shape[:2]))

    def latents(self, x: Sequences | Posterior, sampled: bool = False) -> Latents:
        """Infer the latents t of sequences.

        Args:
            x: sequences of data, or what `encode` returned for them.
            sampled: draw z and u from the posterior, as in training and in the paper's evaluation.
                Otherwise return the mean of t, so that two calls agree: that of z - μ times that
                of 1 / sqrt(W u² + eps), see `Topography.expected_inverse_scale`.
        """
        z, u = x if isinstance(x, Posterior) else self.encode(x)
        if sampled:
            drawn = None if u is None else u.rsample()
            return self.latents_from(z.rsample(), drawn)
        if u is None:
            return z.mean
        return self._expected_t(z.mean, u.second_moment(), u.square_variance())

    def latents_from(self, z: Latents, u: Latents | None) -> Latents:
        """Make t from z and u; u is None in a VAE."""
        return z if u is None else self._student_t(z, u.square())

    def decode(self, t: Float[Tensor, "*batch C D"]) -> Distribution:
        """Return the likelihood p(x|t) of a frame for each t: a torch `Distribution`."""
        check_floats("t", t, "…, capsules, units", "…", self.capsules, self.units)
        check_type(self, "t", t)
        latents = ((t - self.location) / self.scale).flatten(-2)
        outputs = self.decoder(latents.reshape(-1, latents.shape[-1]))
        outputs = outputs.reshape(*t.shape[:-2], *outputs.shape[1:])
        return self.likelihood(outputs, len(self.data_shape), **dict(self.shared.items()))

    # --- bounds ----------------------------------------------------------------------------

    def forward(self, x: Sequences, roll: int = 0) -> Elbo:
        """Estimate the evidence lower bound with one sample of the posterior.

        A `roll` decodes not every frame from its own latents but `act(t_l, roll)` into frame
        l + roll: rolled reconstruction, which trains the roll too. Where a roll through all of
        cyclic time comes back to its start, the last frames go on to the first; elsewhere nll has
        as many columns as there are frames to roll to, and rolls below 0 go back to earlier ones.
        A causal model rolls frames whose window is full: those before cannot know how the data
        move. Capsules of several axes roll along the one that explains the sequence best.
        """
        return self.elbo(x, self.encode(x), roll)

    def elbo(self, x: Sequences, posterior: Posterior, roll: int = 0) -> Elbo:
        """Estimate the bound as `forward` does, from what `encode` returned."""
        rolls = self._rolls(x.shape[1])
        if type(roll) is not int or roll not in rolls:
            raise ValueError(f"roll={roll!r}: choose {rolls[0]} to {rolls[-1]} frames, as an int")
        t = self.latents(posterior, sampled=True)
        nll = self._rolled(t, x, roll) if roll else -self._log_likelihood(t, x, self.ahead)
        kl_z = self._with_target(posterior.z.kl().sum((-2, -1)))
        if posterior.u is None:
            return Elbo(nll, kl_z, torch.zeros_like(kl_z))
        return Elbo(nll, kl_z, self._with_target(posterior.u.kl().sum((-2, -1))))

    @torch.no_grad()
    def log_weights(
        self, x: Sequences, samples: int, posterior: Posterior | None = None
    ) -> Float[Tensor, "K B targets"]:
        """Draw K log importance weights of every frame, or of those that have one `ahead`.

        `w = log p(x|t) + log p(z) + log p(u) - log q(z|x) - log q(u|x)` with z and u drawn from
        the posterior, which is inferred if it is not given; the samples are decoded one by one.
        """
        samples = typed("samples", samples, Draws)
        posterior = self.encode(x) if posterior is None else posterior
        z, u = posterior.z.rsample(samples), None
        weights = posterior.z.log_ratio(z).sum((-2, -1))
        if posterior.u is not None:
            u = posterior.u.rsample(samples)
            weights += posterior.u.log_ratio(u).sum((-2, -1))
        weights = self._with_target(weights)
        for weight, t in zip(weights, self.latents_from(z, u), strict=True):  # to bound memory
            weight += self._log_likelihood(t, x, self.ahead)
        return weights

    def log_prob(self, x: Sequences, samples: int = 10) -> Float[Tensor, " B"]:
        """Bound log p(x_1 … x_S) from below by importance sampling, in nats per sequence.

        `log mean_k exp sum_l w_k(l)`, which grows with the number of samples towards log p(x)
        (Burda, Grosse & Salakhutdinov 2016, eq. 8).
        """
        weights = self.log_weights(x, samples).sum(-1)
        return weights.logsumexp(0) - math.log(len(weights))

    def baseline(
        self, mean: Float[Tensor, "*batch"], x: Float[Tensor, "*batch"]
    ) -> Distribution | None:
        """Return the likelihood of data around predicted means, see `Likelihood.baseline`."""
        learned = {name: value.detach() for name, value in self.shared.items()}
        return self.likelihood.baseline(mean, x, len(self.data_shape), **learned)

    # --- acting and generating -------------------------------------------------------------

    def act(
        self,
        t: Float[Tensor, "*batch C D"],
        element: int | float | Tensor,
        axis: int | Sequence[int] = 0,
    ) -> Float[Tensor, "*out C D"]:
        """Act on t with an element of the cyclic group: roll every capsule by so many steps.

        A step is what a frame does, a roll by the `speed` of the neighbourhoods. Into non-periodic
        capsules roll padding variables, whose z is 0 and whose energy is 1.

        Args:
            t: latents.
            element: number of steps; a tensor is broadcast against the leading dimensions of t.
            axis: along which the capsules roll, if they have several; one for all or for each.
        """
        check_floats("t", t, "…, capsules, units", "…", self.capsules, self.units)
        checks.check_element(element, t)
        element = element[..., None] if isinstance(element, Tensor) else element
        if self.topography.capsule_boundary == "cyclic":
            return self.topography.roll(t, element, axis=axis)
        one = cast(Tensor, self.mu).new_ones(1, self.frames, self.capsules, self.units)
        padding = self._student_t(0 * one, one)[0, 0]
        return self.topography.roll(t - padding, element, axis=axis) + padding

    @torch.no_grad()
    def traverse(
        self, x: Sequences, steps: int | None = None, axis: int = 0
    ) -> Float[Tensor, "B steps *data"]:
        """Decode the rolls of the first frame's capsules to means, each a step of `act`.

        There are so many `steps`, D by default, along an `axis` of capsules with several; t_0 is
        inferred without sampling.
        """
        first = self.latents(x)[:, :1]  # (B, 1, C, D)
        count = self.units if steps is None else typed("steps", steps, Draws)
        elements = torch.arange(count, device=x.device)
        return self.decode(self.act(first, elements, axis)).mean

    @torch.no_grad()
    def sample_latents(self, count: int) -> Float[Tensor, "count S C D"]:
        """Draw the latents of sequences from the prior."""
        count = typed("count", count, Draws)
        like = next(self.parameters())
        shape = (count, self.frames, self.capsules, self.units)
        z = torch.randn(shape, dtype=like.dtype, device=like.device)
        return self.latents_from(z, None if self.topography.is_none else torch.randn_like(z))

    @torch.no_grad()
    def sample(self, count: int) -> Float[Tensor, "count S *data"]:
        """Draw sequences from the model; `decode(sample_latents(n)).mean` shows their means."""
        return self.decode(self.sample_latents(count)).sample()

    # --- streams ---------------------------------------------------------------------------

    def step(
        self, frame: Float[Tensor, " B *data"], state: State | None = None
    ) -> tuple[Float[Tensor, "B C D"], State]:
        """Take the next frame of B streams in constant time and memory, however long they are.

        `Stream` does the same at several times the speed.

        Args:
            frame: one frame of each stream.
            state: what the previous step returned, mean and variance of the energies of the frames
                in the window; None at the beginning, before which lie padding variables.

        Returns:
            t, which equals `latents(x)` at the last frame of all so far, and the new state.

        Raises:
            ValueError: if the model sees the future, the state is another's, or as `encode`.
        """
        self.require_causal()
        check_data(self, "frame", frame)
        return self.advance(self.posterior(self.encoded(frame)), state)

    def advance(
        self, posterior: Posterior, state: State | None
    ) -> tuple[Float[Tensor, "B C D"], State]:
        """Take the next posterior of B streams, see `step`."""
        u = cast(Gaussian, posterior.u)
        moments = torch.stack([u.second_moment(), u.square_variance()])[:, :, None]
        sizes = (*moments.shape[:2], self.topography.window, *moments.shape[3:])
        if state is None:
            state = moments.new_tensor([1, 0])[:, None, None, None, None].expand(sizes)
        check_floats("state", state, "2, batch, window, capsules, units", *sizes)
        state = torch.cat([state[:, :, 1:], moments], 2)
        return self._expected_t(posterior.z.mean[:, None], *state)[:, -1], state

    def require_causal(self, asked: str = "") -> None:
        """Raise ValueError unless t of a frame depends on this and past frames only."""
        if not (self.topography.causal and self.topography.open_ended):
            wanted = "following a stream or predicting needs causal=True and boundary='zero'"
            named = asked and f"{asked}: "
            raise ValueError(f"{named}{self.topography} sees the future: {wanted}")

    # --- inside ----------------------------------------------------------------------------

    def project_(self) -> None:
        """Rescale the weights of nets with normalisation="projected"; call after each step."""
        for module in self.modules():
            if isinstance(module, Linear):
                module.project_()

    def encoded(self, frames: Float[Tensor, " n *data"]) -> Float[Tensor, "n outputs"]:
        """Return the outputs of the encoder, which sees frames less the mean of the data."""
        return self.encoder(frames if self.data_mean is None else frames - self.data_mean)

    def posterior(self, outputs: Float[Tensor, "*batch outputs"]) -> Posterior:
        """Take the outputs of the encoder for means and log-variances, see `from_outputs`."""
        parts = full_precision(outputs).unflatten(-1, (-1, self.capsules, self.units)).unbind(-3)
        z = Gaussian.from_outputs(*parts[:2])
        return Posterior(z, Gaussian.from_outputs(*parts[2:]) if parts[2:] else None)

    def _check_part(self, name: str, module: nn.Module) -> None:
        latents, plain = self.capsules * self.units, self.topography.is_none
        like = next(self.parameters())
        if name == "encoder":
            what = "mean and log-variance of z" + ("" if plain else " and of u")
            check_net(name, module, self.data_shape, ((2 if plain else 4) * latents,), what, like)
        else:
            shape = (self.likelihood.parameters, *self.data_shape)
            what = "the likelihood's parameters of a frame"
            found = check_net(name, module, (latents,), shape, what, like)
            checks.check_likelihood(self.likelihood, found, self.data_shape, dict(self.shared))

    def _student_t(self, z: Tensor, energy: Tensor) -> Tensor:
        """Return `t = (z - μ) / sqrt(W energy + eps)` (Keller & Welling 2021, eq. 2 and 9)."""
        return (z - cast(Tensor, self.mu)) * self.topography.inverse_scale(energy, self.eps)

    def _expected_t(self, z: Tensor, energy: Tensor, variance: Tensor) -> Tensor:
        """Return the mean of t from the mean of z, and from mean and variance of the energy."""
        scale = self.topography.expected_inverse_scale(energy, variance, self.eps)
        return (z - cast(Tensor, self.mu)) * scale

    def _log_likelihood(self, t: Tensor, x: Tensor, steps: int) -> Tensor:
        """Evaluate log p(x|t) of every frame, or of the frames some steps later."""
        if steps:
            t, x = self.act(t[..., :-steps, :, :], steps), x[:, steps:]
        return self.decode(t).log_prob(x)

    def _rolled(self, t: Tensor, x: Tensor, roll: int) -> Float[Tensor, "B targets"]:
        """Evaluate -log p of other frames, rolled along the axis that is best for a sequence."""
        if self.topography.closes:
            x = x.roll(-roll, 1)
        else:
            begin, end = max(self._first_full, -roll), x.shape[1] - max(0, roll)
            t, x = t[:, begin:end], x[:, begin + roll : end + roll]
        axes = range(self.topography.axis_count)
        of_axes = [-self.decode(self.act(t, roll, axis)).log_prob(x) for axis in axes]
        nll = torch.stack(of_axes, 1)  # (B, axes, targets)
        best = nll.detach().sum(-1).argmin(1)
        return nll[torch.arange(len(nll), device=nll.device), best]

    def _rolls(self, frames: int) -> range:
        """Tell the rolls by which some frame comes to another of so many, those of cyclic time."""
        back = 0 if self.topography.closes or self._first_full >= frames else frames - 1
        return range(-back, max(1, frames - self._first_full))

    @property
    def _first_full(self) -> int:
        """Number of the first frame whose window is full, if padding precedes the first frame."""
        padded = self.topography.causal and self.topography.open_ended
        return max(0, min(self.topography.window - 1, self.frames - 2)) if padded else 0

    def _with_target(self, values: Float[Tensor, "*batch S"]) -> Float[Tensor, "*batch targets"]:
        """Leave out the last frames, which have no target `ahead`."""
        return values[..., : values.shape[-1] - self.ahead]
