"""Tensors from Python, MNIST's files, images for `symgen control`: odd and damaged ones."""

import gzip
import struct
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from fixtures import cut, films
from harness import Verdict, command, judge
from made import SIDE, Made
from made_arrays import bombed
from made_folders import odd_frame


def tensors(folder: Path, random: Random) -> Made:
    return Made(folder / str(random.randrange(9999)), "tensors")


def open_tensors(path: Path) -> Verdict:
    """Open odd tensors: an error that names them, or finite frames."""
    import symgen

    good = [torch.rand(12, 1, 8, 8) for _ in range(5)]
    kinds = (torch.int64, torch.bool, torch.complex64, torch.bfloat16, torch.float16, torch.uint8)
    odd: list[Any] = [[torch.zeros(12, 1, 8, 8, dtype=kind)] for kind in kinds]
    odd += [[good[0][:1]], *([good[0] * factor] for factor in (float("nan"), 2.0, -1.0, 1e38))]
    odd += [
        [],
        [[]],
        [None],
        ["none"],
        3,
        None,
        object(),
        iter(()),
        (x for x in [1]),
        [good[0][0]],
    ]
    odd += [[torch.zeros(12, 1, 0, 8)], [torch.zeros(12, 2, 8, 8)], {"a": 1}, [np.array(["x"])]]
    odd += [[good[0], good[1].double()], [good[0].to_sparse()], [torch.zeros(3, 4, device="meta")]]
    number = int(path.name)
    data = odd[number % len(odd)]
    data = [*good, *data] if isinstance(data, list) and number % 2 else data
    try:
        source = symgen.open(data, "all", skip_broken=number % 3 == 0, length=2)
    except (ValueError, TypeError, OSError) as error:
        named = any(word in str(error) for word in ("item", "tensor", "data", "shape", "none"))
        return Verdict("detected" if named and "\n" not in str(error) else "traceback", str(error))
    return Verdict("fine" if np.isfinite(source.footage.sample).all() else "silent")


def digits(folder: Path, random: Random) -> Made:
    """Write MNIST's files, packed or not, one of them odd or a bomb."""
    images, packed = films(30, 1, 28)[:, 0, 0], random.random() < 0.6
    victim = random.choice(("images-idx3", "labels-idx1"))
    for name, array in (("images-idx3", images), ("labels-idx1", np.arange(30) % 10)):
        head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
        content = head + array.astype(np.uint8).tobytes()
        if name == victim:
            huge = struct.pack(">BBBBIII", 0, 0, 8, 3, *[random.choice((2**32 - 1, 0))] * 3)
            changes = (cut(content, random), content + b"x", huge + content[16:], b"", content)
            content = random.choice((*changes, b"\0\0\r" + content[3:], b"\0\0\x08\xff" + content))
        path = folder / f"train-{name}-ubyte{'.gz' * packed}"
        path.write_bytes(gzip.compress(content) if packed else content)
    if packed and random.random() < 0.4:
        head = struct.pack(">BBBBIII", 0, 0, 8, 3, 99, 28, 28)
        (folder / "train-images-idx3-ubyte.gz").write_bytes(bombed(head, 6000, 31))
    return Made(folder, "digits")


def show_digits(path: Path) -> Verdict:
    return judge(command("data", "vae-mnist", "--root", path), (path,))


def image(folder: Path, random: Random) -> Made:
    kinds = ("postscript", "format", "mode", "bomb", "text-bomb", "size", "damaged", "jpeg-cut")
    odd_frame(random.choice((*kinds, "no-file", "flipped")), folder / "image.png", random)
    return Made(folder / "image.png", "image")


def read_image(path: Path) -> Verdict:
    """Read an image file as `symgen control` does."""
    from symgen.data.image_files import read_image

    try:
        x, _ = read_image(path, (1, SIDE, SIDE))
    except (ValueError, OSError) as error:
        fits = str(path) in str(error) and "\n" not in str(error)
        return Verdict("detected" if fits else "traceback", str(error))
    return Verdict("fine" if x.isfinite().all() and 0 <= x.min() <= x.max() <= 1 else "silent")
