"""The published file of dSprites: read, and refused where it is damaged."""

import io
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from symgen.data import dsprites
from symgen.data.dsprites import FACTOR_SIZES, latents_of, render, unpack

COUNT = math.prod(FACTOR_SIZES)


def archive(images: np.ndarray, classes: np.ndarray, compressed: bool = True) -> bytes:
    buffer = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    metadata = np.array({"title": "stored as a pickle, which is not opened"})
    save(buffer, imgs=images, latents_classes=classes, metadata=metadata)
    return buffer.getvalue()


def content(count: int = 7) -> tuple[np.ndarray, np.ndarray]:
    latents = latents_of(
        torch.randint(COUNT, (count,), generator=torch.Generator().manual_seed(1))
    )
    return render(latents).numpy(), np.insert(latents.numpy(), 0, 0, axis=1)


@pytest.mark.parametrize("count", [0, 7, dsprites._BLOCK, dsprites._BLOCK + 3])
def test_the_published_form_is_read(tmp_path: Path, count: int) -> None:
    images, classes = content(count)
    path = tmp_path / "sprites.npz"
    path.write_bytes(archive(images, classes))
    sprites = dsprites.read_npz(path)
    assert (unpack(sprites.bits).numpy() == images).all()
    assert (sprites.latents.numpy() == classes[:, 1:]).all()


IMAGES, CLASSES_READ = content()
PACKED, PLAIN = (archive(IMAGES, CLASSES_READ, compressed) for compressed in (True, False))
COLOURED = CLASSES_READ + np.array([1, 0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"imgs": IMAGES}, "latents_classes"),
        ({"latents_classes": CLASSES_READ}, "imgs"),
        ({"imgs": IMAGES[:5], "latents_classes": CLASSES_READ}, r"\(5, 64, 64\)"),
        ({"imgs": IMAGES[:, :32], "latents_classes": CLASSES_READ}, r"\(7, 32, 64\)"),
        ({"imgs": IMAGES * 1.0, "latents_classes": CLASSES_READ}, "float64"),
        ({"imgs": IMAGES * 255, "latents_classes": CLASSES_READ}, "255"),
        ({"imgs": np.asfortranarray(IMAGES), "latents_classes": CLASSES_READ}, "Fortran"),
        ({"imgs": IMAGES, "latents_classes": CLASSES_READ[:, 1:]}, r"\(7, 5\)"),
        ({"imgs": IMAGES, "latents_classes": CLASSES_READ / 2}, "float64"),
        ({"imgs": IMAGES, "latents_classes": COLOURED}, "colour"),
        ({"imgs": IMAGES, "latents_classes": CLASSES_READ - 50}, "out of range|colour"),
    ],
)
def test_other_content_is_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray], complaint: str
) -> None:
    path = tmp_path / "sprites.npz"
    np.savez(path, allow_pickle=False, **arrays)
    with pytest.raises(ValueError, match=f"{re.escape(str(path))} .*({complaint}).* download it"):
        dsprites.read_npz(path)


@settings(
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_a_damaged_file_is_refused_or_harmless(tmp_path: Path, data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from((PACKED, PLAIN)))
    broken = bytearray(whole[: data.draw(st.integers(0, len(whole)), label="kept")])
    if broken:
        place = data.draw(st.integers(0, len(broken) - 1), label="place")
        broken[place] ^= data.draw(st.integers(1, 255), label="flipped")
    path = tmp_path / "damaged.npz"
    path.write_bytes(broken)
    try:
        sprites = dsprites.read_npz(path)
    except ValueError as error:
        assert str(path) in str(error)
    else:
        assert (unpack(sprites.bits).numpy() == IMAGES).all()
        assert (sprites.latents.numpy() == CLASSES_READ[:, 1:]).all()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(FileNotFoundError, match=re.escape(str(path))):
            dsprites.read_npz(path)
