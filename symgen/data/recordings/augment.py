"""Augmentation: clips as a model is trained on them, each changed at random as a whole."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast, get_args

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from symgen._errors import require_choice
from symgen.data.batches import SequenceBatch
from symgen.groups import affine, warp

__all__ = ["Augmented", "Change", "as_changes"]

Change = Literal["shift", "rotate", "scale", "shear", "mirror", "flip", "reverse", "brightness"]

_WARPS = ("shift", "rotate", "scale", "shear")
_SIDES = {"mirror": -1, "flip": -2}
# Standard deviations: of the height and the width, radians, a logarithm, a matrix's numbers.
_SHIFT, _ANGLE, _SCALE, _SHEAR = 0.04, 0.3, 0.15, 0.12
_GAMMA = 0.3  # of the logarithm


class _Draw(NamedTuple):
    """The random choices behind the changes of n clips."""

    shift: Float32[Tensor, "n 2"]  # x, y, in widths and heights
    rotate: Float32[Tensor, " n"]  # radians
    scale: Float32[Tensor, " n"]  # the logarithm
    shear: Float32[Tensor, "n 2 2"]
    brightness: Float32[Tensor, " n"]  # the logarithm of γ
    mirror: Bool[Tensor, " n"]
    flip: Bool[Tensor, " n"]
    reverse: Bool[Tensor, " n"]


@dataclass(eq=False)
class Augmented:
    """Makes the clips of a source, and changes each at random: one change for all its frames.

    That frames follow one another by one motion stays true, since a change is made to the whole
    clip, and so does what a roll by one unit means. Each change is drawn afresh for each clip
    from the generator that its batch is made with, and alike whatever others are chosen.

    * `"shift"`: along x and y, normal, σ = 4 % of the width and of the height.
    * `"rotate"`: about the middle, normal, σ = 17°.
    * `"scale"`: by a factor whose logarithm is normal, σ = 0.15.
    * `"shear"`: by a linear map that differs from the identity by normal numbers, σ = 0.12.
    * `"mirror"`, `"flip"`: left and right, or top and bottom, change places in half of the clips.
      What turned clockwise now turns the other way: another object, which is as good.
    * `"reverse"`: half of the clips run backwards, and their factors with them.
    * `"brightness"`: x^γ of values in [0, 1], the logarithm of γ normal, σ = 0.3.

    The first four are one bilinear warp. Beyond the image it shows the ground of the clip, for
    each channel the median of the outermost pixels of all frames: black corners on a bright
    ground would be learned as things, and to continue the pixels of the edge would draw streaks
    from all that the edge cuts off.

    Factors stay those of the file: an angle is not the one at which a rotated clip shows things.

    Args:
        source: clips of images, as they are.
        changes: which changes are made.

    Raises:
        ValueError: if frames are no images (channels, height, width), or their values are left as
            they are and a change is for values in [0, 1].

    Example:
        >>> from symgen.data import open
        >>> still = torch.rand(1, 1, 8, 8).expand(9, -1, -1, -1)
        >>> source = Augmented(open([still] * 4, "all", length=9, frozen=0), ("rotate", "mirror"))
        >>> frames = source.batch(torch.arange(4), torch.Generator()).frames
        >>> frames.shape, (frames == frames[:, :1]).all().item(), (frames == still).all().item()
        (torch.Size([4, 9, 1, 8, 8]), True, False)
    """

    source: Any
    changes: tuple[Change, ...]

    def __post_init__(self) -> None:
        self.frames, self.data_shape = self.source.frames, self.source.data_shape
        _require_fit(self.changes, self.data_shape, self.source.scale)

    def __len__(self) -> int:
        return len(self.source)

    def batch(self, indices: Int64[Tensor, " B"], generator: torch.Generator) -> SequenceBatch:
        """Make the clips with these numbers, and change each by what the generator draws."""
        frames, factors, moved = self.source.batch(indices, generator)
        # On the CPU, so that it is the same for every device.
        drawn = _Draw(*(part.to(frames.device) for part in _draw(len(indices), generator)))
        warped = not {*_WARPS}.isdisjoint(self.changes)
        if "reverse" in self.changes:
            frames, factors = (_turned(part, drawn.reverse, 1) for part in (frames, factors))
        for name, axis in _SIDES.items():
            if name in self.changes and not warped:  # else the warp reads the other way round
                frames = _turned(frames, getattr(drawn, name), axis)
        if warped:
            within = None if self.source.scale is None else (0.0, 1.0)
            frames = _warped(frames, _pose(drawn, self.changes, self.data_shape), within)
        if "brightness" in self.changes:
            frames = frames ** drawn.brightness.exp()[:, None, None, None, None]
        return SequenceBatch(frames, factors, moved)


def _draw(count: int, generator: torch.Generator) -> _Draw:
    """Draw all changes, so that those chosen do not depend on which others are."""
    normal = torch.randn(count, 9, generator=generator)
    turned = torch.rand(count, 3, generator=generator) < 0.5
    return _Draw(
        _SHIFT * normal[:, :2],
        _ANGLE * normal[:, 2],
        _SCALE * normal[:, 3],
        _SHEAR * normal[:, 4:8].unflatten(1, (2, 2)),
        _GAMMA * normal[:, 8],
        *turned.unbind(1),
    )


def _turned(values: Tensor, chosen: Bool[Tensor, " n"], axis: int) -> Tensor:
    """Turn the chosen of n tensors around along an axis."""
    turned = values.clone()
    turned[chosen] = values[chosen].flip(axis)
    return turned


def _pose(
    drawn: _Draw, changes: Collection[Change], data_shape: tuple[int, ...]
) -> Float32[Tensor, "n 2 3"]:
    """Return where changed clips are read: M (R (s + E) u + b), in pixels from the middle."""
    shift, angle, scale, shear = (getattr(drawn, name) * (name in changes) for name in _WARPS)
    sides = shift.new_tensor([data_shape[2], data_shape[1]])
    pose = affine.from_parameters(angle, torch.ones_like(angle), shift * sides)[:, :2]
    stretch = scale.exp()[:, None, None] * torch.eye(2, device=shift.device) + shear
    turned = [getattr(drawn, name) & (name in changes) for name in _SIDES]
    mirrors = 1.0 - 2.0 * torch.stack(turned, -1).float()
    return mirrors[..., None] * torch.cat([pose[..., :2] @ stretch, pose[..., 2:]], -1)


def _warped(
    frames: Float32[Tensor, "n S channels height width"],
    pose: Float32[Tensor, "n 2 3"],
    within: tuple[float, float] | None,
) -> Float32[Tensor, "n S channels height width"]:
    """Read all frames of each clip through one pose; beyond them lies the clip's ground.

    Values stay `within` these limits, or else within those of their clip.
    """
    edges = (frames[..., 0, :], frames[..., -1, :], frames[..., 0], frames[..., -1])
    rim = torch.cat(edges, -1).movedim(2, 1).flatten(2)  # (n, channels, S · pixels)
    ground = rim.median(-1).values[:, None, :, None, None]
    over = (frames - ground).flatten(1, 2)  # frames as channels: each clip has one grid
    found = warp(over, pose).view_as(frames).add_(ground)
    # The weights of four equal pixels may add up to more than 1.
    if within is not None:
        return found.clamp_(*within)
    axes = (1, 2, 3, 4)
    return found.clamp_(frames.amin(axes, keepdim=True), frames.amax(axes, keepdim=True))


def as_changes(given: str | Iterable[str]) -> tuple[Change, ...]:
    """Return names of changes, each once.

    Raises:
        ValueError: for a name that is not known, or given twice.

    Example:
        >>> as_changes(["mirror", "shift"]), as_changes("shift")
        (('mirror', 'shift'), ('shift',))
        >>> as_changes(["shift", "shift"])
        Traceback (most recent call last):
        ValueError: augment='shift shift': give each change once
    """
    if not isinstance(given, Iterable):
        raise ValueError(f"augment={given!r}: give names of changes, or () for none")
    changes = (given,) if isinstance(given, str) else tuple(given)
    for name in changes:
        require_choice("augment", name, get_args(Change))
    if len({*changes}) < len(changes):
        raise ValueError(f"augment={' '.join(changes)!r}: give each change once")
    return cast("tuple[Change, ...]", changes)


def _require_fit(
    changes: Collection[str], data_shape: tuple[int, ...], scale: tuple[float, float] | None
) -> None:
    """Refuse changes of frames that are no images, or whose numbers have no range."""
    if len(data_shape) != 3:
        raise ValueError(
            f"augment={' '.join(changes)!r} of frames of shape {tuple(data_shape)}: it is for "
            "images (channels, height, width), leave it out"
        )
    if "brightness" in changes and scale is None:
        raise ValueError(
            "augment='brightness' of values that are left as they are: it is for values in "
            "[0, 1], give a scale such as 'auto', or leave it out"
        )
