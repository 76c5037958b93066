"""The parts of ACE: its nets, its pose and how they fit together."""

import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from symgen._errors import require_choice
from symgen.data.options import require_whole
from symgen.likelihoods import Likelihood, LikelihoodName, Scale, make_likelihood
from symgen.likelihoods.base import full_precision
from symgen.models import ace_nets
from symgen.models.checks import check_data_shape, check_likelihood, check_net, check_sizes
from symgen.models.pretrained import Pretrained
from symgen.models.symmetry_statistics import (
    PaddingMode,
    Pose,
    Statistics,
    SymmetryStatistics,
    density,
)
from symgen.nets import Activation, GroupedLinear, InitialWeights

__all__ = ["ACEParts", "Labelled"]

_LEAST_SPREAD = 1e-3
_LABEL_WEIGHT = 20.0  # where few images have a label
_MOST_STARTS = 72  # every five degrees: each is a pass of its own
_MOST_WEIGHT = 1e6
_MOST_GRAY = 1e6  # levels from 0, of the ground and of the spread
_FAINT = 0.1  # of the spread: what decoders paint before they have learned anything
_FARTHEST, _HALVINGS = 5.0, 60  # of an output that a decoder starts from, and how it is found

Labelled = Literal["all", "some", "none"]


class ACEParts(Pretrained):
    """What an `ACE` is made of."""

    _replaceable = ("classifier", "encoder", "decoder")
    _fixed = ("pose", "likelihood", "data_shape")
    dealt: Tensor  # how many images were dealt out so far

    def __init__(
        self,
        data_shape: Sequence[int],
        classes: int = 10,
        *,
        ground: float | None = None,
        spread: float | None = None,
        labelled: Labelled = "all",
        label_weight: float | None = None,
        balanced: int = 0,
        latents: int = 1,
        latent: Literal["gaussian", "laplace"] = "gaussian",
        pose: Statistics | SymmetryStatistics | None = "affine",
        colour_pose: bool = False,
        variational_pose: bool = False,
        padding_mode: PaddingMode = "background",
        classifier: ace_nets.ClassifierName | nn.Module | None = None,
        classifier_channels: Sequence[int] = (32, 64, 128),
        classifier_hidden: int = 700,
        classifier_window: int | None = None,
        classifier_pool: int = 1,
        dropout: float = 0.5,
        encoder: ace_nets.EncoderName | nn.Module = "dense",
        hidden: Sequence[int] = (700,),
        decoder: ace_nets.DecoderName | nn.Module = "dense",
        decoder_hidden: Sequence[int] = (700,),
        width: int | None = None,
        depth: int | None = None,
        activation: Activation = "silu",
        likelihood: LikelihoodName | Likelihood = "bernoulli",
        likelihood_scale: Scale | None = None,
        pose_channels: Sequence[int] = (20, 20),
        pose_hidden: int = 50,
        pose_pool: int = 1,
        pose_iterations: int = 1,
        pose_starts: int = 1,
        initialisation: InitialWeights = "fan_in",
    ) -> None:
        super().__init__()
        self.data_shape = check_data_shape(data_shape)
        if classes < 1 or latents < 1:
            raise ValueError(f"{classes=}, {latents=}: give at least one of each")
        check_sizes(pose_channels=pose_channels, pose_hidden=pose_hidden, pose_pool=pose_pool)
        check_sizes(pose_iterations=pose_iterations, pose_starts=pose_starts)
        require_whole("pose_starts", pose_starts, 1, _MOST_STARTS)
        check_sizes(hidden=hidden, decoder_hidden=decoder_hidden, width=width, depth=depth)
        check_sizes(classifier_channels=classifier_channels, classifier_hidden=classifier_hidden)
        check_sizes(classifier_pool=classifier_pool, classifier_window=classifier_window)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout={dropout}: give a probability below 1")
        require_choice("activation", activation, get_args(Activation))
        require_choice("padding_mode", padding_mode, ("background", "border"))
        require_choice("initialisation", initialisation, ("fan_in", "paper"))
        require_choice("labelled", labelled, get_args(Labelled))
        require_whole("balanced", balanced, 0)
        self.labelled: Labelled = labelled
        if label_weight is not None and labelled == "none":
            raise ValueError(f"label_weight={label_weight!r}: no image has a label, leave it out")
        if label_weight is None:
            label_weight = _LABEL_WEIGHT if labelled == "some" else 1.0
        if not 0 <= label_weight <= _MOST_WEIGHT:
            most = f"from 0 to {_MOST_WEIGHT:,.0f}, or None"
            raise ValueError(f"label_weight={label_weight!r}: give a number {most}")
        if ground is not None and not abs(ground) <= _MOST_GRAY:
            raise ValueError(
                f"ground={ground!r}: give a gray level that is ±{_MOST_GRAY:,.0f} at most"
            )
        if spread is not None and not 0 <= spread <= _MOST_GRAY:
            raise ValueError(f"spread={spread!r}: give a deviation from 0 to {_MOST_GRAY:,.0f}")
        self.label_weight = label_weight
        self.balanced = balanced
        if balanced and labelled == "none":
            self.register_buffer("dealt", torch.zeros((), dtype=torch.int64))
        self.classes, self.latent_count, self.density = classes, latents, density(latent)
        self.variational_pose = variational_pose
        self.padding_mode: PaddingMode = padding_mode
        self.likelihood = make_likelihood(likelihood, likelihood_scale)
        looks = {"channels": pose_channels, "hidden": pose_hidden, "pool": pose_pool}
        others: dict[str, Any] = {"iterations": pose_iterations, "starts": pose_starts}
        others |= {"latent": latent}
        both = {"colour_pose": colour_pose, "initialisation": initialisation}
        self.pose = self._make_pose(pose, **looks, **others, **both)
        empty = self.likelihood.background if padding_mode == "background" else 0.0
        dark = empty if ground is None else _output_for(self.likelihood, ground)
        self.window = self._window(classifier_window)
        self.looked_at = (self.data_shape[0], *(self.window or self.data_shape[1:]))
        readout = (classifier_channels, classifier_hidden, classifier_pool, dropout)
        self.classifier = ace_nets.make_classifier(
            classifier, self.looked_at, classes, *readout, initialisation
        )
        sizes = {"width": width, "depth": depth, "activation": activation}
        self.encoder = ace_nets.make_encoder(
            encoder, self.data_shape, hidden, initialisation, **sizes
        )
        features = self._features_of(self.encoder)
        self.heads = GroupedLinear(classes, features, 2 * latents, initialisation)
        self.painted = (self.likelihood.parameters, *self.data_shape)
        bias = dark if initialisation == "fan_in" else 0.0
        by_scale = spread if hasattr(self.likelihood, "scale") else None
        start = (bias, 1.0 if by_scale is None else _FAINT * by_scale)
        self.decoder = ace_nets.make_decoder(
            decoder, classes, latents, decoder_hidden, self.painted, start, initialisation, **sizes
        )
        background = torch.zeros(self.likelihood.parameters, self.data_shape[0])
        background[0] = dark
        learned = self.pose is not None and padding_mode == "background"
        self.background = nn.Parameter(background) if learned else None
        self.shared = nn.ParameterDict(self.likelihood.learned(self.data_shape))
        if spread is not None and "log_scale" in self.shared:
            nn.init.constant_(self.shared["log_scale"], math.log(max(spread, _LEAST_SPREAD)))
        self._seal()

    def _make_pose(self, pose: Any, **options: Any) -> SymmetryStatistics | None:
        if isinstance(pose, SymmetryStatistics):
            _require_own_pose(pose, options | {"padding_mode": self.padding_mode})
            return pose
        if pose is None and not options["colour_pose"]:
            if (starts := options["starts"]) > 1:
                raise ValueError(f"pose_starts={starts} with pose=None: there is no pose to read")
            return None
        options |= {"learn_scale": self.variational_pose, "padding_mode": self.padding_mode}
        return SymmetryStatistics(self._image_shape("pose"), pose, **options)

    def _image_shape(self, option: str) -> tuple[int, ...]:
        if len(self.data_shape) != 3:
            poses = "poses are of images (channels, height, width); take pose=None for other data"
            raise ValueError(f"{option} with data_shape={self.data_shape}: {poses}")
        return self.data_shape

    def _window(self, side: int | None) -> tuple[int, int] | None:
        """Return height and width of the middle of the image that the classifier sees."""
        if side is None:
            return None
        _, height, width = self._image_shape("classifier_window")
        if not 0 < side <= max(height, width):
            given = f"classifier_window={side} of images of {height} × {width}"
            raise ValueError(f"{given}: give a number of pixels up to their side, or None")
        return min(side, height), min(side, width)

    def _features_of(self, encoder: nn.Module) -> int:
        """Count the features that styles are inferred from, by a trial run of the encoder."""
        what = "features, from which the style of every class is inferred"
        return check_net("encoder", encoder, self.data_shape, ("F",), what, self._like).shape[1]

    @property
    def _like(self) -> Tensor:
        """A weight, which is of the precision of the model."""
        return next(self.parameters(), torch.zeros(()))

    def _check_part(self, name: str, module: nn.Module) -> None:
        if name == "classifier":
            what = "the classes' scores"
            check_net(name, module, self.looked_at, (self.classes,), what, self._like)
        elif name == "decoder":
            what = "the likelihood's parameters, for styles (n, latents) and classes (n,)"
            sizes = (self.latent_count,), self.painted
            found = check_net(name, module, *sizes, what, self._like, labelled=True)
            check_likelihood(self.likelihood, found, self.data_shape, dict(self.shared))
        elif (found := self._features_of(module)) != (features := self.heads.weight.shape[-1]):
            message = f"encoder gives {found} features: the heads of this model take {features}"
            raise ValueError(message)

    def canonical(self, x: Float[Tensor, " B *data"], pose: Pose) -> Float[Tensor, " B *data"]:
        """Factor the pose out of images."""
        if self.pose is None:
            return x
        return pose.factor_out(x, self.padding_mode, self.outside)

    @property
    def outside(self) -> float | Tensor:
        """What lies outside an image that is looked at: the learned background, by channel."""
        if self.background is None:
            return 0.0
        outputs = self.background.detach()[..., None, None]  # (parameters, channels, 1, 1)
        return self._likelihood(outputs[None]).mean[0, :, 0, 0]

    def _element(self, h: Tensor, start: Tensor | None = None) -> Pose:
        return Pose.identity(h) if self.pose is None else self.pose.element(h, start)

    def _identity(self, count: int | torch.SymInt) -> Tensor:
        like = next(self.parameters())
        return like.new_zeros(count, 0 if self.pose is None else len(self.pose.log_scale))

    def _every_class(self, styles: Tensor, pose: Pose) -> Distribution:
        """Decode styles (classes, B, latents) in poses: a batch (B, classes)."""
        if hasattr(self.decoder, "every"):
            outputs = self.decoder.every(styles)  # pyright: ignore[reportCallIssue]
        else:
            y = torch.arange(self.classes, device=styles.device)
            y = y.repeat_interleave(styles.shape[1])
            outputs = self.decoder(styles.flatten(0, 1), y).unflatten(0, styles.shape[:2])
        return self._likelihood(self._show(outputs.transpose(0, 1), pose))

    def _show(self, outputs: Tensor, pose: Pose) -> Tensor:
        """Show canonical outputs (B, stack, parameters, channels, H, W) in a pose."""
        outputs = full_precision(outputs)
        if self.pose is None:
            return outputs
        return pose.factor_in(outputs, self.background, self.padding_mode)

    def _likelihood(self, outputs: Tensor) -> Distribution:
        return self.likelihood(outputs, len(self.data_shape), **dict(self.shared.items()))

    def _middle(self, x: Tensor) -> Tensor:
        """Cut out of images what the classifier sees of them."""
        if self.window is None:
            return x
        (height, width), (tall, wide) = self.window, x.shape[2:]
        top, left = (tall - height) // 2, (wide - width) // 2
        return x[:, :, top : top + height, left : left + width]


def _require_own_pose(pose: SymmetryStatistics, options: dict[str, Any]) -> None:
    """Refuse options beside a pose of one's own that would change nothing."""
    allowed = {
        "pose_starts": (1, pose.starts),
        "pose_iterations": (1, pose.iterations),
        "colour_pose": (False, pose.colour_pose),
        "padding_mode": (pose.padding_mode,),
        "pose_channels": ((20, 20),),
        "pose_hidden": (50,),
        "pose_pool": (1,),
    }
    for option, values in allowed.items():
        name = option.removeprefix("pose_")
        given = tuple(options[name]) if name == "channels" else options[name]
        if given not in values:
            raise ValueError(
                f"{option}={given!r} beside a pose of your own: make that with {name}={given!r}"
            )


def _output_for(likelihood: Likelihood, level: float) -> float:
    """Return the first parameter whose mean is nearest to a level, by bisection.

    Where means have an end, as those of probabilities, outputs beyond ±5 are not taken.
    """
    learned = likelihood.learned((1, 1, 1))

    def mean(output: float) -> float:
        outputs = torch.zeros(1, likelihood.parameters, 1, 1, 1)
        outputs[:, 0] = output
        return float(likelihood(outputs, 3, **learned).mean)

    low, high = -_FARTHEST, _FARTHEST
    while mean(high) < level and mean(2 * high) > 1.5 * mean(high):
        high *= 2
    while mean(low) > level and mean(2 * low) < 1.5 * mean(low) < 0:
        low *= 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if mean(middle) < level else (low, middle)
    return (low + high) / 2
