"""Aligned images: every file has a name of its own, whatever classes and images are called."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ace_helpers import SMALL

from symgen import ACE
from symgen.experiments.alignment import align
from symgen.experiments.reel import Reel

COUNT = 6


def written(folder: Path, names: dict[str, list[str]]) -> list[Path]:
    """Align images of the classes 0, 1, 2, 0, 1, 2, or what a model takes for them."""
    model = ACE(**SMALL).eval()
    x = torch.rand(COUNT, *SMALL["data_shape"])
    encode: Any = model.encode

    def told(x: torch.Tensor) -> Any:
        return encode(x)._replace(y=torch.arange(COUNT) % 3)

    model.encode = told  # pyright: ignore
    reel = Reel(np.ones(COUNT, np.int64), iter([(x, {"image": torch.arange(COUNT)})]), names)
    return align(model, reel, folder, examples=2, pictures=True)


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (["a b", "a-b", "c"], ["a-b-0", "a-b-1", "c"]),
        (["a b", "a-b", "a-b-0"], ["a-b-0_", "a-b-1", "a-b-0"]),
        (["Cat", "cat", "dog"], ["Cat-0", "cat-1", "dog"]),  # one file where case means nothing
        (None, ["0", "1", "2"]),
    ],
)
def test_every_class_has_a_picture_of_its_own(classes, expected, tmp_path):
    paths = written(tmp_path, {} if classes is None else {"class": classes})
    assert paths == [
        tmp_path / name for name in ["aligned.npy", *map("class-{}.png".format, expected)]
    ]
    assert all(path.is_file() for path in paths)


def test_every_image_has_a_picture_of_its_own(tmp_path):
    names = ["x/0.bmp", "x/0.png", "x/1.png", "y/0.png", "cell.1", "cell.2"]
    written(tmp_path, {"image": names})
    found = {str(path.relative_to(tmp_path / "images")) for path in tmp_path.rglob("*/*.png")}
    expected = {"x/0.bmp.png", "x/0.png.png", "x/1.png", "y/0.png", "cell.1.png", "cell.2.png"}
    assert found == expected


def test_images_without_names_have_numbers(tmp_path):
    written(tmp_path, {})
    found = {path.name for path in (tmp_path / "images").iterdir()}
    assert found == {f"{number}.png" for number in range(COUNT)}
