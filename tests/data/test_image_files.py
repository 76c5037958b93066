"""Image files of one's own, of every mode and size, for models of images."""

import sys
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from symgen.data.image_files import load_pixels, read_image

SHAPE = (1, 42, 42)
PATTERN = np.random.default_rng(0).integers(0, 256, (42, 42), dtype=np.uint8)


def save(image, path):
    image.save(path)
    return path


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA", "I;16"])
def test_every_mode_gives_the_same_brightness(mode, tmp_path):
    image = Image.fromarray(PATTERN)
    if mode == "I;16":
        image = Image.fromarray(PATTERN.astype(np.uint16) * 257)
    else:
        image = image.convert("L").convert(mode)
    found, size = read_image(save(image, tmp_path / "image.png"), SHAPE)
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


DEEP = np.random.default_rng(1).integers(0, 65536, (5, 7, 4), dtype=np.uint16)
SHALLOW = (DEEP >> 8).astype(np.uint8)


def write(path, array):
    """Write (height, width, channels) as they are."""
    if path.suffix == ".tif":
        tifffile = pytest.importorskip("tifffile")
        channels = array.shape[2]
        colours = "rgb" if channels > 2 else "minisblack"
        more = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
        squeezed = array[..., 0] if channels == 1 else array
        tifffile.imwrite(path, squeezed, photometric=colours, **more)
    else:
        codecs = pytest.importorskip("imagecodecs")
        path.write_bytes(codecs.png_encode(np.ascontiguousarray(array)))
    return path


@pytest.mark.parametrize("array", [DEEP, SHALLOW], ids=["16 bits", "8 bits"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_nothing_of_a_png_is_lost(channels, array, tmp_path):
    path = write(tmp_path / "image.png", array[..., :channels])
    found = load_pixels(path)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array[..., :channels].transpose(2, 0, 1))


@pytest.mark.parametrize("array", [DEEP, SHALLOW, DEEP.astype(">u2")], ids=lambda x: x.dtype.str)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_nothing_of_a_tiff_is_lost(channels, array, tmp_path):
    path = write(tmp_path / "image.tif", array[..., :channels])
    found = load_pixels(path)
    assert found.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array[..., :channels].transpose(2, 0, 1))


def test_planes_one_after_the_other(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "planes.tif"
    planes = DEEP[..., :3].transpose(2, 0, 1)
    tifffile.imwrite(path, planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(load_pixels(path), planes)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_its_camera_says(orientation, suffix, tmp_path):
    stored = np.zeros((16, 24), np.uint8)
    stored[:8, :8] = 255  # a block in the corner
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / f"turned.{suffix}", exif=exif)
    found = load_pixels(tmp_path / f"turned.{suffix}")[0] > 128
    assert found.shape == ((16, 24) if orientation < 5 else (24, 16))
    right, low = ((orientation in places) for places in ((2, 3, 6, 7), (3, 4, 7, 8)))
    assert found[-8:, :][:, -8:].all() if (right and low) else True
    corner = found[-8:] if low else found[:8]
    assert (corner[:, -8:] if right else corner[:, :8]).all() and found.sum() == 64


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_a_colour_are_turned_too(suffix, tmp_path):
    path = write(tmp_path / f"turned{suffix}", DEEP[..., :3])
    exif = Image.Exif()
    exif[0x0112] = 6
    if suffix == ".png":
        content, chunk = path.read_bytes(), exif.tobytes()[6:]
        length, crc = len(chunk).to_bytes(4), zlib.crc32(b"eXIf" + chunk).to_bytes(4)
        path.write_bytes(content[:33] + length + b"eXIf" + chunk + crc + content[33:])
    else:
        tifffile = pytest.importorskip("tifffile")
        tag = (0x0112, "H", 1, 6, False)
        tifffile.imwrite(path, DEEP[..., :3], photometric="rgb", extratags=[tag])
    right = np.rot90(DEEP[..., :3], -1)
    np.testing.assert_array_equal(load_pixels(path), right.transpose(2, 0, 1))


def test_what_stands_for_nothing_becomes_alpha(tmp_path):
    gray = Image.fromarray(SHALLOW[..., 0] // 2)
    gray.save(tmp_path / "gray.png", transparency=200)
    assert load_pixels(tmp_path / "gray.png").shape == (2, 5, 7)
    palette = Image.fromarray(SHALLOW[..., :3]).quantize(8)
    palette.save(tmp_path / "palette.png", transparency=0)
    found = load_pixels(tmp_path / "palette.png")
    np.testing.assert_array_equal(found[3] == 0, np.asarray(palette) == 0)
    np.testing.assert_array_equal(found[:3], np.asarray(palette.convert("RGB")).transpose(2, 0, 1))


def test_what_would_lose_something_is_refused(tmp_path):
    Image.new("CMYK", (4, 4)).save(tmp_path / "ink.jpg")
    pages = [Image.new("L", (4, 4), level) for level in (0, 90, 200)]
    for name in ("pages.tif", "pages.gif", "pages.png", "pages.webp"):
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
    (tmp_path / "deep.ppm").write_bytes(b"P6 2 1 65535\n" + bytes(12))
    said = {"ink.jpg": "its colours are CMYK.*as RGB", "deep.ppm": "more than 8 bits a colour"}
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(ValueError, match=said.get(path.name, "it has 3 pages")) as error:
            load_pixels(path)
        assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    path, gray = write(tmp_path / "deep.png", DEEP), tmp_path / "gray.png"
    Image.fromarray(DEEP[..., 0]).save(gray)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    np.testing.assert_array_equal(load_pixels(gray)[0], DEEP[..., 0])  # by Pillow
    with pytest.raises(ModuleNotFoundError, match=r"deep\.png.*pip install 'symgen\[formats\]'"):
        load_pixels(path)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("array", [DEEP, SHALLOW], ids=["16 bits", "8 bits"])
def test_damage_is_refused_in_one_line(array, suffix, tmp_path):
    path, random = write(tmp_path / f"image{suffix}", array), np.random.default_rng(0)
    whole, right = path.read_bytes(), load_pixels(path)
    for number in range(60):
        content = bytearray(whole[: random.integers(len(whole)) if number % 3 == 0 else None])
        if number % 3:
            content[random.integers(len(content))] ^= 1 << int(random.integers(8))
        path.write_bytes(content)
        try:
            found = load_pixels(path)
        except ValueError as error:
            assert str(error).startswith(f"{path} ") and "\n" not in str(error)
        else:  # nothing in a TIFF tells that a number has changed
            assert suffix == ".tif" or np.array_equal(found, right)


def test_a_model_of_other_channels_takes_no_image(tmp_path):
    path = save(Image.fromarray(PATTERN), tmp_path / "image.png")
    with pytest.raises(ValueError, match="takes 2 channels, an image has 1 or 3"):
        read_image(path, (2, 42, 42))
