"""Data of single images: built-in ones with labels, and one's own."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch

from symgen._typed import Count, Range, Seed, Share, Whole
from symgen.data import DistortedImages, load
from symgen.data.distorted import DEGREES
from symgen.data.image_labels import is_file_of_labels
from symgen.data.images import Images
from symgen.data.labelled import OwnImages, Repeated, repeats
from symgen.data.own_images import ImageSplit, open_images
from symgen.data.recordings import Scale
from symgen.experiments.data_config import DataConfig

__all__ = ["ImageData", "OwnImageData", "RunImageData"]


@dataclass(frozen=True)
class ImageData(DataConfig):
    """Labelled images, distorted or not."""

    kind: ClassVar[str] = "images"
    place: ClassVar[str | None] = "root"
    frames: ClassVar[int] = 1

    images: Literal["mnist", "digits", "cifar10"] = "mnist"
    """MNIST, scikit-learn's embedded digits, or CIFAR-10."""
    distortion: Literal["none", "translated", "rts", "tc", "hue"] = "none"
    """What is done to them: nothing, shifts, RTS, TC (clutter), or a hue."""
    fixed: bool = False
    """One distortion per training image; otherwise afresh every time. Test images: always one."""
    distortion_seed: Seed = 0
    """Seed of the fixed distortions, and of the choice of images that keep their label."""
    degrees: Annotated[float, Range(0, 180)] = DEGREES
    """Greatest rotation of RTS, either way."""
    labels: Whole | None = None
    """Training images of each class that keep their label, 0 for none; None: all."""
    only_labelled: bool = False
    """Train on the images that keep their label alone: what is learned without the others."""
    classes: Count | None = None
    """Clusters to find without labels; None: as many as there are classes."""
    validation: Whole = 0
    """Last training images to leave out of the training and to measure on, instead of the test's:
    for choices that no test image may decide."""
    root: Path | None = None
    """Folder of the image files; None: the environment variable SYMGEN_DATA."""
    download: bool = False
    """Fetch missing files over the network, with checked hashes."""

    def source(self, train: bool, device: str = "cpu") -> DistortedImages | Repeated:
        """Open the training or the test images; a device makes the batches."""
        if self.classes is not None and self.labels != 0:
            given = f"classes={self.classes} with labels={self.labels}"
            raise ValueError(f"{given}: clusters are found where no label is, with labels=0")
        split = "train" if train or self.validation else "test"
        images = load(self.images, self.root, split=split, download=self.download)
        if self.validation:
            count = len(images.labels) - self.validation
            if count < 1:
                raise ValueError(
                    f"validation={self.validation} of {len(images.labels)} training images: leave "
                    "some to train on"
                )
            chosen = slice(count) if train else slice(count, None)
            images = Images(images.pixels[chosen], images.labels[chosen])
        images = images._replace(pixels=images.pixels.to(device))
        source = DistortedImages(
            images,
            self.distortion,
            fixed=self.fixed or not train,
            seed=self.distortion_seed,
            degrees=self.degrees,
            labels=self.labels if train or not self.only_labelled else None,
        )
        source.classes = self.classes or source.classes
        if train and self.only_labelled and source.labelled != "some":
            given = f"only_labelled=True with labels={self.labels}"
            raise ValueError(f"{given}: say how many of each class keep their label")
        if not train or source.labelled != "some":
            return source
        if self.only_labelled:
            return source.only(source.known >= 0)
        return Repeated(source, torch.from_numpy(repeats(source.known.cpu().numpy())))


@dataclass(frozen=True)
class OwnImageData(DataConfig):
    """One's own images, and their classes if they have any."""

    kind: ClassVar[str] = "own-images"
    place: ClassVar[str | None] = "data"
    frames: ClassVar[int] = 1

    data: Path | None = None
    """Images: a folder of folders, one for each class; a folder of images; or an array (.npy .npz
    .h5 .zarr .tif .mat)."""
    labels: str | None = None
    """Name of the array of labels, or a file of lines image,label (.csv), or of a number for each
    image (.npy), -1 for none."""
    ignore_labels: bool = False
    """Hide the labels from the training; what is found is compared with them."""
    classes: Count | None = None
    """Clusters to find where no image has a label; None: 1."""
    class_names: tuple[str, ...] | None = None
    """Names of the classes in the order of their numbers; None: as they are found."""
    axes: str | None = None
    """What the axes of an array are, in their order: N images, C channels, Y X height and width,
    such as NYX or NYXC."""
    key: str | None = None
    """Name of the array of images in a file of several."""
    files: str | None = None
    """Which files of folders to read, such as '*.png'."""
    scale: Scale = "auto"
    """Numbers that become 0 and 1: LOW HIGH; dtype, all that the type holds; percentile P, the
    percentiles 100 - P and P; none, as they are; auto chooses."""
    gray: bool = False
    """Turn colours to gray."""
    size: tuple[int, int] | None = None
    """Height and width to resize images to."""
    background: Share = 0.0
    """Gray level, 0 to 1, behind transparent images."""
    validation: Share = 0.1
    """Share of the images of each class that is kept for validation."""
    test: Share = 0.1
    """Share of the images of each class that is kept for the test."""
    split_seed: Seed = 0
    """Seed of the choice of images."""

    def resolved(self, source: OwnImages) -> "OwnImageData":
        """Return the same images with what was found out: nothing is guessed again."""
        assert self.data is not None
        path = self.labels
        if path is not None and is_file_of_labels(path):
            path = str(Path(path).absolute())
        found = {"data": self.data.absolute(), "labels": path}
        found |= {"class_names": source.class_names or None}
        found |= {"scale": "none" if source.scale is None else source.scale}
        return replace(self, **found)

    def located(self, place: Path | None) -> "OwnImageData":
        """Return the same images in another place, or others: `open_any` finds out."""
        return self if place is None else self._of_run(data=place, elsewhere=True)

    def split_as(self, record: dict[str, Any]) -> "OwnImageData":
        """Return the same images, which are refused once they are not those of a record."""
        return self._of_run(record=record)

    def _of_run(self, **known: Any) -> "RunImageData":
        return RunImageData(**{e.name: getattr(self, e.name) for e in fields(self)} | known)

    def open(self, split: ImageSplit, device: str = "cpu") -> OwnImages:
        """Open a split of the images.

        Raises:
            ValueError: if they are not those on record, and see `open_images`.
        """
        return self._opened(split, device=device)

    def open_any(self, split: ImageSplit | None) -> tuple[OwnImages, bool]:
        """Open the images that were trained on, or others, which are in no split.

        Returns:
            The images, each of them once, and whether they are others.

        Raises:
            ValueError: for a split of others, and see `open`.
        """
        return replace(self.open(split or "all"), balanced=False), False

    def _opened(self, split: ImageSplit, **how: Any) -> OwnImages:
        if self.data is None:
            raise ValueError("no images are named: give their path, as with --data PATH")
        options = {e.name: getattr(self, e.name) for e in fields(OwnImageData)}
        return open_images(options.pop("data"), split, **how, **options)

    def validation_source(self, device: str = "cpu") -> OwnImages | None:
        """Open the images that choose the best weights of a training."""
        return self.open("validation", device) if self.validation else None

    def source(self, train: bool, device: str = "cpu") -> OwnImages:
        """Open the images to train on or those of the test; a device makes the batches."""
        return self.open("train" if train else "test", device)


@dataclass(frozen=True)
class RunImageData(OwnImageData):
    """Images of a run: those that it was trained on, or others in their place."""

    record: dict[str, Any] | None = None
    """What `OwnImages.record` was of all images; None: nothing is compared."""
    elsewhere: bool = False
    """The images lie elsewhere than in the training, and may be others."""

    def open(self, split: ImageSplit, device: str = "cpu") -> OwnImages:
        """Open a split of the images, which must be those on record."""
        record = None if self.record is None else self.record["all"]
        return self._opened(split, device=device, record=record)

    def open_any(self, split: ImageSplit | None) -> tuple[OwnImages, bool]:
        """Open the images that were trained on, or others, which are in no split."""
        if not self.elsewhere:
            return super().open_any(split)
        others = replace(self, labels=None)  # which are where they are usually, if there are any
        source = others._opened("all", others=True)
        same = {} if self.record is None else self.record["all"]
        if source.record == same:
            return super().open_any(split)
        if source.record["images"] == same.get("images"):
            note = (
                f"{self.data} has the images of the training but other labels: splits follow from "
                "labels, so the images are in none"
            )
            source = replace(source, notes=(*source.notes, note))
        if split not in (None, "all"):
            raise ValueError(
                f"split={split!r}: {self.data} holds other images or labels than the run was "
                "trained on, which are in no split: leave it out"
            )
        return source, True
