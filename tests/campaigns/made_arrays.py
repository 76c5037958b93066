"""Odd and damaged files of arrays."""

import gzip
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
from fixtures import films
from made import DAMAGES, SIDE, Made
from numpy import ndarray


def saved(array: ndarray, must: str, folder: Path, random: Random) -> Made:
    np.save(folder / "films.npy", array)
    flat = array[:, :, None] if array.ndim == 4 else array
    frames = flat.reshape(-1, *flat.shape[2:]) if must == "good" else None
    return Made(folder / "films.npy", must, frames)


def values(folder: Path, random: Random) -> Made:
    """Write floats one of which no image has: its frame is cut out if it is not finite."""
    array = (films(5) / 255).astype(random.choice((np.float16, np.float32, np.float64)))
    recording, frame = random.randrange(5), random.randrange(16)
    odd = random.choice((np.nan, np.inf, -np.inf, -0.1, 1.5, 60_000.0))
    array[(recording, frame, *(random.randrange(n) for n in array.shape[2:]))] = odd
    made = saved(array, "good", folder, random)
    if np.isfinite(odd) or made.frames is None:
        return made
    frames = np.delete(made.frames, 16 * recording + frame, 0)
    return made._replace(
        must="bad", frames=frames, broken=f"films.npy[{recording}], frame {frame}"
    )


def frozen(folder: Path, random: Random) -> Made:
    """Write films of which one freezes, or goes black, for some time or to its end."""
    array = films(5, 60).astype(random.choice((np.uint8, np.uint16, np.float32)))
    recording, start, black = random.randrange(5), random.randrange(1, 40), random.random() < 0.5
    end = random.choice((60, random.randrange(start + 17, 61)))
    array[recording, start:end] = 0 if black else array[recording, start - 1]
    made = saved(array, "bad", folder, random)
    lost = 60 * recording + np.arange(start, end)
    frames = np.delete(array.reshape(-1, 1, SIDE, SIDE), lost, 0)
    return made._replace(frames=frames, broken=f"films.npy[{recording}], frame {start}")


def header(folder: Path, random: Random) -> Made:
    """Write an array whose header tells something else."""
    shapes = ("(5, 16, -1, 8, 8)", "(5, 16, 1, 8, 80)", "(99999999999, 16, 8, 8)", "(5, 16)", "5")
    shapes += ("(2**62, 4, 8, 8)", "(9223372036854775807, 2, 8, 8)", "(5.0, 16, 8, 8)", "'x'")
    shapes += ("(True, 16, 8, 8)", "None", "[5, 16, 1, 8, 8]", "(" * 300, "(1e3, 2, 8, 8)", "()")
    kinds = ("'|O'", "'|V8'", "'<U9'", "'<M8[s]'", "'>f4x'", "3", "[('a', '|u1')]")
    odd = [("'|u1'", shape) for shape in shapes] + [(kind, "(5, 16, 1, 8, 8)") for kind in kinds]
    texts = [f"{{'descr': {k}, 'fortran_order': False, 'shape': {s}, }}" for k, s in odd]
    texts += [
        "__import__('os').system('gs')",
        "{}",
        "",
        "[" * 3000,
        "{'descr': '|u1'}",
        "\xff" * 9,
    ]
    head = random.choice(texts).encode("latin1") + b"\n"
    version = random.choice((b"\x01\x00", b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x09\x09"))
    size = random.choice((len(head), len(head), len(head), 0, 65535))
    length = struct.pack("<H" if version[0] == 1 else "<I", size)
    path = folder / "films.npy"
    path.write_bytes(b"\x93NUMPY" + version + length + head + films(5).tobytes())
    return Made(path, "any")


def damaged(damage: Callable[[bytes, Random], bytes], must: str, folder: Path, random: Random):
    made = saved(films(5), must, folder, random)
    made.path.write_bytes(damage(made.path.read_bytes(), random))
    return made


def sparse(folder: Path, random: Random) -> Made:
    """Write a large file of zeros that takes no room on the disk."""
    shapes = (((2, 500_000, 32, 32), "<f4"), ((3, 2, 20_000, 20_000), "|u1"))
    shape, kind = random.choice((*shapes, ((4, 40, 4096, 4096), "|u1")))
    np.lib.format.open_memmap(folder / "films.npy", "w+", np.dtype(kind), shape).flush()
    return Made(folder / "films.npy", "any")


def npz(folder: Path, random: Random) -> Made:
    path, whole = folder / "films.npz", films(5).reshape(-1, 1, SIDE, SIDE)
    np.savez_compressed(path, films=films(5))
    match what := random.randrange(9):
        case 0 | 1 | 2 | 3:
            path.write_bytes(random.choice(DAMAGES[:3])(path.read_bytes(), random))
        case 4:
            np.savez(path, a=films(5), b=films(5))
        case 5:
            np.savez(path, films=np.array([{"a": 1}], dtype=object))
        case 6:
            with zipfile.ZipFile(path, "w") as file:
                file.writestr(random.choice(("films.npy", "../x.npy", "x.txt")), b"none")
        case 7:
            path.write_bytes(random.choice((b"", b"PK\5\6" + bytes(18), gzip.compress(b"x"))))
        case 8:
            np.save(folder / "x.npy", films(5))
            os.replace(folder / "x.npy", path)
    return Made(path, "any", whole if what in (0, 1, 2, 3) else None)


def bombed(head: bytes, megabytes: int, wbits: int) -> bytes:
    """Compress a head and many zeros, without making them all."""
    packer = zlib.compressobj(9, wbits=wbits)
    data = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return data + block * megabytes + packer.flush()


def npz_bomb(folder: Path, random: Random) -> Made:
    """Write an archive of a few MB that unpacks to 5 GB."""
    head, name = io.BytesIO(), b"films.npy"
    header = {"descr": "|u1", "fortran_order": False, "shape": (5, 250, 2048, 2048)}
    np.lib.format.write_array_header_1_0(head, header)
    data = bombed(head.getvalue(), 5000, -15)
    about = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, 0, len(data), 2**32 - 2, len(name), 0)
    central = b"PK\1\2" + struct.pack("<H", 20) + about + bytes(14) + name
    end = struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), 30 + len(name) + len(data), 0)
    content = b"PK\3\4" + about + name + data + central + b"PK\5\6" + end
    (folder / "films.npz").write_bytes(content)
    return Made(folder / "films.npz", "any")
