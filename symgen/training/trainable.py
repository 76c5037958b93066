"""What `fit` asks of a model, and how it finds that in data."""

import inspect
from collections.abc import Iterable
from operator import index
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from torch import Tensor, nn

from symgen.data import open as open_recordings
from symgen.data.batches import Batches, Source
from symgen.data.items import ItemSource, Wanted
from symgen.data.loaders import LoaderBatches

__all__ = ["Trainable"]

Feed = Batches[Any] | LoaderBatches


@runtime_checkable
class Trainable(Protocol):
    """A torch module whose `forward` gives the terms of its loss.

    The loss is their sum, each averaged over all its entries; the weight of a term whose name
    begins with `kl_` follows the schedule of the training. Optional are `frames`, if it takes
    sequences; `project_()`, called after every step; a buffer `data_mean` of a frame's shape,
    which becomes the mean of the first 256 items before the first step if it is 0 (of fewer where
    they take more than 256 MiB); a `roll` that `forward` takes, one of `rolls` or else at most
    `frames` - 1; and `save_pretrained(folder)`, without which a run folder has a checkpoint but no
    model file.

    Taken by `fit`.
    """

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of a frame, or of a single item."""
        ...

    def forward(self, *inputs: Any) -> Any:
        """Return the terms of the loss: a `NamedTuple` of tensors, in nats."""
        ...


def require_trainable(model: Any) -> None:
    """Refuse what `fit` cannot train: all but torch modules that are `Trainable`."""
    _refuse_compiled(model)
    if not isinstance(model, Trainable) or not isinstance(model, nn.Module):
        raise ValueError(
            f"a {type(model).__name__} cannot be trained: give a torch module with data_shape, "
            "whose forward returns the terms of its loss as a NamedTuple"
        )


def _refuse_compiled(model: Any) -> None:
    """Refuse what `torch.compile` returns, which does not tell what `forward` takes."""
    if (inner := getattr(model, "_orig_mod", None)) is not None:
        kind = type(inner).__name__
        raise ValueError(
            f"the model is a {kind} in a torch.compile: give the {kind} itself, which is its "
            "_orig_mod and has the same weights"
        )


def frames_of(model_or_source: Any) -> int:
    """Count the frames of an item, 1 where it is a single one."""
    return getattr(model_or_source, "frames", 1)


def takes_roll(model: Any) -> bool:
    """Tell whether a model can be trained to decode rolled latents."""
    return "roll" in inspect.signature(model.forward).parameters


def rolls_of(model: Any) -> list[int]:
    """List the numbers of frames that a model can be trained to roll by."""
    rolls = getattr(model, "rolls", range(frames_of(model)))
    try:
        return [steps for roll in rolls if (steps := index(roll))]
    except TypeError as error:
        raise ValueError(
            f"{type(model).__name__}.rolls are {rolls!r}: give the numbers of frames that its "
            "forward can roll by, such as range(-3, 4)"
        ) from error


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
    """Return data of any kind, see `fit`, as batches of what a model takes.

    Items are tensors, tuples or dictionaries, see `symgen.data.items.choose_inputs`. Without a
    `batch_size` it is that of the data, or 32.
    """
    _refuse_compiled(model)
    own = getattr(data, "batch_size", None)
    if own is not None and batch_size not in (None, own):
        raise ValueError(
            f"batch_size={batch_size} but the data come in batches of {own}: give both the same"
        )
    if isinstance(data, Batches):
        return data
    size = own or (32 if batch_size is None else batch_size)
    if isinstance(data, str | Path):
        data = open_recordings(data, length=frames_of(model))
    if not isinstance(data, Source):
        wanted = _wanted(model)
        has_items = hasattr(data, "__getitem__") and hasattr(data, "__len__")
        if isinstance(data, Tensor | np.ndarray) or (has_items and own is None):
            data = ItemSource(data, frames_of(model), model.data_shape, wanted)
        elif isinstance(data, Iterable):
            return LoaderBatches(data, size, wanted, seed)
        else:
            raise ValueError(
                f"data is a {type(data).__name__}: give a path, a source, a tensor, a torch "
                "Dataset or DataLoader, or an iterable of tensors"
            )
    return Batches(data, min(size, len(data)) if batch_size is None else size, seed)


def _wanted(model: Any) -> Wanted:
    """Infer from the signature of `forward` what a model takes of an item."""
    parameters = inspect.signature(model.forward).parameters.values()
    required = sum(parameter.default is inspect.Parameter.empty for parameter in parameters)
    if not 1 <= required <= 2:
        raise ValueError(
            f"{type(model).__name__}.forward takes {required} inputs: give data as `Batches`, "
            "whose `inputs` say what it takes"
        )
    lead = (model.frames,) if hasattr(model, "frames") else ()
    labelled = getattr(model, "takes_labels", required == 2)
    return Wanted((*lead, *model.data_shape), labelled)
