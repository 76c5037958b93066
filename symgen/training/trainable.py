"""What `fit` asks of a model, and how it finds that in data."""

import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from torch import Tensor, nn

from symgen.data import open as open_recordings
from symgen.data.batches import Batches, Source
from symgen.data.items import ItemSource, Wanted
from symgen.data.loaders import LoaderBatches

__all__ = [
    "Feed",
    "Trainable",
    "as_batches",
    "frames_of",
    "items_of",
    "require_trainable",
    "takes_roll",
]

_BATCH = 32
Feed = Batches[Any] | LoaderBatches


@runtime_checkable
class Trainable(Protocol):
    """A torch module whose `forward` gives the terms of its loss.

    The loss is their sum, each averaged over all its entries; the weight of a term whose name
    begins with `kl_` follows the schedule of the training. Optional are `frames`, if it takes
    sequences; `project_()`, called after every step; a `roll` that `forward` takes; and
    `save_pretrained(folder)`, without which a run folder has a checkpoint but no model file.
    """

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of a frame, or of a single item."""
        ...

    def forward(self, *inputs: Any) -> Any:
        """Return the terms of the loss: a `NamedTuple` of tensors, in nats."""
        ...

    def __call__(self, *inputs: Any) -> Any:
        """Call `forward`, as every torch module does."""
        ...

    def train(self, mode: bool = True) -> Any:
        """Switch between training and evaluation, as every torch module does."""
        ...


def require_trainable(model: Any) -> None:
    """Refuse what `fit` cannot train.

    Raises:
        ValueError: if it is not a torch module that is `Trainable`.

    Example:
        >>> require_trainable(nn.Linear(2, 2))
        Traceback (most recent call last):
        ValueError: a Linear cannot be trained: give a torch module with data_shape, ...
    """
    if not isinstance(model, Trainable) or not isinstance(model, nn.Module):
        raise ValueError(
            f"a {type(model).__name__} cannot be trained: give a torch module with data_shape, "
            "whose forward returns the terms of its loss as a NamedTuple"
        )


def frames_of(model_or_source: Any) -> int:
    """Count the frames of an item, 1 where it is a single one."""
    return getattr(model_or_source, "frames", 1)


def takes_roll(model: Any) -> bool:
    """Tell whether a model can be trained to decode rolled latents."""
    return "roll" in inspect.signature(model.forward).parameters


def items_of(feed: Feed) -> int | None:
    """Count the examples of an epoch; None where the data do not tell."""
    if isinstance(feed, Batches):
        return len(feed.source)
    if getattr(feed.loader, "batch_size", None) is None:  # its length may be one of items
        return None
    try:
        return len(feed.loader) * feed.batch_size  # pyright: ignore[reportArgumentType]
    except TypeError:  # as of a DataLoader of an endless stream
        return None


def as_batches(data: Any, model: Any, batch_size: int | None, seed: int) -> Feed:
    """Return data of any kind as batches of what a model takes.

    Args:
        data: `Batches`; a source; a path of recordings; a tensor or array of items; a torch
            `Dataset` or another sequence of items; a `DataLoader` or another iterable. Items are
            tensors, tuples or dictionaries, see `symgen.data.items.choose_inputs`.
        model: what takes them.
        batch_size: examples in a batch; None leaves that of the data, or 32.
        seed: seed of the order of the items.

    Raises:
        ValueError: if the data are nothing of this, or come in batches of another size.

    Example:
        >>> import torch
        >>> from symgen import TVAE
        >>> model = TVAE((12,), capsules=2, frames=16, likelihood="gaussian")
        >>> as_batches(torch.randn(64, 16, 12), model, 8, seed=0).batch(0).x.shape
        torch.Size([8, 16, 12])
    """
    own = getattr(data, "batch_size", None)
    if own is not None and batch_size not in (None, own):
        raise ValueError(
            f"batch_size={batch_size} but the data come in batches of {own}: give both the same"
        )
    if isinstance(data, Batches):
        return data
    size = own or (_BATCH if batch_size is None else batch_size)
    frames = frames_of(model)
    if isinstance(data, str | Path):
        data = open_recordings(data, length=frames)
    if isinstance(data, Source):
        return Batches(data, min(size, len(data)) if batch_size is None else size, seed)
    wanted = _wanted(model)
    has_items = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    if isinstance(data, Tensor | np.ndarray) or (has_items and own is None):
        source = ItemSource(data, frames, model.data_shape, wanted)
        return Batches(source, min(size, len(source)) if batch_size is None else size, seed)
    if isinstance(data, Iterable):
        return LoaderBatches(data, size, wanted, seed)
    raise ValueError(
        f"data is a {type(data).__name__}: give a path, a source, a tensor, a torch Dataset or "
        "DataLoader, or an iterable of tensors"
    )


def _wanted(model: Any) -> Wanted:
    required = [
        parameter
        for parameter in inspect.signature(model.forward).parameters.values()
        if parameter.default is inspect.Parameter.empty
    ]
    if not 1 <= len(required) <= 2:
        raise ValueError(
            f"{type(model).__name__}.forward takes {len(required)} inputs: give data as "
            "`Batches`, whose `inputs` say what it takes"
        )
    lead = (model.frames,) if hasattr(model, "frames") else ()
    return Wanted((*lead, *model.data_shape), labelled=len(required) == 2)
