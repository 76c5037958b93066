"""CIFAR-10: its files, where they are looked for and what is said of damaged ones."""

import runpy
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pooch
import pytest
import torch

from symgen.data import Images, cifar10, load

NAMES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]


def write_cifar10(root: Path) -> dict[str, Images]:
    """Write random images, two in each file."""
    folder = root / cifar10.FOLDER
    folder.mkdir(parents=True)
    written = []
    for name in NAMES:
        images = Images(torch.randint(256, (2, 3, 32, 32)).byte(), torch.randint(10, (2,)))
        records = torch.cat([images.labels.byte()[:, None], images.pixels.flatten(1)], 1)
        (folder / name).write_bytes(records.numpy().tobytes())
        written.append(images)
    train = Images(*(torch.cat(parts) for parts in zip(*written[:5], strict=True)))
    return {"train": train, "test": written[5]}


def assert_same(found: Images, written: Images) -> None:
    assert torch.equal(found.pixels, written.pixels)
    assert torch.equal(found.labels, written.labels)


@pytest.mark.parametrize("split", ["train", "test"])
def test_read_returns_what_was_written(split, tmp_path):
    written = write_cifar10(tmp_path)
    found = cifar10.read(tmp_path / cifar10.FOLDER, split)
    assert_same(found, written[split])
    assert found.pixels.is_contiguous()


@pytest.mark.parametrize("place", ["", "cifar10"])
@pytest.mark.parametrize("named_by", ["argument", "environment"])
def test_the_folder_is_found_by_root_and_environment(place, named_by, nowhere, monkeypatch):
    written = write_cifar10(nowhere / "data" / place)
    if named_by == "environment":
        monkeypatch.setenv("SYMGEN_DATA", str(nowhere / "data"))
    root = nowhere / "data" if named_by == "argument" else None
    for split in ("train", "test"):
        assert_same(load("cifar10", root=root, split=split), written[split])


def test_a_missing_folder_says_what_where_and_what_to_do(nowhere):
    with pytest.raises(FileNotFoundError) as caught:
        load("cifar10", root=nowhere)
    said = str(caught.value)
    options = "SYMGEN_DATA", "--root", "download=True", "--download"
    for part in (cifar10.FOLDER, nowhere / "cifar10", *options):
        assert str(part) in said


@pytest.mark.parametrize(("split", "name"), [("train", "data_batch_4.bin"), ("test", NAMES[-1])])
def test_missing_batches_are_named(split, name, nowhere):
    write_cifar10(nowhere)
    path = nowhere / cifar10.FOLDER / name
    path.unlink()
    with pytest.raises(FileNotFoundError, match=f"no CIFAR-10 batch {path}: unpack all of"):
        load("cifar10", root=nowhere, split=split)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bytes(3072), "has 3072 bytes, not a multiple of the 3073"),
        (bytes(2 * 3073 + 1), "has 6147 bytes"),
        (b"", "has 0 bytes"),
        (bytes(3073) + bytes([10]) + bytes(3072), "gives image 1 the label 10, but CIFAR-10"),
    ],
    ids=["short", "long", "empty", "label"],
)
def test_damaged_batches_are_named(content, message, nowhere):
    write_cifar10(nowhere)
    path = nowhere / cifar10.FOLDER / "data_batch_2.bin"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path} {message}"):
        load("cifar10", root=nowhere)


def test_a_batch_of_a_wrong_size_is_not_read(nowhere):
    write_cifar10(nowhere)
    path = nowhere / cifar10.FOLDER / "data_batch_3.bin"
    with path.open("ab") as file:
        file.truncate(10**7 * 3073)  # sparse
    with pytest.raises(ValueError, match=f"{path} has 30730000000 bytes, .* for 1 to 10,000"):
        load("cifar10", root=nowhere)


def test_a_download_is_checked_unpacked_and_needed_once(nowhere, monkeypatch):
    written = write_cifar10(nowhere / "server")
    fetched = []

    def retrieve(url: str, known_hash: str, fname: str, path: Path, processor: Any) -> None:
        fetched.append((url, known_hash))
        Path(path).mkdir(parents=True)
        with tarfile.open(Path(path) / fname, "w:gz") as archive:
            archive.add(nowhere / "server" / cifar10.FOLDER, cifar10.FOLDER)
        processor(str(Path(path) / fname), "download", None)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    for download in (True, True, False):
        assert_same(load("cifar10", split="test", download=download), written["test"])
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    assert fetched == [(url, "md5:c32a1d4ab5d03f1284b67883e8d87530")]


def test_real_cifar10(real_data, tmp_path):
    script, archive = real_data / "unpack_cifar10.py", real_data / "cifar10" / "cifar10_jpeg.npz"
    if not script.is_file() or not archive.is_file():
        pytest.skip(f"no real CIFAR-10: there is no {script}, or no {archive}")
    folder = tmp_path / cifar10.FOLDER
    folder.mkdir()
    with np.load(archive) as content:  # the training images would take five times as long
        runpy.run_path(str(script))["records"](content, "test").tofile(folder / "test_batch.bin")
    test = load("cifar10", root=tmp_path, split="test")
    assert test.pixels.shape == (10000, 3, 32, 32)
    assert test.labels.bincount().tolist() == [1000] * 10
    # The mean colour is known, 0.491, 0.482, 0.447; ships (8) have more blue than deer (4).
    mean = test.pixels.float().mean((0, 2, 3)) / 255
    assert mean.tolist() == pytest.approx([0.491, 0.482, 0.447], abs=0.01)
    blue = [test.pixels[test.labels == label, 2].float().mean() for label in (4, 8)]
    assert blue[1] > 1.2 * blue[0]
    # Neighbouring pixels are alike only if rows and planes are read in their order.
    pixels = test.pixels[:1000].float()
    for axis in (2, 3):
        near, far = ((pixels - pixels.roll(by, axis)).abs().mean() for by in (1, 16))
        assert near < 0.5 * far
