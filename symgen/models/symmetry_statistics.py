"""Symmetry statistics: which pose an image is in, as a density over a Lie algebra."""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from symgen._errors import require_choice
from symgen.groups import affine, centroid, colour, warp
from symgen.latents import Density, Gaussian, Laplace
from symgen.likelihoods.base import full_precision
from symgen.models.checks import check_tensor
from symgen.nets import Convolutions, ConvReadout, InitialWeights

__all__ = ["Pose", "SymmetryStatistics"]

PaddingMode = Literal["background", "border"]
Statistics = Literal["rotation", "rigid", "similarity", "affine", "matrix", "centroid"]
_COLOUR = 8  # dimensions of SL(3, R)
_GENERATORS = {  # of Aff(2, R) that span the algebra of a subgroup, see `symgen.groups.affine`
    "rotation": (0,),
    "rigid": (0, 4, 5),
    "similarity": (0, 1, 4, 5),
    "affine": (0, 1, 2, 3, 4, 5),
    "centroid": (4, 5),
}
_START = -6.0  # log-variance of a fresh posterior: a twentieth of the prior's deviation


def density(kind: str) -> type[Gaussian] | type[Laplace]:
    """Return the class of densities with a name."""
    known = {"gaussian": Gaussian, "laplace": Laplace}
    require_choice("latent", kind, known)
    return known[kind]


def _recolour(images: Tensor, matrix: Tensor) -> Tensor:
    with torch.autocast(images.device.type, enabled=False):
        return colour.act(images, matrix)


class Pose(NamedTuple):
    """How an image shows its canonical form.

    Attributes:
        affine: maps that look canonical coordinates u up in the image, at `affine @ u`.
        colour: colour matrix that makes the image of the canonical form; None for no change.

    Example:
        >>> from symgen.groups import affine
        >>> right = affine.exp(torch.tensor([[0.0, 0.0, 0.0, 0.0, 3.0, 0.0]]))
        >>> Pose(right, None).affine.shape
        torch.Size([1, 3, 3])
    """

    affine: Float[Tensor, "*batch 3 3"]
    colour: Float[Tensor, "*batch 3 3"] | None

    @classmethod
    def identity(cls, like: Tensor) -> "Pose":
        """Return the identity for every row of a tensor, no colour."""
        eye = torch.eye(3, dtype=like.dtype, device=like.device)
        return cls(eye.expand(like.shape[0], 3, 3), None)

    def after(self, element: "Pose | Tensor") -> "Pose":
        """Return the pose once an element of the group has acted on the image.

        The element is an affine map (*batch, 3, 3), or a pose with a colour matrix as well. Acting
        with a and then with b is acting with b∘a. A singular map, or a colour for a model that
        infers none, raises ValueError.
        """
        if not isinstance(element, Pose):
            element = Pose(element, None)
        moved, recolour = element
        check_tensor("element", moved)
        affine.check_pose(moved)
        if recolour is not None and self.colour is None:
            raise ValueError(
                "the element has a colour matrix, as of a hue, but the model infers no colour "
                "pose: train with colour_pose=True"
            )
        with torch.autocast(self.affine.device.type, enabled=False):
            result = affine.compose(moved.to(self.affine), self.affine)
            if recolour is None or self.colour is None:
                return Pose(result, self.colour)
            return Pose(result, recolour.to(self.colour) @ self.colour)

    def factor_out(
        self,
        images: Float[Tensor, "B channels height width"],
        padding_mode: PaddingMode,
        fill: float | Tensor = 0.0,
    ) -> Float[Tensor, "B channels height width"]:
        """Bring images to their canonical form.

        `fill` is what lies outside an image: one number, or one for each channel.
        """
        if self.colour is not None:
            images = _recolour(images, colour.inverse(self.colour))
        return warp(images, _rows(self.affine), fill, padding_mode=padding_mode)

    def factor_in(
        self,
        outputs: Float[Tensor, "B stack parameters channels height width"],
        background: Float[Tensor, "parameters channels"] | None,
        padding_mode: PaddingMode,
    ) -> Float[Tensor, "B stack parameters channels height width"]:
        """Put a decoder's outputs for canonical images in the place and colour of this pose.

        The outputs, such as logits, are warped rather than the mean, onto a learned background:
        a probability of 0 outside the canonical image would cost without bound. Colour acts on the
        first parameter, which says how bright a channel is.

        Args:
            outputs: a stack of canonical images for each pose.
            background: output everywhere outside the canonical image; None for 0.
            padding_mode: "background", or "border" to repeat the edge instead.
        """
        back = _rows(affine.inverse(self.affine))
        base = 0.0 if background is None else background[..., None, None]
        painted = warp((outputs - base).flatten(1, 3), back, padding_mode=padding_mode)
        result = painted.unflatten(1, outputs.shape[1:4]) + base
        if self.colour is None:
            return result
        recoloured = _recolour(result[:, :, 0], self.colour[..., None, :, :])
        return torch.cat([recoloured[:, :, None], result[:, :, 1:]], 2)


def _rows(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 2 3"]:
    """Leave out the last row (0, 0, 1): without it the warp need not divide."""
    return matrix[..., :2, :]


class _Centroid(nn.Module):
    """Takes the centroid of the brightness, in pixels, for a shift, and learns its momenta."""

    def __init__(self, learned: bool) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.full((2,), _START), requires_grad=learned)

    def forward(self, x: Float[Tensor, "B channels height width"]) -> Float[Tensor, "B 4"]:
        mean = centroid(x)
        return torch.cat([mean, self.log_variance.expand_as(mean)], -1)


class SymmetryStatistics(nn.Module):
    """Infers the pose of an image: a density over Lie-algebra coordinates h and their group.

    The coordinates are in units of their prior's deviation `scale`: generators = scale · h. With a
    prior of zero mean and unit variance, h = 0 is the identity (Georgiev 2016, eq. 3.2, which has
    a Laplace density around a centre of mass with "momenta" of its own).

    Args:
        data_shape: channels, height and width.
        statistics: "rotation", "rigid" (with shifts), "similarity" (with a size, too) or "affine"
            infers generators of that group, whose exponential is the map; "matrix" infers the six
            entries of the matrix, with a guarded determinant; "centroid" takes the centre of mass
            for a shift, the paper's simplest example; None infers no map.
        colour_pose: also infer the eight generators of SL(3, R), for three channels.
        latent: "gaussian" or "laplace".
        learn_scale: fit the prior's deviations, and the centroid's, as a variational pose does.
        channels: of the two convolutions (Georgiev 2016: 20 and 20; CIFAR 32 and 64).
        hidden: units between features and pose.
        pool: side of an average pooling of the image.
        iterations: how often to infer the pose. From the second time on the net sees the canonical
            form found so far, and the pose is composed with what is left (Lin & Lucey, CVPR 2017,
            arXiv 1612.03897): a net that finds small poses well then finds all. Generators of
            colour add up, which is their composition where they commute, as hues do.
        starts: rotations, evenly around the circle, from each of which the pose can be read:
            element = turn(start) ∘ exp(generators), with a prior of equal weights on the starts.
        padding_mode: what lies outside of an image that is looked at again.
        initialisation: of the convolutions.

    Example:
        >>> pose = SymmetryStatistics((1, 42, 42), "affine")
        >>> h = pose(torch.rand(5, 1, 42, 42))
        >>> pose.element(h.mean).affine[0].diagonal()
        tensor([1., 1., 1.], grad_fn=<DiagonalBackward0>)
    """

    chosen: Tensor  # (generators, 6): which of the six are inferred

    def __init__(
        self,
        data_shape: Sequence[int],
        statistics: Statistics | None,
        *,
        colour_pose: bool = False,
        latent: str = "gaussian",
        learn_scale: bool = False,
        channels: Sequence[int] = (20, 20),
        hidden: int = 50,
        pool: int = 1,
        iterations: int = 1,
        starts: int = 1,
        padding_mode: PaddingMode = "background",
        initialisation: InitialWeights = "fan_in",
    ) -> None:
        super().__init__()
        _require_fit(statistics, colour_pose, starts, data_shape[0])
        for name, count, has in (
            ("pose_iterations", iterations, statistics is not None or colour_pose),
            ("pose_starts", starts, statistics is not None),
        ):
            if count < 1 or (count > 1 and not has):
                raise ValueError(
                    f"{name}={count} with pose={statistics!r}: give 1, or more with a pose such "
                    "as 'affine'"
                )
        self.statistics, self.colour_pose = statistics, colour_pose
        self.iterations, self.starts, self.density = iterations, starts, density(latent)
        self.padding_mode: PaddingMode = padding_mode
        _, height, width = data_shape
        deviations = _deviations(statistics, height, width, starts)
        scale = torch.tensor(deviations + [0.3] * (_COLOUR * colour_pose))
        self.log_scale = nn.Parameter(scale.log(), requires_grad=learn_scale)
        chosen = torch.eye(6)[list(_GENERATORS.get(statistics or "", range(6)))]
        self.register_buffer("chosen", chosen, persistent=False)
        if statistics == "centroid":
            self.net = _Centroid(learn_scale)
            return
        looks = {"channels": channels, "pool": pool, "initialisation": initialisation}
        net = Convolutions(data_shape, kernel=5, **looks)
        self.net = ConvReadout(net, hidden, 2 * len(scale))
        with torch.no_grad():  # every image starts at the identity
            self.net.head.weight.zero_()
            self.net.head.bias.zero_()
            self.net.head.bias[len(scale) :] = _START

    def forward(
        self,
        x: Float[Tensor, "B channels height width"],
        start: Int64[Tensor, " B"] | None = None,
        fill: float | Tensor = 0.0,
    ) -> Density:
        """Infer the density of the coordinates h, (B, dimensions), of images.

        Args:
            x: images.
            start: numbers of starts, by which they are looked at as turned back.
            fill: what lies outside an image, as of `Pose.factor_out`.
        """
        if start is not None:
            turned = Pose(self.turn(start).to(x.dtype), None)
            x = turned.factor_out(x, self.padding_mode, fill)
        mean, log_variance = self._infer(x)
        scale = self.log_scale.exp()
        for _ in range(self.iterations - 1):
            with torch.autocast(x.device.type, enabled=False):
                canonical = self.element(mean).factor_out(x, self.padding_mode, fill)
            left, log_variance = self._infer(canonical)
            with torch.autocast(x.device.type, enabled=False):
                mean = self._composed(mean * scale, left * scale) / scale
        return self.density(mean, log_variance)

    def _map(self, inferred: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch 3 3"]:
        """Return the map of generators, or of the entries of a matrix."""
        if self.statistics == "matrix":
            return affine.from_raw(inferred)
        with torch.autocast(inferred.device.type, enabled=False):
            generators = inferred @ self.chosen.to(inferred)
        return affine.exp(generators)

    def _composed(
        self, found: Float[Tensor, "B n"], further: Float[Tensor, "B n"]
    ) -> Float[Tensor, "B n"]:
        """Return what one pose after another comes to, in the same terms."""
        if self.colour_pose:
            split = found.shape[-1] - _COLOUR
            maps = self._composed_maps(found[:, :split], further[:, :split])
            return torch.cat([maps, found[:, split:] + further[:, split:]], -1)
        return self._composed_maps(found, further)

    def _composed_maps(
        self, found: Float[Tensor, "B n"], further: Float[Tensor, "B n"]
    ) -> Float[Tensor, "B n"]:
        if self.statistics is None:
            return found
        if self.statistics == "matrix":
            return _entries(affine.compose(self._map(found), self._map(further)))
        chosen = self.chosen.to(found)
        return affine.compose_generators(found @ chosen, further @ chosen) @ chosen.mT

    def turn(self, start: Int64[Tensor, " B"]) -> Float[Tensor, "B 3 3"]:
        """Return the rotations that starts stand for."""
        angle = start * (2 * math.pi / self.starts)
        return affine.from_parameters(angle, torch.ones_like(angle))

    def _infer(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = full_precision(self.net(x)).chunk(2, -1)
        if self.statistics == "centroid":  # which is in pixels
            mean = mean / self.log_scale.exp()
        return mean, log_variance

    def element(
        self, h: Float[Tensor, "B dimensions"], start: Int64[Tensor, " B"] | None = None
    ) -> Pose:
        """Return the pose with these coordinates, behind the rotations of its starts, if any."""
        generators = h * self.log_scale.exp()
        split = generators.shape[-1] - _COLOUR * self.colour_pose
        maps, hues = generators[..., :split], generators[..., split:]
        matrix = Pose.identity(h).affine if self.statistics is None else self._map(maps)
        if start is not None:
            matrix = affine.compose(self.turn(start).to(matrix), matrix)
        return Pose(matrix, colour.exp(hues) if self.colour_pose else None)


def _require_fit(statistics: Any, colour_pose: bool, starts: int, channels: int) -> None:
    """Refuse a kind of pose that does not exist, or does not go with the rest."""
    known = get_args(Statistics)
    if statistics is not None and statistics not in known:
        raise ValueError(f"pose={statistics!r}: choose {', '.join(known)} or none")
    if statistics == "centroid" and (colour_pose or starts > 1):
        raise ValueError(
            f"colour_pose={colour_pose}, pose_starts={starts} with pose='centroid', which is one "
            "shift: leave them out, or take pose='affine'"
        )
    if colour_pose and channels != 3:
        raise ValueError(
            f"colour_pose needs images of three channels, not {channels}: leave it off"
        )


def _deviations(statistics: str | None, height: int, width: int, starts: int) -> list[float]:
    """Return the prior's deviations at first: of generators, or of a matrix's entries."""
    shift = [0.1 * width, 0.1 * height]
    # Between neighbouring starts lies a part of the circle, which the prior should cover evenly.
    turn = 0.3 if starts == 1 else max(0.3, math.pi / (math.sqrt(3) * starts))
    six = [turn, 0.2, 0.1, 0.1, *shift]
    if statistics in _GENERATORS:
        return [six[place] for place in _GENERATORS[statistics]]
    return [] if statistics is None else [0.2, 0.2, 0.2, 0.2, *shift]


def _entries(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 6"]:
    """Return what `affine.from_raw` adds to the identity for a map."""
    left = matrix[..., :2, :] - torch.eye(3).to(matrix)[:2]
    return torch.cat([left[..., :2].flatten(-2), left[..., 2]], -1)
