"""Latents of data: of every frame of recordings of any length, or of images."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from symgen._devices import placed
from symgen._errors import require_choice
from symgen.data import Recordings
from symgen.data import open as open_recordings
from symgen.data.items import ItemSource, Wanted, tensor_of
from symgen.experiments.datasets import ArrayData, OwnImageData, RecordingData
from symgen.experiments.evaluation import indexed, model_of, scaled_otherwise
from symgen.experiments.families import family_of, first_items
from symgen.experiments.image_reel import of_own_images
from symgen.experiments.reel import Reel, of_items, of_recordings, of_run, of_tensors
from symgen.experiments.runs import OpenRun, held_out, open_run, reading_by
from symgen.models import Pretrained
from symgen.training import Run

__all__ = ["Encoding", "at_rest", "encode", "encoding_of", "reel_for", "reel_of_run"]

_USUAL = (0.0, 1.0), (0.0, 255.0)  # numbers that become 0 and 1
Observe = Callable[[int, int], object]
"""Is given how many rows of how many are done."""


class Encoding(NamedTuple):
    """Latents that are computed as they are asked for, once.

    Attributes:
        rows: how many there will be.
        names: what the numbers in the columns of this name stand for.
        blocks: columns by name, some rows at a time, on the CPU.
    """

    rows: int
    names: dict[str, list[str]]
    blocks: Iterator[dict[str, Tensor]]


def encode(
    run: Run | OpenRun | Pretrained | Path | str,
    data: Any = None,
    *,
    split: str | None = None,
    posterior: bool = False,
    phase: bool = False,
    device: str | None = None,
    **parts: Any,
) -> dict[str, Any]:
    """Infer the latents of every frame of recordings, or of every image, without a draw.

    Args:
        run: a trained run, its folder, or a model.
        data: for a Topographic VAE recordings, of any lengths: a path, what `symgen.open`
            returned, a tensor (frames, *data_shape) or (recordings, frames, *data_shape), or a
            list of tensors (frames, *data_shape). Otherwise images, or items as for `symgen.fit`.
            None: the run's own data.
        split: of the run's own data, "train", "validation", "test" or "all"; None: all
            recordings, or what is held out of other data.
        posterior: add means and standard deviations of the posteriors.
        phase: add `phase` and `amplitude` of capsules, see `symgen.latents.capsule_phase`.
        device: where to compute; None: where the model is.
        **parts: modules and values of one's own that the model was made with, by name.

    Returns:
        Tensors by name, one row a frame or image. Of a Topographic VAE `recording`, a number that
        `recording_names` lists, `frame` in it, `split`, a number that `split_names` lists,
        `inside`, whether the window lies in the recording (see `symgen.models.SlidingLatents`),
        and `t` (rows, C, D). Of ACE `image`, `split`, the class `y`, `probabilities`, the style
        `z`, the pose `affine` and its parts one by one. What is known of items is there
        too: factors, labels.

    Raises:
        ValueError: if data do not fit the model, there are none, or a model without a run does not
            say on which scale files are to be read.

    Warns:
        UserWarning: if recordings are unlike those of the training, or have changed since.

    Example:
        >>> from symgen import TVAE
        >>> model = TVAE((12,), capsules=2, units=6, frames=6, window=3, likelihood="gaussian")
        >>> found = encode(model, [torch.randn(100, 12), torch.randn(4, 12)])
        >>> found["t"].shape, found["recording"].bincount().tolist(), int(found["inside"].sum())
        (torch.Size([104, 2, 6]), [100, 4], 100)
    """
    model, opened = model_of(run, parts)
    model = placed(model, device)
    reel = reel_for(model, opened, data, split)
    found = encoding_of(model, reel, posterior=posterior, phase=phase)
    blocks = [*found.blocks]
    columns = {name: torch.cat([block[name] for block in blocks]) for name in blocks[0]}
    return columns | {f"{name}_names": names for name, names in found.names.items()}


def encoding_of(
    model: Any,
    reel: Reel,
    *,
    posterior: bool = False,
    phase: bool = False,
    observe: Observe | None = None,
) -> Encoding:
    """Return the latents of a reel, to be computed block by block in bounded memory."""
    rows = len(reel)

    def blocks() -> Iterator[dict[str, Tensor]]:
        done = 0
        with at_rest(model):
            for block in family_of(type(model)).encoded(model, reel, posterior, phase):
                count = len(block["split"])
                if count:
                    yield {name: values.cpu() for name, values in block.items()}
                done += count
                if observe is not None:
                    observe(done, rows)

    return Encoding(rows, reel.names, blocks())


def reel_of_run(run: OpenRun, split: str | None = None, items: int | None = None) -> Reel:
    """Return the data of a run, or those that lie where it was told to look.

    Args:
        split: as of `encode`.
        items: how many recordings, sequences or images, from the first one on; None for all.
    """
    data = run.require_data()
    if isinstance(data, RecordingData):
        require_choice("split", split, (None, "all", "train", "validation", "test"))
        trained_on = run.config["data"] or {}
        same = data.data is not None and str(data.data.absolute()) == trained_on.get("data")
        return of_run(data, run.arguments["data_shape"], split, items, same)
    if isinstance(data, OwnImageData):
        require_choice("split", split, (None, "all", "train", "validation", "test"))
        return of_own_images(data, run.arguments["data_shape"], split, items)
    if isinstance(data, ArrayData):
        require_choice("split", split, (None, "all"))
        known = "none"
        if data.sequence and data.data is not None:
            return _of_array(data.data, data.shape[1:], items)
    else:
        require_choice("split", split, (None, "train", "test"))
        held = "validation" if getattr(data, "validation", False) else "test"
        known = "train" if split == "train" else held
    batches = held_out(data.source(split == "train"), run.family)
    count = len(batches.source) if items is None else items
    return of_items(first_items(batches, items), batches.source, count, known)


def reel_for(model: Any, opened: OpenRun | None, data: Any, split: str | None) -> Reel:
    """Return data of one's own, or else those of a run, see `encode`."""
    if data is not None and split is not None:
        raise ValueError(f"split={split!r} with data of your own: leave one of them out")
    if data is not None:
        reel = _reel_of(data, model, opened)
    elif opened is None:
        raise ValueError("data=None and no run folder: name the data")
    else:
        reel = reel_of_run(opened, split)
    for note in reel.notes:
        warnings.warn(note, stacklevel=3)
    return reel


def _reel_of(data: Any, model: Any, run: OpenRun | None) -> Reel:
    """Return data of any kind as what a model takes."""
    if isinstance(data, str | Path) and run is not None:
        return reel_of_run(reading_by(open_run(run.folder, Path(data), **run.parts)))
    if hasattr(model, "frames"):
        if isinstance(data, str | Path):
            data = _opened(data, model)
        if isinstance(data, Recordings):
            reel = of_recordings(data)
            return replace(reel, notes=(*reel.notes, *scaled_otherwise(data, model)))
        recordings = _recordings_in(data, model.data_shape)
        if recordings is not None:
            return of_tensors(recordings)
    elif isinstance(data, Tensor | np.ndarray):  # images, of which no label is asked for
        data = ItemSource(data, 1, model.data_shape, Wanted(tuple(model.data_shape)))
    batches = held_out(indexed(data, model), family_of(type(model)))
    return of_items(iter(batches), batches.source, len(batches.source), "none")


def _opened(path: str | Path, model: Any) -> Recordings:
    """Return recordings of files for a model without a run, on the scale of its training."""
    scale = "auto" if model.data_scale is None else model.data_scale
    source = open_recordings(path, "all", length=2, stride=1, scale=scale)
    levels = source.levels
    if model.data_scale is None and levels is not None and levels[:2] not in _USUAL:
        raise ValueError(
            f"{path} holds {levels.low:g} to {levels.high:g}, and the model does "
            "not say which numbers were 0 and 1 in its training: give symgen.open(path, "
            "scale=(low, high)), or tensors that are scaled alike"
        )
    return source


def _of_array(path: Path, data_shape: tuple[int, ...], items: int | None) -> Reel:
    """Return the recordings of a `.npy`, which is read as it is encoded."""
    try:
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{path} cannot be read as an array: {error}") from error
    recordings = _recordings_in(array, data_shape) or []
    if not 0 < (count := len(recordings) if items is None else items) <= len(recordings):
        raise ValueError(f"examples={items}: give 1 to {len(recordings):,} recordings of {path}")
    return of_tensors(recordings[:count])


def _recordings_in(data: Any, data_shape: tuple[int, ...]) -> list[Tensor] | None:
    """Return recordings (frames, *data_shape) that are given as tensors or arrays, if they are."""
    if isinstance(data, Tensor | np.ndarray):
        data = tensor_of("the array", data)
        data = [data] if data.dim() == 1 + len(data_shape) else [*data]
    if not isinstance(data, list | tuple) or not len(data):
        return None
    if not all(isinstance(each, Tensor | np.ndarray) for each in data):
        return None
    recordings = [tensor_of(f"recording {n}", each) for n, each in enumerate(data)]
    for number, each in enumerate(recordings):
        if each.is_complex():
            raise ValueError(f"recording {number} is of {each.dtype}: give real numbers")
        if tuple(each.shape[1:]) != tuple(data_shape) or not len(each):
            raise ValueError(
                f"recording {number} is {tuple(each.shape)}: give frames first, "
                f"(frames, {', '.join(map(str, data_shape))}), of several such recordings a list, "
                "or one array with an axis before those"
            )
    return recordings


@contextmanager
def at_rest(model: Any) -> Iterator[None]:
    """Hold a model in evaluation mode."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
