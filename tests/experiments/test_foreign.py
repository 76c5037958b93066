"""Images from elsewhere are brought to what a model was trained on, and it is said how."""

import numpy as np
import pytest
import torch
from PIL import Image

from symgen.experiments.foreign import bring
from symgen.models import far_outside

SHAPE = (1, 24, 24)


def letter(size: int = 24) -> np.ndarray:
    image = np.zeros((size, size), np.uint8)
    image[size // 4 : -size // 4, size // 3 : size // 2] = 255
    image[size // 4 : size // 3, size // 3 : -size // 4] = 255
    return image


LIKE = torch.from_numpy(letter())[None, None].float().expand(5, -1, -1, -1) / 255


def brought(image, tmp_path, like=LIKE, shape=SHAPE, **options):
    path = tmp_path / "image.png"
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path)
    return bring(path, shape, like, **options)


def test_an_image_that_fits_stays_as_it_is(tmp_path):
    x, notes = brought(letter(), tmp_path)
    assert torch.equal(x, LIKE[:1]) and notes == []


def test_black_on_white_becomes_white_on_black_unless_the_training_is_like_it(tmp_path):
    x, notes = brought(255 - letter(), tmp_path)
    assert torch.equal(x, LIKE[:1]) and notes == ["inverted, to lie on a ground of 0.00"]
    x, notes = brought(255 - letter(), tmp_path, like=1 - LIKE)
    assert torch.equal(x, 1 - LIKE[:1]) and notes == []
    x, notes = brought(letter(), tmp_path, invert=True)
    assert torch.equal(x, 1 - LIKE[:1]) and notes == ["inverted"]
    assert torch.equal(brought(255 - letter(), tmp_path, invert=False).x, 1 - LIKE[:1])


@pytest.mark.parametrize("ink", [0, 255])
def test_transparency_lies_over_the_ground_whatever_the_ink(ink, tmp_path):
    clear = np.stack([np.full((24, 24), ink, np.uint8)] * 3 + [letter()], -1)
    x, notes = brought(Image.fromarray(clear, "RGBA"), tmp_path)
    torch.testing.assert_close(x, LIKE[:1], atol=1e-5, rtol=0)
    assert any("transparency" in note for note in notes)
    assert any("inverted" in note for note in notes) == (ink == 0)


def test_large_images_are_made_smaller_and_small_ones_laid_in_the_middle(tmp_path):
    x, notes = brought(letter(96), tmp_path)
    assert notes == ["brought from 96 × 96 to 24 × 24"]
    assert float((x - LIKE[:1]).abs().mean()) < 0.06
    x, notes = brought(letter(16), tmp_path)
    assert notes == ["16 × 16, in the middle of a canvas of 24 × 24"]
    assert torch.equal(x[0, 0, 4:20, 4:20], torch.from_numpy(letter(16)).float() / 255)
    x, notes = brought(np.pad(letter(48), ((0, 0), (24, 24))), tmp_path)
    assert x.shape == (1, 1, 24, 24)
    assert notes == ["brought from 96 × 48 to 24 × 12, in the middle of a canvas of 24 × 24"]


def test_faint_images_are_stretched(tmp_path):
    x, notes = brought((40 + letter() // 5).astype(np.uint8), tmp_path)
    torch.testing.assert_close(x, LIKE[:1], atol=1e-5, rtol=0)
    assert notes == ["contrast stretched from 0.16…0.36 to 0.00…1.00"]


def test_colours_and_deep_gray(tmp_path):
    red = np.stack([letter(), *[np.zeros_like(letter())] * 2], -1)
    _, notes = brought(Image.fromarray(red), tmp_path)
    assert notes[0] == "colours made gray"
    assert brought(letter(), tmp_path, like=None, shape=(3, 24, 24)).x.shape == (1, 3, 24, 24)
    x, notes = brought(letter().astype(np.uint16) * 257, tmp_path)
    assert torch.equal(x, LIKE[:1]) and notes == []


def test_deep_gray_is_scaled_as_the_images_of_the_training(tmp_path):
    deep = (1000 + letter().astype(np.uint16) * 10).astype(np.uint16)
    x, notes = brought(deep, tmp_path, scale=(1000.0, 3550.0))
    torch.testing.assert_close(x, LIKE[:1], atol=1e-6, rtol=0)
    assert notes == []
    x, notes = brought(deep, tmp_path, scale=(2000.0, 3550.0))
    assert x.min() == 0 and notes == [
        "clamped to 2000…3550, as the training's images are scaled"
    ]  # fmt: skip


def test_transparency_and_margins_have_the_colour_of_the_ground(tmp_path):
    ground = torch.tensor([0.1, 0.2, 0.4])[:, None, None]
    like = ground.expand(4, 3, 24, 24).clone()
    like[..., 8:16, 8:16] = 0.9
    clear = np.stack([letter(16)] * 4, -1)
    x, _ = brought(Image.fromarray(clear), tmp_path, like=like, shape=(3, 24, 24))
    torch.testing.assert_close(x[0, :, :6, :6], ground.expand(-1, 6, 6))


def test_no_resized_image_leaves_the_range_of_the_training(tmp_path):
    x, _ = brought(255 - letter(97), tmp_path, like=1 - LIKE)
    assert float(x.min()) >= 0 and float(x.max()) <= 1


def test_what_is_no_image_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no image file"):
        bring(tmp_path / "none.png", SHAPE, LIKE)
    with pytest.raises(ValueError, match="the model takes 2 channels"):
        brought(letter(), tmp_path, shape=(2, 24, 24))


def test_far_outside_is_farther_than_the_farthest_is_from_the_middle():
    reference = torch.tensor([100.0, 110.0, 130.0])
    assert far_outside(torch.tensor([90.0, 149.0, 151.0]), reference).tolist() == [
        False, False, True,
    ]  # fmt: skip
