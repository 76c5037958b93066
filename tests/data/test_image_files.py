"""Image files of one's own, of every mode and size, for models of images."""

import numpy as np
import pytest
import torch
from PIL import Image

from symgen.data.image_files import read_image

SHAPE = (1, 42, 42)
PATTERN = np.random.default_rng(0).integers(0, 256, (42, 42), dtype=np.uint8)


def save(image, path):
    image.save(path)
    return path


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA", "CMYK", "I;16"])
def test_every_mode_gives_the_same_brightness(mode, tmp_path):
    image = Image.fromarray(PATTERN)
    if mode == "I;16":
        image = Image.fromarray(PATTERN.astype(np.uint16) * 257)
    else:
        image = image.convert("RGB" if mode == "CMYK" else "L").convert(mode)
    suffix = "tif" if mode == "CMYK" else "png"
    found, size = read_image(save(image, tmp_path / f"image.{suffix}"), SHAPE)
    assert found.shape == (1, 1, 42, 42) and size == (42, 42)
    torch.testing.assert_close(
        found[0, 0], torch.from_numpy(PATTERN) / 255, atol=1.01 / 255, rtol=0
    )


def test_grey_images_are_read_for_colour_models_and_colours_stay(tmp_path):
    grey, _ = read_image(save(Image.fromarray(PATTERN), tmp_path / "grey.png"), (3, 42, 42))
    assert grey[0, 0].equal(grey[0, 2])
    red = save(Image.new("RGB", (42, 42), (255, 0, 51)), tmp_path / "red.png")
    assert read_image(red, (3, 42, 42))[0][0, :, 0, 0].tolist() == pytest.approx([1, 0, 0.2])


def test_dark_on_light_is_turned_round_and_the_transparent_is_black(tmp_path):
    drawn = np.zeros((42, 42, 4), np.uint8)  # a black square on nothing
    drawn[10:20, 10:20, 3] = 255
    path = save(Image.fromarray(drawn), tmp_path / "drawn.png")
    (found, _), (plain, _) = (read_image(path, SHAPE, invert=invert) for invert in (True, False))
    expected = torch.zeros(42, 42)
    expected[10:20, 10:20] = 1
    assert found[0, 0].equal(expected) and not plain.any()


def test_a_smaller_image_lies_in_the_middle_of_black(tmp_path):
    path = save(Image.fromarray(PATTERN[:28, :20]), tmp_path / "small.png")
    found, size = read_image(path, SHAPE, invert=True)
    assert size == (28, 20)
    middle = found[0, 0, 7:35, 11:31]
    torch.testing.assert_close(middle, 1 - torch.from_numpy(PATTERN[:28, :20]) / 255)
    assert float(found.sum()) == pytest.approx(float(middle.sum()), rel=1e-5)
    with pytest.raises(ValueError, match=r"20 × 28 pixels, the model reads 42 × 42.*to that$"):
        read_image(path, SHAPE, canvas=False)


@pytest.mark.parametrize("size", [(43, 42), (42, 43), (20, 50)])
def test_a_larger_image_is_refused_with_the_size_that_is_needed(size, tmp_path):
    path = save(Image.new("L", size), tmp_path / "large.png")
    with pytest.raises(ValueError, match=rf"{size[0]} × {size[1]} pixels.*42 × 42"):
        read_image(path, SHAPE)


def test_files_that_are_no_images_are_refused(tmp_path):
    whole = save(Image.fromarray(PATTERN), tmp_path / "whole.png").read_bytes()
    for content in (b"", b"text", whole[:-100], whole[:60] + b"\0" * 40 + whole[100:]):
        (tmp_path / "bad.png").write_bytes(content)
        with pytest.raises(ValueError, match=r"bad\.png cannot be read as an image"):
            read_image(tmp_path / "bad.png", SHAPE)
    with pytest.raises(FileNotFoundError, match="no image file"):
        read_image(tmp_path, SHAPE)
