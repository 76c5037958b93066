"""Images in their canonical pose: all of them in a file, and averages of every class."""

from collections import defaultdict
from collections.abc import Callable
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
    data; `class-NAME.png` the averages of a class before and after, and some of its images.

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
    names = reel.names.get("image")
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
                    _write_pictures(aligned, numbers, names, folder / "images")
                done += len(x)
                if observe is not None:
                    observe(done, count)

    written = [folder / "aligned.npy"]
    write_atomically(written[0], write)
    for label in sorted(classes):
        own = classes[label]
        name = reel.names["class"][label] if "class" in reel.names else str(label)
        written.append(folder / f"class-{_plain(name)}.png")
        both = torch.cat([(own.sums / own.count).float()[None], own.kept])
        shown = as_pictures(both, dims=3)[0]
        alignment_sheet(shown[1:, 0], shown[1:, 1], shown[0], written[-1])
    return written


def _plain(name: str) -> str:
    """Return a name that can be part of a file's."""
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name)


def _write_pictures(
    images: Tensor, numbers: list[int], names: list[str] | None, folder: Path
) -> None:
    (pictures,) = as_pictures(images.clamp(0, 1), dims=3)
    levels = (pictures * 255).round().to(torch.uint8).movedim(1, -1).numpy()
    for image, number in zip(levels, numbers, strict=True):
        name = str(number) if names is None else names[number]
        path = (folder / name).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(path)
