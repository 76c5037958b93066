"""Data sets by name, IDX files, and what is said when something is missing."""

import gzip
import hashlib
import struct
import tracemalloc
from pathlib import Path

import jaxtyping
import pooch
import pytest
import torch

from symgen.data import (
    Batches,
    DistortedImages,
    Images,
    dsprites,
    load,
    paper_split,
    read_idx,
)


def idx(values: torch.Tensor) -> bytes:
    """Write bytes in the IDX format."""
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    return header + values.numpy().tobytes()


def write_mnist(folder: Path, packed: bool = True) -> dict[str, torch.Tensor]:
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for prefix, count in (("train", 6), ("t10k", 4)):
        images = torch.randint(0, 256, (count, 5, 7), dtype=torch.uint8)
        labels = torch.randint(0, 10, (count,), dtype=torch.uint8)
        for name, values in (("images-idx3", images), ("labels-idx1", labels)):
            content = idx(values)
            path = folder / f"{prefix}-{name}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(content) if packed else content)
            written[f"{prefix}-{name}"] = values
    return written


@pytest.mark.parametrize("shape", [(5,), (2, 3), (4, 3, 2), (0, 4)])
@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_read_idx_returns_what_was_written(shape, pack, tmp_path):
    values = torch.randint(0, 256, shape, dtype=torch.uint8)
    path = tmp_path / "values"  # the content tells whether it is packed, not the name
    path.write_bytes(pack(idx(values)))
    assert torch.equal(read_idx(path), values)
    assert torch.equal(read_idx(str(path)), values)


WHOLE = idx(torch.arange(24, dtype=torch.uint8).view(2, 3, 4))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (WHOLE[:-1], r"\(2, 3, 4\), 40 bytes in all, but has 39"),
        (WHOLE + b"0", "40 bytes in all, but has 41"),
        (WHOLE[:10], "but has 10: fetch it again"),
        (WHOLE[:3], "not an IDX file"),
        (b"", "not an IDX file"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x00", "starts with '00 00 0d 01' instead of '00 00 08'"),
        (b"<html>no such file</html>", "not an IDX file"),
        (gzip.compress(WHOLE)[:-9], "damaged gzip file"),
        (gzip.compress(WHOLE)[:12] + bytes(30), "damaged gzip file"),
        (gzip.compress(WHOLE[:-1]), "but has 39"),
        (gzip.compress(WHOLE + b"0"), "but has 41 or more"),
        (b"\x00\x00\x08\x03" + b"\xff" * 12 + bytes(24), "bytes in all, but has 40"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # gzip notes the time of day
)
def test_damaged_files_are_named(content, message, tmp_path):
    path = tmp_path / "damaged"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("packed", [True, False])
def test_no_more_is_unpacked_than_what_is_announced_and_there(packed, tmp_path):
    path, rows = tmp_path / "bomb", 1 if packed else 2**31
    head = b"\x00\x00\x08\x02" + rows.to_bytes(4, "big") + b"\x00\x00\x00\x18"
    path.write_bytes(gzip.compress(head + bytes(2**25), 1) if packed else head)
    tracemalloc.start()
    with pytest.raises(ValueError, match="fetch it again"):
        read_idx(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**21


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=str(tmp_path / "none")):
        read_idx(tmp_path / "none")


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("place", ["", "mnist", "MNIST/raw", "raw"])
@pytest.mark.parametrize("named_by", ["argument", "environment"])
def test_mnist_is_found_by_root_and_environment(packed, place, named_by, nowhere, monkeypatch):
    written = write_mnist(nowhere / "data" / place, packed)
    if named_by == "environment":
        monkeypatch.setenv("SYMGEN_DATA", str(nowhere / "data"))
    root = nowhere / "data" if named_by == "argument" else None
    for split, prefix in (("train", "train"), ("test", "t10k")):
        pixels, labels = load("mnist", root=root, split=split)
        assert torch.equal(pixels[:, 0], written[f"{prefix}-images-idx3"])
        assert torch.equal(labels, written[f"{prefix}-labels-idx1"].long())


def test_root_outranks_the_environment(nowhere, monkeypatch):
    write_mnist(nowhere / "other")
    monkeypatch.setenv("SYMGEN_DATA", str(nowhere / "other"))
    with pytest.raises(FileNotFoundError, match="absent"):
        load("mnist", root=nowhere / "absent")


def test_missing_data_says_what_where_and_what_to_do(nowhere):
    with pytest.raises(FileNotFoundError) as caught:
        load("mnist", root=nowhere, split="test")
    said = str(caught.value)
    for part in ("t10k-images-idx3-ubyte.gz", nowhere / "mnist", "SYMGEN_DATA", "--root"):
        assert str(part) in said
    assert "download=True" in said
    with pytest.raises(FileNotFoundError, match=str(nowhere / "cache" / "symgen")):
        load("mnist")


def test_images_without_their_labels_are_refused(nowhere):
    write_mnist(nowhere)
    (nowhere / "train-labels-idx1-ubyte.gz").write_bytes(idx(torch.zeros(5, dtype=torch.uint8)))
    with pytest.raises(ValueError, match=r"\(6, 5, 7\) and .*labels.* \(5,\)"):
        load("mnist", root=nowhere)


@pytest.mark.parametrize("root", [None, "elsewhere"])
def test_download_checks_hashes_and_is_needed_once(root, nowhere, monkeypatch):
    fetched = []

    def retrieve(url: str, known_hash: str, fname: str, path: Path, processor: None) -> None:
        fetched.append((url, known_hash))
        write_mnist(nowhere / "server")
        Path(path).mkdir(parents=True, exist_ok=True)
        content = (nowhere / "server" / fname).read_bytes()
        (Path(path) / fname).write_bytes(content)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    root = root and nowhere / root
    first = load("mnist", root=root, split="test", download=True)
    mirror = "https://ossci-datasets.s3.amazonaws.com/mnist/"
    assert fetched == [
        (mirror + "t10k-images-idx3-ubyte.gz", "md5:9fb629c4189551a2d022fa330f9573f3"),
        (mirror + "t10k-labels-idx1-ubyte.gz", "md5:ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    again = load("mnist", root=root, split="test", download=True)
    assert torch.equal(load("mnist", split="test").pixels, first.pixels)
    assert torch.equal(again.pixels, first.pixels)
    assert len(fetched) == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnits", "unknown data set 'mnits': did you mean mnist"),
        ("dsprite", "did you mean dsprites"),
        ("cifar", "did you mean cifar10"),
        ("mnist-rst", "did you mean mnist-rts"),
        ("svhn", "choose one of cifar10, digits, digits-hue, digits-rts, .*, mnist-translated$"),
    ],
)
def test_unknown_names_get_a_hint(name, message):
    with pytest.raises(ValueError, match=message):
        load(name)


def test_unknown_splits_are_named(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match="split='validation': choose train or test"):
        load("digits", split="validation")


def test_digits_look_like_mnist():
    train, test = load("digits"), load("digits", split="test")
    assert len(train.labels) == 1438
    assert len(test.labels) == 359
    for pixels, labels in (train, test):
        assert pixels.shape == (len(labels), 1, 28, 28)
        assert set(labels.tolist()) == set(range(10))
        margin = pixels.clone()
        margin[:, :, 4:24, 4:24] = 0
        assert not margin.any()  # MNIST's digits, too, lie in the middle 20 x 20
        assert pixels.amax((1, 2, 3)).min() > 200
        assert 20 < pixels.float().mean() < 50  # MNIST: 33
    joined = torch.cat([train.pixels, test.pixels]).flatten(1)
    assert len(joined.unique(dim=0)) == 1797  # no test image is a training image


@pytest.mark.parametrize(
    ("seed", "validation", "train"),
    [
        (1, [15281, 21435, 44536], [5004, 17676, 29485]),
        (2, [10327, 11901, 13305], [6632, 41882, 57396]),
    ],
)
def test_paper_split_is_the_published_one(seed, validation, train):
    numbered = Images(torch.zeros(60000, 1, 1, 1, dtype=torch.uint8), torch.arange(60000))
    kept, held = paper_split(numbered, seed)
    assert len(kept.labels) == 48000
    assert len(held.labels) == 12000
    assert held.labels[:3].tolist() == validation
    assert kept.labels[:3].tolist() == train
    assert torch.cat([kept.labels, held.labels]).unique().numel() == 60000


def test_paper_split_keeps_images_and_labels_together():
    labels = torch.arange(50)
    for part in paper_split(Images(labels.to(torch.uint8).view(50, 1, 1, 1), labels), seed=3):
        assert torch.equal(part.pixels.flatten().long(), part.labels)


def test_dsprites_are_the_images_of_the_paper_and_those_in_between():
    pixels, labels = load("dsprites")
    assert pixels.shape == (50625, 1, 64, 64)
    assert pixels.flatten().bincount().nonzero().flatten().tolist() == [0, 255]
    assert labels.bincount().tolist() == [16875] * 3
    # Item ((((shape * 5 + scale) * 15 + orientation) * 15 + x) * 15 + y) of the paper's grid.
    number = (((1 * 5 + 3) * 15 + 7) * 15 + 2) * 15 + 14
    drawn = dsprites.render(torch.tensor([[1, 4, 14, 4, 28]]))
    assert torch.equal(pixels[number], drawn * 255)
    between, _ = load("dsprites", split="test")
    drawn = dsprites.render(torch.tensor([[1, 4, 15, 5, 29]]))
    assert torch.equal(between[number], drawn * 255)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("distortion", ["translated", "rts", "tc", "hue"])
def test_distorted_digits_are_those_of_seed_0(distortion, split):
    digits = load("digits", split=split)
    found = load(f"digits-{distortion}", split=split)
    assert torch.equal(found.labels, digits.labels)
    source = DistortedImages(digits, distortion, seed=0)
    batch = Batches(source, len(source), shuffle=False).batch(0)
    assert (found.pixels / 255 - batch.images).abs().max() <= 0.5001 / 255  # rounded, not cut


def test_distorted_mnist_is_found_where_mnist_is(nowhere):
    write_mnist(nowhere)
    assert load("mnist-rts", root=nowhere, split="test").pixels.shape == (4, 1, 7, 9)
    with pytest.raises(FileNotFoundError, match=str(nowhere / "elsewhere")):
        load("mnist-rts", root=nowhere / "elsewhere")


def test_real_mnist(real_data):
    train, test = load("mnist", root=real_data), load("mnist", root=real_data, split="test")
    assert train.pixels.shape == (60000, 1, 28, 28)
    assert test.pixels.shape == (10000, 1, 28, 28)
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    unpacked = struct.pack(">4I", 2051, 60000, 28, 28) + train.pixels.numpy().tobytes()
    assert hashlib.md5(unpacked).hexdigest() == "6bbc9ace898e44ae57da46a324031adb"
