"""Tensors and torch data sets as a source of batches."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

__all__ = [
    "Inputs",
    "ItemSource",
    "Wanted",
    "choose_inputs",
    "fingerprint",
    "stack_inputs",
    "tensor_of",
]

_LOOKED_AT = 2**24  # bytes of a tensor that its fingerprint reads


class Inputs(NamedTuple):
    """A batch: data, and labels if the model takes them."""

    x: Tensor
    y: Tensor | None = None

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the `forward` of a model takes."""
        return (self.x,) if self.y is None else (self.x, self.y)


class Wanted(NamedTuple):
    """What a model takes of an item: data of a shape, frames first, and a label or none."""

    shape: tuple[int, ...]
    labelled: bool = False

    def __str__(self) -> str:
        label = " with a whole number as label" if self.labelled else ""
        return f"floats {self.shape}{label}"


def choose_inputs(item: Any, wanted: Wanted, name: str, batched: bool = False) -> Inputs:
    """Find in an item what a model takes and leave out the rest; divide bytes by 255.

    Args:
        item: a tensor or array; a tuple or list, of which the first part that fits is taken; or a
            dictionary, of which exactly one entry must fit.
        name: what to call the item in an error.
        batched: whether the item is a batch, of one more dimension.

    Example:
        >>> item = {"video": torch.zeros(4, 12), "age": 3}
        >>> choose_inputs(item, Wanted((4, 12)), "item 0").x.shape
        torch.Size([4, 12])
    """
    alone = isinstance(item, Tensor | np.ndarray)
    if not alone and not isinstance(item, Mapping | list | tuple):
        raise ValueError(f"{name} is a {type(item).__name__}: the model takes {wanted}")
    entries = item if isinstance(item, Mapping) else dict(enumerate([item] if alone else item))
    lead = int(batched)
    parts = [tensor_of(name, entry) for entry in entries.values() if _is_numeric(entry)]
    parts = [part for part in parts if part.dim() >= lead]
    data = [part for part in parts if part.is_floating_point() or part.dtype == torch.uint8]
    fits = [part for part in data if part.shape[lead:] == wanted.shape]
    whole = [part for part in parts if not part.is_floating_point()]
    labels = [part for part in whole if part.shape[lead:] in ((), (1,))]
    sure = len(fits) == 1 if isinstance(item, Mapping) else fits
    if not sure or (wanted.labelled and len(labels) != 1):
        takes = f"the model takes {wanted}{' in batches' if batched else ''}"
        if alone:
            cut = ""
            if any(_is_longer(part.shape[lead:], wanted.shape) for part in parts):
                cut = f"; cut longer ones by symgen.open(x, axes=..., length={wanted.shape[0]})"
            raise ValueError(f"{name} is {_layout(item)}: {takes}{cut}")
        found = ", ".join(f"{key}: {_layout(entry)}" for key, entry in entries.items())
        raise ValueError(
            f"{name} holds {found or 'nothing'}: {takes}, and there must be exactly one such entry"
        )
    x = fits[0].float() / 255 if fits[0].dtype == torch.uint8 else fits[0]
    return Inputs(x, labels[0].reshape(x.shape[:lead]).long() if wanted.labelled else None)


def _is_longer(shape: Sequence[int], wanted: Sequence[int]) -> bool:
    """Tell whether data are a recording of more frames than a clip has."""
    sequence = len(wanted) in (2, 4, 5)  # features, images or volumes after the frames
    return sequence and tuple(shape[1:]) == tuple(wanted[1:]) and shape[0] > wanted[0]


def stack_inputs(items: Iterable[Inputs]) -> Inputs:
    """Stack single items to a batch."""
    x, y = zip(*items, strict=True)
    return Inputs(torch.stack(x), None if y[0] is None else torch.stack(y))


class ItemSource:
    """A tensor (n, *shape), or anything with a length and items by number, as a source.

    Items of a torch `Dataset` or a list are tensors, tuples or dictionaries; the first is checked.

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
        self.items = tensor_of("the array", items) if isinstance(items, np.ndarray) else items
        self.frames = frames
        self.data_shape = tuple(data_shape)
        self.wanted = wanted
        if len(self.items):
            choose_inputs(self.items[0], wanted, "item 0")

    def __len__(self) -> int:
        return len(self.items)

    def batch(self, indices: Int64[Tensor, " B"], generator: torch.Generator) -> Inputs:
        """Gather items; the generator's seed is that of the data set's own random draws."""
        if isinstance(self.items, Tensor):
            return choose_inputs(self.items[indices], self.wanted, "the tensor", batched=True)
        with torch.random.fork_rng(devices=[]):
            # The CPU's alone: `torch.manual_seed` would seed those of the model's device, too.
            torch.default_generator.manual_seed(generator.initial_seed())
            return stack_inputs(
                choose_inputs(self.items[index], self.wanted, f"item {index}")
                for index in indices.tolist()
            )

    def described(self) -> dict[str, Any] | None:
        """Return what it takes to open a tensor again, once a file with it is named."""
        if not isinstance(self.items, Tensor):
            return None
        shape, sequence = list(self.wanted.shape), len(self.wanted.shape) > len(self.data_shape)
        return {"kind": "array", "shape": shape, "sequence": sequence, "data": None}

    def __repr__(self) -> str:
        if not isinstance(self.items, Tensor):
            return f"{len(self)} items of {type(self.items).__name__}, {self.wanted}"
        return f"tensor {tuple(self.items.shape)}, fingerprint={fingerprint(self.items)!r}"


def fingerprint(*tensors: Tensor) -> str:
    """Name tensors by a hash of their shapes and of at most 16 MiB of the content of each."""
    content = hashlib.sha256()
    for data in tensors:
        rows = max(1, _LOOKED_AT // max(1, data[:1].nbytes))
        looked_at = data[:: max(1, -(-len(data) // rows))].detach().cpu().contiguous()
        content.update(f"{tuple(data.shape)} {data.dtype}".encode())
        content.update(looked_at.reshape(-1).view(torch.uint8).numpy().tobytes())
    return content.hexdigest()[:16]


def tensor_of(name: str, values: Any) -> Tensor:
    """Return numbers as a tensor, of the machine's byte order; refuse masked ones."""
    if isinstance(values, np.ma.MaskedArray) and (masked := np.ma.count_masked(values)):
        raise ValueError(
            f"{name} is a masked array, {masked:,} values of {values.size:,} masked: fill them, "
            "such as by .filled(0)"
        )
    if isinstance(values, np.ndarray) and not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    return torch.as_tensor(values)


def _is_numeric(part: Any) -> bool:
    numbers = isinstance(part, np.ndarray) and part.dtype.kind in "biuf"
    return numbers or isinstance(part, Tensor | int | float | np.number)


def _layout(part: Any) -> str:
    if not _is_numeric(part):
        return type(part).__name__
    part = torch.as_tensor(part)
    return f"{str(part.dtype).removeprefix('torch.')} {tuple(part.shape)}"
