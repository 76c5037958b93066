"""Images in their canonical pose: all of them in a file, and averages of every class."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from symgen._files import write_atomically
from symgen.experiments.reel import Reel
from symgen.figures import alignment_sheet, as_pictures
from symgen.models import canonical_images

__all__ = ["align"]

Observe = Callable[[int, int], object]


class _Class:
    """What is kept of the images of a class: some of them, and sums of all."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.count = 0
        self.sums = torch.zeros(2, *shape, dtype=torch.float64)
        self.kept = torch.zeros(0, 2, *shape)

    def add(self, pairs: Float[Tensor, "n 2 *data"], most: int) -> None:
        self.count += len(pairs)
        self.sums += pairs.double().sum(0)
        self.kept = torch.cat([self.kept, pairs[: most - len(self.kept)]])


@torch.no_grad()
def align(
    model: Any,
    reel: Reel,
    folder: Path,
    *,
    examples: int = 8,
    pictures: bool = False,
    observe: Observe | None = None,
) -> list[Path]:
    """Write every image in its canonical pose, and a montage of every class.

    `aligned.npy` has all images (n, channels, height, width) in their order, in the numbers of the
    data; `class-NAME.png` the averages of a class before and after, and some of its images. Names
    that would be those of several files end in the number of the class, and those of pictures in
    the suffix of the image.

    Args:
        model: an ACE with a pose.
        reel: the images.
        folder: where to write; made if it is not there.
        examples: images in a montage.
        pictures: also write each image as a PNG into the folder `images`.
        observe: is given how many images of how many are done.

    Returns:
        The files, but for those in `images`.
    """
    if model.pose is None:
        raise ValueError(
            "this model infers no pose, so there is nothing to align: train one with --pose affine"
        )
    device = next(model.parameters()).device
    count, shape = len(reel), model.data_shape
    low, high = model.data_scale or (0.0, 1.0)
    pictured = _pictures_of(reel.names["image"]) if "image" in reel.names else None
    names = _names_of(reel.names.get("class") or [str(label) for label in range(model.classes)])
    classes: dict[int, _Class] = defaultdict(lambda: _Class(shape))
    folder.mkdir(parents=True, exist_ok=True)

    def write(partial: Path) -> None:
        with open(partial, "wb") as file:  # not by name, to which numpy adds a suffix
            header = {"descr": "<f4", "fortran_order": False, "shape": (count, *shape)}
            np.lib.format.write_array_header_1_0(file, header)
            done = 0
            for x, known in reel.blocks:
                x = x.to(device)
                posterior = model.encode(x)
                aligned = canonical_images(model, x, posterior.pose).cpu()
                file.write(((aligned * (high - low) + low).numpy().astype("<f4")).tobytes())
                pairs, y = torch.stack([x.cpu(), aligned], 1), posterior.y.cpu()
                for label in y.unique().tolist():
                    classes[label].add(pairs[y == label], examples)
                if pictures:
                    numbers = known["image"].tolist()
                    _write_pictures(aligned, numbers, pictured, folder / "images")
                done += len(x)
                if observe is not None:
                    observe(done, count)

    written = [folder / "aligned.npy"]
    write_atomically(written[0], write)
    for label in sorted(classes):
        own = classes[label]
        written.append(folder / f"class-{names[label]}.png")
        both = torch.cat([(own.sums / own.count).float()[None], own.kept])
        shown = as_pictures(both, dims=3)[0]
        alignment_sheet(shown[1:, 0], shown[1:, 1], shown[0], written[-1])
    return written


def _names_of(classes: Sequence[str]) -> list[str]:
    """Return names of classes that can be part of a file's, each another.

    Example:
        >>> _names_of(["a b", "a-b", "A", "c"])
        ['a-b-0', 'a-b-1', 'A', 'c']
    """
    plain = ["".join(c if c.isalnum() or c in "-_." else "-" for c in name) for name in classes]
    return _different(plain, [f"{name}-{number}" for number, name in enumerate(plain)])


def _pictures_of(images: Sequence[str]) -> list[str]:
    """Return names for pictures of images, without a suffix, each another.

    Example:
        >>> _pictures_of(["cat/0.png", "cat/0.bmp", "cat/1.png"])
        ['cat/0.png', 'cat/0.bmp', 'cat/1']
    """
    return _different([str(Path(name).with_suffix("")) for name in images], images)


def _different(names: Sequence[str], longer: Sequence[str]) -> list[str]:
    """Return names, or the longer ones where several are the same to some system of files."""
    counts = Counter(name.casefold() for name in names)
    taken = {name for name, count in counts.items() if count == 1}
    chosen: list[str] = []
    for short, name in zip(names, longer, strict=True):
        if counts[short.casefold()] == 1:
            name = short
        else:
            while name.casefold() in taken:
                name += "_"
            taken.add(name.casefold())
        chosen.append(name)
    return chosen


def _write_pictures(
    images: Tensor, numbers: list[int], names: list[str] | None, folder: Path
) -> None:
    (pictures,) = as_pictures(images.clamp(0, 1), dims=3)
    levels = (pictures * 255).round().to(torch.uint8).movedim(1, -1).numpy()
    for image, number in zip(levels, numbers, strict=True):
        name = str(number) if names is None else names[number]
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(path)
