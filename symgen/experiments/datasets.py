"""Data of experiments as values: which, how they are split, and where the files are."""

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from symgen._errors import nearest
from symgen._typed import Count, Range, Seed, Share, Whole, typed_values
from symgen.data import (
    BouncingDigits,
    MovingSprites,
    Recordings,
    TransformingDigits,
    load,
)
from symgen.data import open as open_recordings
from symgen.data.bouncing_digits import CYCLE as BOUNCE
from symgen.data.dsprites_sequences import CYCLE
from symgen.data.images import paper_split
from symgen.data.items import ItemSource, Wanted
from symgen.data.options import MOST_FRAMES
from symgen.data.recordings import DEFAULT_LENGTH, Change, RecordingSplit, Scale, SplitBy
from symgen.data.transforming_digits import GROWTH, SCALES
from symgen.experiments.data_config import DataConfig
from symgen.experiments.image_data import ImageData, OwnImageData

DigitsMode = Literal["single", "rotation+hue", "perspective+hue", "growth", "still"]
SpritesMode = Literal["single", "position"]


@dataclass(frozen=True)
class DigitsData(DataConfig):
    """Transforming digits, or still ones."""

    kind: ClassVar[str] = "digits"
    place: ClassVar[str | None] = "root"

    images: Literal["mnist", "digits"] = "mnist"
    """Handwriting that moves: MNIST, or scikit-learn's embedded digits."""
    mode: DigitsMode = "single"
    """What moves: one of rotation, scale and hue, two together, the scale without wrapping around
    (growth), or nothing."""
    test_mode: DigitsMode | None = None
    """What moves in the test; None: the same."""
    split_seed: Seed = 0
    """Seed of the split of MNIST's training images, of which 48,000 are trained on."""
    validation: bool = False
    """Measure on MNIST's 12,000 other training images instead of the test's: for choices that no
    test image may decide."""
    root: Path | None = None
    """Folder of the image files; None: the environment variable SYMGEN_DATA."""
    download: bool = False
    """Fetch missing files over the network, with checked hashes."""

    def source(self, train: bool, device: str = "cpu") -> TransformingDigits:
        """Open the training sequences or those of the test digits; a device makes them."""
        if self.validation and self.images != "mnist":
            given = f"validation of images={self.images!r}"
            raise ValueError(f"{given}: only 'mnist' keeps some for it")
        split = "train" if train or self.validation else "test"
        images = load(self.images, self.root, split=split, download=self.download)
        if split == "train" and self.images == "mnist":
            images = paper_split(images, self.split_seed)[0 if train else 1]
        return TransformingDigits(
            images.pixels.to(device), self.mode if train else self.test_mode or self.mode
        )

    def labelled_images(self) -> tuple[Tensor, Tensor]:
        """Return test images (n, 1, H, W) uint8 and their classes (n,)."""
        images = load(self.images, self.root, split="test", download=self.download)
        return images.pixels, images.labels

    @property
    def frames(self) -> int:
        """Frames in a sequence."""
        return {"still": 1, "growth": GROWTH}.get(self.mode, len(SCALES))


@dataclass(frozen=True)
class BounceData(DataConfig):
    """Digits that move in a box and bounce off its walls."""

    kind: ClassVar[str] = "bounce"
    place: ClassVar[str | None] = "root"

    images: Literal["mnist", "digits"] = "digits"
    """Handwriting that moves: MNIST, or scikit-learn's embedded digits."""
    size: Annotated[int, Range(29, 1024)] = 48
    """Height and width of a frame."""
    length: Annotated[int, Range(2)] | None = None
    """Frames in a sequence, and of the way back to its start; None: 18."""
    root: Path | None = None
    """Folder of the image files; None: the environment variable SYMGEN_DATA."""
    download: bool = False
    """Fetch missing files over the network, with checked hashes."""

    def source(self, train: bool, device: str = "cpu") -> BouncingDigits:
        """Open the sequences of the training or of the test digits; a device makes them."""
        split = "train" if train else "test"
        images = load(self.images, self.root, split=split, download=self.download)
        return BouncingDigits(images.pixels.to(device), self.length, self.size)

    @property
    def frames(self) -> int:
        """Frames in a sequence."""
        return self.length or BOUNCE


@dataclass(frozen=True)
class SpritesData(DataConfig):
    """DSprites that move, drawn as they are needed."""

    kind: ClassVar[str] = "sprites"

    mode: SpritesMode = "single"
    """What moves: one of scale, orientation and the two positions, or one of the positions."""
    length: Annotated[int, Range(1, MOST_FRAMES)] | None = None
    """Frames of a sequence, from its first one on; None: all 15, a full cycle."""
    split_seed: Seed = 0
    """Seed of the choice of orbits that are held out."""
    validation: bool = False
    """Leave a tenth of the orbits out of the training and measure on them, instead of the test's:
    for choices that no test orbit may decide."""

    def source(self, train: bool, device: str = "cpu") -> MovingSprites:
        """Open the training sequences or those held out for the test; a device makes them."""
        return MovingSprites(
            "train" if train else "test",
            split_seed=self.split_seed,
            device=device,
            mode=self.mode,
            frames=self.length,
            validation=self.validation,
        )

    @property
    def frames(self) -> int:
        """Frames in a sequence."""
        return self.length or CYCLE


@dataclass(frozen=True)
class RecordingData(DataConfig):
    """One's own recordings, how they are cut into clips, and how they are split."""

    kind: ClassVar[str] = "recordings"
    place: ClassVar[str | None] = "data"
    record: ClassVar[dict[str, Any] | None] = None

    data: Path | None = None
    """Recordings: a file of arrays (.npy .npz .h5 .zarr .tif .mat), a folder of frames, a video,
    or folders of such files, of any depth."""
    axes: str | None = None
    """What the axes of arrays are, in their order: N recordings, T frames, C channels, Z Y X
    depth, height and width, F features; such as NTYX, TYXC, NTF."""
    key: str | None = None
    """Name of the array in a file of several."""
    files: str | None = None
    """Which files of folders to read, such as '*.png'."""
    scale: Scale = "auto"
    """Numbers that become 0 and 1: LOW HIGH; dtype, all that the type holds; percentile P, the
    percentiles 100 - P and P; none, as they are; auto chooses for images."""
    gray: bool = False
    """Turn colours to gray."""
    size: tuple[int, int] | None = None
    """Height and width to resize frames to."""
    background: Share = 0.0
    """Gray level, 0 to 1, behind transparent images."""
    length: Annotated[int, Range(2)] | None = None
    """Frames in a clip; None: 16, or fewer where all recordings are shorter."""
    stride: Count | None = None
    """Frames of a recording between the starts of its clips; None: 1 in training, and as many as
    a clip covers in the test."""
    every: Count = 1
    """Take every k-th frame of a recording."""
    rate: float | None = None
    """Frames per second to resample videos to."""
    wrap: bool = False
    """Recordings come full circle: clips go on from the last frame to the first."""
    validation: Share = 0.1
    """Share of the recordings that is kept for validation."""
    test: Share = 0.1
    """Share of the recordings that is kept for the test."""
    split_by: SplitBy = "recording"
    """What is dealt out: recordings, so that no frame is in two splits; or the starts of clips,
    so that the test is of known objects from other starting views."""
    split_seed: Seed = 0
    """Seed of the choice of recordings."""
    group_by: str | None = None
    """What must not be in two splits: parent, recordings of one folder or file; a file of lines
    recording,group; or a regular expression for their names."""
    bad_frames: Path | None = None
    """File of lines recording,frame or recording,first-last: frames to cut out."""
    frozen: Whole = 16
    """Images in a row that are exactly equal from which they are cut out as frozen; 0 keeps."""
    skip_broken: bool = False
    """Cut out images that cannot be read, and leave out recordings that are broken or too short;
    all are listed."""
    factors: tuple[str, ...] = ()
    """Arrays beside that of the recordings: a number for each recording or frame."""
    augment: tuple[Change, ...] = ()
    """Changes of each training clip as a whole, drawn afresh each time: shift, rotate, scale and
    shear are one warp, mirror and flip swap sides, reverse runs it backwards, brightness is a
    gamma. None in validation and test."""
    cache: Path | None = None
    """Folder to keep decoded frames in; None: a temporary one until the command ends."""

    def resolved(self, source: Recordings) -> "RecordingData":
        """Return the same recordings with what was found out: nothing is guessed again."""
        if source.origin is None:
            return self
        found = {name: source.origin[name] for name in ("axes", "scale", "length", "group_by")}
        for name in ("data", "cache", "bad_frames"):
            place: Path | None = getattr(self, name)
            found[name] = None if place is None else place.absolute()
        return replace(self, **found)

    def words(self) -> list[str]:
        """Return the options that are not as by default, as words of a command."""
        words: list[str] = []
        for entry in fields(self):
            value = getattr(self, entry.name)
            if entry.name == "data" or value == entry.default:
                continue
            several = value if isinstance(value, tuple) else (value,)
            given = [f"{one:g}" if isinstance(one, float) else str(one) for one in several]
            words += [f"--{entry.name.replace('_', '-')}", *([] if value is True else given)]
        return words

    def open(self, split: RecordingSplit, device: str = "cpu") -> Recordings:
        """Open a split of the recordings."""
        if self.data is None:
            raise ValueError("no recordings are named: give their path, as with --data PATH")
        options = {e.name: getattr(self, e.name) for e in fields(self) if e.name != "data"}
        return open_recordings(self.data, split, device=device, record=self.record, **options)

    def split_as(self, record: dict[str, Any]) -> "RecordingData":
        """Return the same recordings, split as on record, whatever else has come by now."""
        same = replace(self)
        object.__setattr__(same, "record", record)
        return same

    def read_as(self, **options: Any) -> "RecordingData":
        """Return the same recordings and split, with other options to read them by."""
        same = replace(self, **options)
        return same if self.record is None else same.split_as(self.record)

    def validation_source(self, device: str = "cpu") -> Recordings | None:
        """Open the clips that choose the best weights of a training."""
        return self.open("validation", device) if self.validation else None

    def source(self, train: bool, device: str = "cpu") -> Recordings:
        """Open the clips to train on or those of the test; a device makes them."""
        return self.open("train" if train else "test", device)

    @property
    def frames(self) -> int:
        """Frames in a clip, unless recordings are too short."""
        return self.length or DEFAULT_LENGTH


@dataclass(frozen=True)
class ArrayData(DataConfig):
    """A file of the arrays that a run was trained on from Python: all items, none held out."""

    kind: ClassVar[str] = "array"
    place: ClassVar[str | None] = "data"

    shape: tuple[int, ...] = ()
    """Shape of an item, its frames first if it is a sequence."""
    sequence: bool = True
    """Whether an item is a sequence."""
    data: Path | None = None
    """The array as .npy."""

    def source(self, train: bool, device: str = "cpu") -> ItemSource:
        """Open all items, of which nothing is held out."""
        if self.data is None:
            raise ValueError(
                "this run was trained on an array in memory: name a file of such items, "
                f"(n, {', '.join(map(str, self.shape))}), with --data PATH (.npy)"
            )
        try:
            items = torch.from_numpy(np.load(self.data, allow_pickle=False))
        except (OSError, ValueError, TypeError) as error:
            raise ValueError(f"{self.data} cannot be read as an array: {error}") from error
        data_shape = self.shape[1:] if self.sequence else self.shape
        return ItemSource(items, self.frames, data_shape, Wanted(self.shape))

    @property
    def frames(self) -> int:
        """Frames in an item."""
        return self.shape[0] if self.sequence and self.shape else 1


_KINDS: dict[str, type[Any]] = {
    kind.kind: kind
    for kind in (
        *(DigitsData, BounceData, SpritesData),
        *(ImageData, OwnImageData, RecordingData, ArrayData),
    )
}


def data_to_json(data: DataConfig) -> dict[str, Any]:
    """Return data as plain JSON values."""
    # Of the fields of its kind alone: what a run knows of its data besides is no setting.
    values = {entry.name: getattr(data, entry.name) for entry in fields(_KINDS[data.kind])}
    return {"kind": data.kind, **json.loads(json.dumps(values, default=str))}


def data_from_json(values: dict[str, Any]) -> DataConfig:
    """Read what `data_to_json` returned."""
    values = dict(values)
    kind = values.pop("kind", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"data of kind {kind!r}: this version knows {', '.join(_KINDS)}")
    made = _KINDS[kind]
    names = [entry.name for entry in fields(made)]
    for name in values:
        if name not in names:
            raise ValueError(f"data of kind {kind!r} have no {name!r}: {nearest(name, names)}")
    return made(**typed_values(made, values))
