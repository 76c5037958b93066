"""Opening recordings of any kind as a source: what is understood, split and cut into clips."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import prod
from os.path import realpath
from pathlib import Path
from typing import Any, get_args

import torch
from torch.utils.data import Dataset

from symgen._errors import require_choice
from symgen.data.options import require_real, require_seed, require_whole
from symgen.data.recordings.augment import as_changes
from symgen.data.recordings.axes import require_axes
from symgen.data.recordings.clips import ClipSpec, RecordingSplit, SplitBy, require_shares
from symgen.data.recordings.frozen import FROZEN
from symgen.data.recordings.reading import Decoding, find_footage
from symgen.data.recordings.scale import Scale, as_scale, choose_levels, unused
from symgen.data.recordings.source import Recordings
from symgen.data.recordings.splits import (
    Record,
    Shares,
    deal,
    long_enough,
    of_record,
    usual_length,
)

__all__ = ["open"]

_PIXELS = 2**26  # of a frame


def open(
    data: str | Path | Sequence[str | Path] | Iterable[Any] | Dataset[Any],
    split: RecordingSplit = "train",
    *,
    axes: str | None = None,
    key: str | None = None,
    files: str | None = None,
    scale: Scale | tuple[Any, Any] = "auto",
    gray: bool = False,
    size: tuple[int, int] | None = None,
    background: float = 0.0,
    length: int | None = None,
    stride: int | None = None,
    every: int = 1,
    rate: float | None = None,
    wrap: bool = False,
    validation: float = 0.1,
    test: float = 0.1,
    split_by: SplitBy = "recording",
    split_seed: int = 0,
    group_by: str | Path | None = None,
    bad_frames: str | Path | None = None,
    frozen: int = FROZEN,
    skip_broken: bool = False,
    factors: Sequence[str] = (),
    augment: str | Sequence[str] = (),
    cache: str | Path | None = None,
    record: Record | None = None,
    device: str | torch.device = "cpu",
) -> Recordings:
    """Open recordings as a source of sequences.

    What `data` can be:

    * a file of arrays (`.npy .npz .h5 .hdf5 .zarr .tif .tiff .mat`), one recording or several,
      of images of any number of channels or of vectors;
    * a folder of frames (PNG, JPEG, TIFF of 8 or 16 bits), which is one recording, a video, a
      GIF, several of them, or folders of any depth with such files;
    * a tensor, or an iterable or torch Dataset of recordings: tensors, tuples whose first tensor
      is taken, or dictionaries.

    Axes that are not named are guessed only where one reading of the shape is plausible, see
    `symgen.data.recordings.readings`. Frames whose numbers are not finite cut a recording in
    pieces, and so do missing frames. `.npy`, HDF5, zarr and TIFF are read in place, batch by
    batch, unless frames are to be resized or made gray; all else is decoded once into an array on
    disk. Splits are of whole recordings, or of their time where they are fewer than the splits.

    Args:
        data: what to open.
        split: "train", "validation", "test" or "all".
        axes: what the axes of arrays are, in their order, by letters: N recordings, T frames, C
            channels, Z Y X depth, height and width, F features, such as "NTYX" or "TYXC".
        key: name of the array in a file of several, or of the entry in dictionaries.
        files: which files of folders to read, such as "*.png".
        scale: which numbers become 0 and 1: a pair of them; "dtype", the least and the greatest
            of the type; ("percentile", P), the percentiles 100 − P and P; "none" leaves numbers
            as they are; "auto" leaves vectors, and chooses for images, see
            `symgen.data.recordings.choose_levels`.
        gray: turn colours to gray.
        size: height and width to resize frames to, antialiased; None keeps theirs.
        background: gray level, 0 to 1, behind transparent images.
        length: frames in a clip; None: 16, or fewer where all recordings or splits are shorter.
        stride: frames between the starts of clips; None: 1 in training, and otherwise so many that
            a clip begins with the last frame of the one before: end to end, clips as long as a
            period would all be alike. With `wrap` they lie end to end.
        every: take every k-th frame of a recording.
        rate: frames per second to resample videos to.
        wrap: recordings come full circle: clips go on from the last frame to the first.
        validation: share of the recordings, or of their time, that is kept for validation.
        test: share that is kept for the test.
        split_by: "recording": no frame is in two splits; "start": clips are dealt out by where
            they start, so that the test is of known objects from other starting views.
        split_seed: seed of the choice of recordings.
        group_by: what must not be in two splits: "parent", recordings of one folder or file; a
            file of lines "recording,group"; or a regular expression for their names.
        bad_frames: file of lines "recording,frame" or "recording,first-last": cut out.
        frozen: how many images in a row that are exactly equal were frozen, and are cut out; 0
            leaves all. Vectors are left, and so are videos that are resampled.
        skip_broken: cut out images that cannot be read, and leave out recordings that are broken,
            unlike the first or too short; all are listed in `skipped`.
        factors: names of arrays beside that of the recordings, in the same file, which hold a
            number for each recording or frame: what is known of them.
        augment: how clips are changed at random where a model is trained on them, and nowhere
            else: see `symgen.data.recordings.Augmented`.
        cache: folder that keeps what was decoded for as long as the files are the same; None: a
            temporary folder.
        record: what `split_record` of a source returned: the same split is opened again, and
            recordings that came later are left out.
        device: where batches are made.

    Raises:
        FileNotFoundError: if there is nothing at a path.
        ModuleNotFoundError: if the library of a format is not installed.
        ValueError: if it is not sure what recordings are, they are broken, too short or none,
            other than recorded, or a setting does not fit.

    Example:
        >>> films = [torch.rand(length, 1, 8, 8) for length in (20, 24, 31, 20, 20)]
        >>> source = open(films, length=12, stride=4)
        >>> batch = source.batch(torch.arange(2), torch.Generator())
        >>> len(source), batch.frames.shape, batch.frames[0, 4].equal(batch.frames[1, 0])
        (12, torch.Size([2, 12, 1, 8, 8]), True)
    """
    scale, factors = as_scale(scale), _as_names(factors)
    augment = as_changes(augment)
    options = dict(locals())
    options = {n: v for n, v in options.items() if n not in ("split", "record", "device")}
    require_choice("split", split, get_args(RecordingSplit) if record is None else record)
    _require_options(**options)
    listed = None if bad_frames is None else str(bad_frames)
    decoding = Decoding(
        axes, key, files, size, gray, rate, background, listed, skip_broken, frozen, factors
    )
    footage = find_footage(data, decoding, None if cache is None else Path(cache))
    levels = choose_levels(
        scale, footage.dtype, footage.vectors, lambda: footage.sample, lambda: footage.extremes
    )
    notes = [*footage.notes]
    if levels is not None and scale in ("auto", "dtype"):
        notes += filter(None, [unused(levels, footage.extremes)])
    footage = footage if record is None else of_record(footage, record)
    group = None if group_by is None else str(group_by)
    shares = Shares(validation, test, split_by, split_seed, group)
    if length is None:
        length, more = usual_length(footage, split, shares, every, skip_broken)
        notes += more
    stride_of_split = 1 if split == "train" or split_by == "start" else None
    spec = ClipSpec(length, stride or stride_of_split or 1, every, wrap)
    if stride is None and stride_of_split is None:
        spec = replace(spec, stride=spec.extent if wrap else spec.extent - 1)
    kept, skipped = long_enough(footage, spec, skip_broken)
    parts, in_time = deal(footage, kept, split, spec, shares, record)
    origin = None
    if isinstance(data, str | Path):
        places = {name: options[name] for name in ("data", "cache", "bad_frames")}
        found = {name: place and realpath(place) for name, place in places.items()}
        found |= {"group_by": realpath(group) if group and Path(group).is_file() else group}
        found |= {"axes": footage.axes or axes, "length": length}
        found |= {"scale": "none" if levels is None else (levels.low, levels.high)}
        origin = {"kind": "recordings", **options, **found}
    return Recordings(
        footage,
        split,
        spec,
        levels,
        parts,
        in_time,
        footage.skipped + skipped,
        tuple(notes),
        augment,
        torch.device(device),
        origin,
    )


def _as_names(factors: Any) -> tuple[str, ...]:
    """Return the names of factors, each once."""
    named = (factors,) if isinstance(factors, str) else tuple(factors)
    if not all(isinstance(name, str) for name in named) or len({*named}) < len(named):
        raise ValueError(f"factors={factors!r}: give names of arrays, each once")
    return named


def _require_options(**options: Any) -> None:
    """Refuse options of `open` by name, before anything is read."""
    if options["axes"] is not None:
        require_axes(options["axes"])
    for name, least in (("length", 2), ("stride", 1), ("every", 1)):
        if options[name] is not None or name == "every":
            require_whole(name, options[name], least)
    require_whole("frozen", options["frozen"], 0)
    if options["frozen"] == 1:
        raise ValueError("frozen=1: every image is like itself; give 2 or more, or 0 to keep all")
    for name in ("gray", "wrap", "skip_broken"):
        require_choice(name, options[name], (True, False))
    for name in ("validation", "test", "background"):
        require_real(name, options[name], 0, 1)
    require_shares(options["validation"], options["test"])
    require_choice("split_by", options["split_by"], get_args(SplitBy))
    require_seed("split_seed", options["split_seed"])
    if options["split_by"] == "start" and options["group_by"] is not None:
        raise ValueError(
            "split_by='start' shares recordings between the splits, so group_by means nothing: "
            "leave one of them out"
        )
    if options["rate"] is not None:
        require_real("rate", options["rate"], 1e-6, 1e6)
    if (size := options["size"]) is not None:
        pair = isinstance(size, tuple) and len(size) == 2
        if not pair or not all(isinstance(n, int) and n > 0 for n in size) or prod(size) > _PIXELS:
            raise ValueError(
                f"size={size}: give a height and a width of 1 or more, {_PIXELS:,} pixels at most"
            )
