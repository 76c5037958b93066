"""Tensors and torch data sets as a source of batches."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

__all__ = ["Inputs", "ItemSource", "Wanted", "choose_inputs"]

_LOOKED_AT = 2**24  # bytes of a tensor that its fingerprint reads


class Inputs(NamedTuple):
    """A batch of what the `forward` of a model takes: data, and labels if it takes them."""

    x: Tensor
    y: Tensor | None = None

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the `forward` of a model takes."""
        return (self.x,) if self.y is None else (self.x, self.y)


class Wanted(NamedTuple):
    """What a model asks of an item: the shape of its data, and whether it has a label.

    Attributes:
        shape: shape of an item, such as (frames, channels, height, width).
        labelled: whether a whole number goes with it.
    """

    shape: tuple[int, ...]
    labelled: bool = False

    def __str__(self) -> str:
        label = " with a whole number as label" if self.labelled else ""
        return f"floats {self.shape}{label}"


def choose_inputs(item: Any, wanted: Wanted, name: str, batched: bool = False) -> Inputs:
    """Find in an item what a model takes.

    Args:
        item: a tensor or array; a tuple or list of them, of which what comes first is taken; or a
            dictionary, in which the one entry is taken that fits. What the model does not take is
            left out. Bytes are divided by 255.
        wanted: what the model takes.
        name: what to call the item in an error.
        batched: whether the item is a batch, of one more dimension.

    Raises:
        ValueError: if it has no such entry, or several.

    Example:
        >>> item = {"video": torch.zeros(4, 12), "age": 3}
        >>> choose_inputs(item, Wanted((4, 12)), "item 0").x.shape
        torch.Size([4, 12])
    """
    entries = list(item.values()) if isinstance(item, Mapping) else item
    if isinstance(item, Tensor | np.ndarray):
        entries = [item]
    if not isinstance(entries, list | tuple):
        raise ValueError(f"{name} is a {type(item).__name__}: the model takes {wanted}")
    parts = [torch.as_tensor(part) for part in entries if _is_numeric(part)]
    parts = [part.squeeze(-1) if _is_column(part, batched) else part for part in parts]
    lead = 1 if batched else 0
    fits = [p for p in parts if p.dim() == lead + len(wanted.shape) and _ends(p, wanted.shape)]
    labels = [p for p in parts if p.dim() == lead and not p.is_floating_point()]
    sure = not isinstance(item, Mapping) or len(fits) == 1
    if not fits or not sure or (wanted.labelled and len(labels) != 1):
        takes = f"the model takes {wanted}{' in batches' if batched else ''}"
        if isinstance(item, Tensor | np.ndarray):
            raise ValueError(f"{name} is {_layout(item)}: {takes}")
        keys = list(item) if isinstance(item, Mapping) else range(len(entries))
        pairs = zip(keys, entries, strict=True)
        found = ", ".join(f"{key}: {_layout(part)}" for key, part in pairs)
        raise ValueError(
            f"{name} holds {found or 'nothing'}: {takes}, and there must be exactly one such entry"
        )
    x = fits[0]
    x = x.float() / 255 if x.dtype == torch.uint8 else x
    return Inputs(x, labels[0].long() if wanted.labelled else None)


class ItemSource:
    """A tensor, or a data set whose items are tensors, tuples or dictionaries, as a source.

    Args:
        items: a tensor (n, *shape), or anything with a length and items by number, such as a torch
            `Dataset` or a list of tensors.
        frames: frames in an item, 1 where it is a single one.
        data_shape: shape of a frame.
        wanted: what is taken of an item.

    Raises:
        ValueError: if the first item is not what is wanted.

    Example:
        >>> clips = torch.rand(64, 16, 12)
        >>> source = ItemSource(clips, 16, (12,), Wanted((16, 12)))
        >>> source.batch(torch.tensor([3, 5]), torch.Generator()).x.shape
        torch.Size([2, 16, 12])
    """

    def __init__(self, items: Any, frames: int, data_shape: Sequence[int], wanted: Wanted) -> None:
        if isinstance(items, Mapping):
            raise ValueError(
                f"the data are a dictionary of {', '.join(map(str, items))}: give a list of "
                "items, each a dictionary, or a torch TensorDataset"
            )
        self.items = torch.as_tensor(items) if isinstance(items, np.ndarray) else items
        self.frames = frames
        self.data_shape = tuple(data_shape)
        self.wanted = wanted
        if len(self.items):
            choose_inputs(self.items[0], wanted, "item 0")

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.items)

    def batch(self, indices: Int64[Tensor, " B"], generator: torch.Generator) -> Inputs:
        """Gather items; nothing is drawn from the generator.

        A data set that draws at random does so from torch's global generator, seeded for each
        batch, so that a batch depends on nothing but the seed and the step.
        """
        if isinstance(self.items, Tensor):
            return choose_inputs(self.items[indices], self.wanted, "the tensor", batched=True)
        with torch.random.fork_rng(devices=[]):
            # The CPU's alone: `torch.manual_seed` would seed those of the model's device, too.
            torch.default_generator.manual_seed(generator.initial_seed())
            chosen = [
                choose_inputs(self.items[index], self.wanted, f"item {index}")
                for index in indices.tolist()
            ]
        x = torch.stack([part.x for part in chosen])
        if not self.wanted.labelled:
            return Inputs(x)
        return Inputs(x, torch.stack([part.y for part in chosen if part.y is not None]))

    def described(self) -> dict[str, Any] | None:
        """Return what it takes to open a tensor again, once a file with it is named."""
        if not isinstance(self.items, Tensor):
            return None
        return {
            "kind": "array",
            "shape": list(self.wanted.shape),
            "sequence": len(self.wanted.shape) > len(self.data_shape),
            "labelled": self.wanted.labelled,
            "data": None,
        }

    def __repr__(self) -> str:
        if not isinstance(self.items, Tensor):
            return f"{len(self)} items of {type(self.items).__name__}, {self.wanted}"
        return f"tensor {tuple(self.items.shape)}, fingerprint={fingerprint(self.items)!r}"


def fingerprint(data: Tensor) -> str:
    """Name the content of a tensor by a hash of its shape and of at most 16 MiB of it."""
    rows = max(1, _LOOKED_AT // max(1, data[:1].nbytes))
    step = max(1, -(-len(data) // rows))
    looked_at = data[::step].detach().cpu().contiguous()
    content = hashlib.sha256(f"{tuple(data.shape)} {data.dtype}".encode())
    content.update(looked_at.reshape(-1).view(torch.uint8).numpy().tobytes())
    return content.hexdigest()[:16]


def _is_numeric(part: Any) -> bool:
    return isinstance(part, Tensor | int | float | np.number) or (
        isinstance(part, np.ndarray) and part.dtype.kind in "biuf"
    )


def _layout(part: Any) -> str:
    if not _is_numeric(part):
        return type(part).__name__
    part = torch.as_tensor(part)
    return f"{str(part.dtype).removeprefix('torch.')} {tuple(part.shape)}"


def _is_column(part: Tensor, batched: bool) -> bool:
    """Tell whether a tensor holds one whole number for each item in a dimension of its own."""
    return part.dim() == 1 + batched and part.shape[-1:] == (1,) and not part.is_floating_point()


def _ends(part: Tensor, shape: tuple[int, ...]) -> bool:
    kinds = part.is_floating_point() or part.dtype == torch.uint8
    return kinds and tuple(part.shape[part.dim() - len(shape) :]) == shape
