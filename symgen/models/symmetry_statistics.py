"""Symmetry statistics: which pose an image is in, as a density over a Lie algebra."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from symgen.groups import affine, colour, warp
from symgen.latents import Density, Gaussian, Laplace
from symgen.nets import Convolutions, ImageReader

__all__ = ["Outside", "Pose", "Statistics", "SymmetryStatistics", "density", "precise"]

Outside = Literal["background", "border"]
Statistics = Literal["centre", "affine", "raw"]
_COLOUR = 8  # dimensions of SL(3, R)
_START = -6.0  # log-variance of a fresh posterior: a twentieth of the prior's deviation


def density(kind: str) -> type[Gaussian] | type[Laplace]:
    """Return the class of densities with a name.

    Raises:
        ValueError: if there is no such density.

    Example:
        >>> density("laplace").__name__
        'Laplace'
    """
    known = {"gaussian": Gaussian, "laplace": Laplace}
    if kind not in known:
        raise ValueError(f"latent={kind!r}: choose gaussian or laplace")
    return known[kind]


def precise(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return numbers that autocast made coarse in single precision, and doubles as they are.

    Example:
        >>> precise(torch.zeros(1, dtype=torch.bfloat16)).dtype
        torch.float32
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _recolour(images: Tensor, matrix: Tensor) -> Tensor:
    """Mix channels in full precision."""
    with torch.autocast(images.device.type, enabled=False):
        return colour.act(images, matrix)


class Pose(NamedTuple):
    """How an image shows its canonical form.

    Attributes:
        affine: canonical coordinate u reads the image at `affine @ u`, one map for each group of
            feature maps.
        colour: colour matrix that makes the image of the canonical form; None for no change.
    """

    affine: Float[Tensor, "*batch groups 3 3"]
    colour: Float[Tensor, "*batch 3 3"] | None

    def after(self, element: "Pose | Tensor") -> "Pose":
        """Return the pose once an element of the group has acted on the image.

        Args:
            element: an affine map (*batch, 3, 3) that moves the image, or a pose with a colour
                matrix as well. Acting with a and then with b is acting with b∘a.

        Raises:
            ValueError: if the affine map is singular, or a colour is given to a model that reads
                none.
        """
        moved, recolour = element if isinstance(element, Pose) else (element, None)
        moved = moved if isinstance(element, Pose) else moved[..., None, :, :]
        affine.check_pose(moved)
        if recolour is not None and self.colour is None:
            raise ValueError(
                "the element has a colour matrix but the model reads no colour pose: "
                "train with colour_pose=True"
            )
        with torch.autocast(self.affine.device.type, enabled=False):
            result = affine.compose(moved.to(self.affine), self.affine)
            if recolour is None or self.colour is None:
                return Pose(result, self.colour)
            return Pose(result, recolour.to(self.colour) @ self.colour)

    def factor_out(
        self,
        images: Float[Tensor, "B channels height width"],
        outside: Outside,
        stem: Callable[[Tensor], Tensor] | None = None,
    ) -> Float[Tensor, "B seen height width"]:
        """Bring images to their canonical form.

        Args:
            images: images as they are.
            outside: what lies outside of them.
            stem: net that makes the feature maps, of which every group is read by its own map.
                It comes after the colour, which acts on the channels of an image. None for none.
        """
        if self.colour is not None:
            images = _recolour(images, colour.inverse(self.colour))
        maps = images if stem is None else precise(stem(images))
        maps = maps.unflatten(1, (self.affine.shape[-3], -1))
        return warp(maps, _rows(self.affine), outside=outside).flatten(1, 2)

    def factor_in(
        self,
        logits: Float[Tensor, "B stack painted height width"],
        background: Float[Tensor, "groups channels"] | None,
        outside: Outside,
    ) -> Float[Tensor, "B stack channels height width"]:
        """Put logits of canonical images where and in the colour that this pose says.

        Logits rather than probabilities, and a background that is learned: outside of the
        canonical image a probability of 0 would cost as much as the numbers can hold.

        Args:
            logits: one or more canonical images for each pose; the layers that the groups paint,
                if there are several, lie one after the other in `painted` and are added.
            background: logit of everything outside the canonical image; None for 0.
            outside: "background", or "border" to repeat the edge instead.
        """
        back = _rows(affine.inverse(self.affine))
        stack, groups = logits.shape[1], self.affine.shape[-3]
        layers = logits.unflatten(2, (groups, -1)).transpose(1, 2)  # (B, groups, stack, ch, H, W)
        base = 0.0 if background is None else background[:, None, :, None, None]
        painted = warp((layers - base).flatten(2, 3), back, outside=outside)
        result = (painted.unflatten(2, (stack, -1)) + base).sum(1)
        if self.colour is not None:
            result = _recolour(result, self.colour[..., None, :, :])
        return result


def _rows(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 2 3"]:
    """Leave out the last row (0, 0, 1): without it the warp need not divide."""
    return matrix[..., :2, :]


class _CentreOfMass(nn.Module):
    """Reads a shift off the brightness of an image; only its momenta are learned."""

    def __init__(self) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.full((2,), _START))

    def forward(self, x: Float[Tensor, "B channels height width"]) -> Float[Tensor, "B 4"]:
        """Return the centre of mass in pixels, and the log-variances."""
        brightness = x.sum(1)
        total = brightness.sum((1, 2)).clamp(min=1e-6)  # an empty image is in the middle
        means = []
        for size, across in ((x.shape[3], 1), (x.shape[2], 2)):
            place = torch.arange(size, dtype=x.dtype, device=x.device) - (size - 1) / 2
            means.append((brightness.sum(across) * place).sum(1) / total)
        mean = torch.stack(means, -1)
        return torch.cat([mean, self.log_variance.expand_as(mean)], -1)


class SymmetryStatistics(nn.Module):
    """Reads the pose of an image: a density over Lie-algebra coordinates h and their group.

    The coordinates are in units of their prior's deviation `scale`: generators = scale · h. With a
    prior of zero mean and unit variance, h = 0 is the identity (Georgiev 2016, eq. 3.2, which has
    a Laplace density around a centre of mass with "momenta" of its own).

    Args:
        image_shape: channels, height and width.
        statistics: "affine" reads the six generators of Aff(2, R), whose exponential is the map;
            "raw" reads the six numbers of the matrix, with a guarded determinant; "centre" takes
            the centre of mass for a shift, the paper's simplest example; None reads no map.
        colour_pose: also read the eight generators of SL(3, R), for three channels.
        groups: affine maps to read, one for each group of feature maps.
        latent: "gaussian" or "laplace".
        learn_scale: fit the prior's deviations, as a charged pose does.
        channels: of the two convolutions of 5 × 5 (Georgiev 2016: 20 and 20; CIFAR 32 and 64).
        kernel: side of their kernels.
        hidden: units between features and pose.
        pool: look at an image that is this much coarser.
        readings: how often to read. From the second time on the net reads the canonical form that
            the reading before gives, and its pose is composed with what is left (Lin & Lucey,
            CVPR 2017, arXiv 1612.03897): a net that finds small poses well then finds all. For
            one "affine" map only.
        outside: what lies outside of an image that is read again.
        initialisation: of the convolutions.

    Example:
        >>> pose = SymmetryStatistics((1, 42, 42), "affine")
        >>> h = pose(torch.rand(5, 1, 42, 42))
        >>> pose.element(h.mean).affine[0, 0].diagonal()
        tensor([1., 1., 1.], grad_fn=<DiagonalBackward0>)
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        statistics: Statistics | None,
        *,
        colour_pose: bool = False,
        groups: int = 1,
        latent: str = "gaussian",
        learn_scale: bool = False,
        channels: Sequence[int] = (20, 20),
        kernel: int = 5,
        hidden: int = 50,
        pool: int = 1,
        readings: int = 1,
        outside: Outside = "background",
        initialisation: Literal["fan_in", "paper"] = "fan_in",
    ) -> None:
        super().__init__()
        _, height, width = image_shape
        shift = [0.1 * width, 0.1 * height]
        spread = {
            None: [],
            "centre": shift,
            "affine": [0.3, 0.2, 0.1, 0.1, *shift],
            "raw": [0.2, 0.2, 0.2, 0.2, *shift],
        }
        if statistics not in spread:
            raise ValueError(f"pose={statistics!r}: choose affine, raw, centre or none")
        if statistics == "centre" and (groups > 1 or colour_pose):
            raise ValueError(
                "pose='centre' is one shift: it goes with neither pose_groups nor colour_pose; "
                "take pose='affine'"
            )
        if colour_pose and image_shape[0] != 3:
            raise ValueError(
                f"colour_pose needs images of three channels, not {image_shape[0]}: leave it off"
            )
        if readings < 1 or (
            readings > 1 and (statistics != "affine" or groups > 1 or colour_pose)
        ):
            raise ValueError(
                f"pose_readings={readings} with pose={statistics!r}, pose_groups={groups}, "
                f"colour_pose={colour_pose}: give at least 1, and for more pose='affine' with "
                "neither groups nor colour"
            )
        self.statistics = statistics
        self.readings = readings
        self.outside: Outside = outside
        self.groups = groups
        self.colour_pose = colour_pose
        self.density = density(latent)
        scale = torch.tensor(spread[statistics] * groups + [0.3] * (_COLOUR * colour_pose))
        self.log_scale = nn.Parameter(scale.log(), requires_grad=learn_scale)
        if statistics == "centre":
            self.reader = _CentreOfMass()
            return
        net = Convolutions(
            image_shape, channels=channels, kernel=kernel, pool=pool, initialisation=initialisation
        )
        self.reader = ImageReader(net, hidden, 2 * len(scale))
        with torch.no_grad():  # every image starts at the identity
            self.reader.head.weight.zero_()
            self.reader.head.bias.zero_()
            self.reader.head.bias[len(scale) :] = _START

    def forward(self, x: Float[Tensor, "B channels height width"]) -> Density:
        """Read the density of the coordinates h, (B, dimensions), off images."""
        mean, log_variance = self._read(x)
        scale = self.log_scale.exp()
        for _ in range(self.readings - 1):
            with torch.autocast(x.device.type, enabled=False):
                canonical = warp(x, _rows(affine.exp(mean * scale)), outside=self.outside)
            left, log_variance = self._read(canonical)
            with torch.autocast(x.device.type, enabled=False):
                mean = affine.compose_generators(mean * scale, left * scale) / scale
        return self.density(mean, log_variance)

    def _read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Read means and log-variances of the coordinates once."""
        mean, log_variance = precise(self.reader(x)).chunk(2, -1)
        if self.statistics == "centre":  # which reads pixels
            mean = mean / self.log_scale.exp()
        return mean, log_variance

    def element(self, h: Float[Tensor, "B dimensions"]) -> Pose:
        """Return the pose with these coordinates."""
        generators = h * self.log_scale.exp()
        split = generators.shape[-1] - _COLOUR * self.colour_pose
        maps, hues = generators[..., :split], generators[..., split:]
        if self.statistics == "centre":
            maps = torch.cat([maps.new_zeros(maps.shape[0], 4), maps], -1)
        if self.statistics is None:
            matrix = torch.eye(3, dtype=h.dtype, device=h.device).expand(h.shape[0], 1, 3, 3)
        else:
            build = affine.from_raw if self.statistics == "raw" else affine.exp
            matrix = build(maps.unflatten(-1, (self.groups, 6)))
        return Pose(matrix, colour.exp(hues) if self.colour_pose else None)
