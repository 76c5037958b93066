"""CIFAR-10 in its binary format (Krizhevsky 2009)."""

from pathlib import Path

import numpy as np
import torch

from symgen.data.images import Images, Split

__all__ = ["FOLDER", "MD5", "URL", "read"]

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"  # of that archive
FOLDER = "cifar-10-batches-bin"  # in that archive

_BATCHES = {"train": [f"data_batch_{n}.bin" for n in range(1, 6)], "test": ["test_batch.bin"]}
_RECORD = 1 + 3 * 32 * 32  # the label, then the red, green and blue planes, row by row
_MOST = 10_000  # images in a file


def read(folder: str | Path, split: Split = "train") -> Images:
    """Read colour images, 3 × 32 × 32, and their classes, 0 (airplane) to 9 (truck), in order.

    Args:
        folder: the folder with `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`.
        split: "train", 50,000 images, or "test", 10,000.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is damaged or something else.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "test_batch.bin").write_bytes(bytes([7]) + bytes(3072))
        ...     images = read(folder, "test")
        >>> tuple(images.pixels.shape), images.labels.tolist()
        ((1, 3, 32, 32), [7])
    """
    records = torch.cat([torch.from_numpy(_records(Path(folder) / n)) for n in _BATCHES[split]])
    pixels = records[:, 1:].unflatten(1, (3, 32, 32)).contiguous()
    return Images(pixels, records[:, 0].long())


def _records(path: Path) -> np.ndarray:
    if not path.is_file():
        raise FileNotFoundError(
            f"no CIFAR-10 batch {path}: unpack all of cifar-10-binary.tar.gz from {URL} there"
        )
    size = path.stat().st_size
    if not 0 < size <= _MOST * _RECORD or size % _RECORD:
        raise ValueError(
            f"{path} has {size} bytes, not a multiple of the {_RECORD} of an image, for 1 to "
            f"{_MOST:,} images: unpack it again"
        )
    records = np.fromfile(path, np.uint8).reshape(-1, _RECORD)
    wrong = np.flatnonzero(records[:, 0] > 9)
    if len(wrong):
        raise ValueError(
            f"{path} gives image {wrong[0]} the label {records[wrong[0], 0]}, but CIFAR-10 has "
            "classes 0 to 9: unpack the binary version again"
        )
    return records
