"""Odd and damaged folders of frames."""

import io
import os
import shutil
import struct
import zlib
from pathlib import Path
from random import Random

import numpy as np
from fixtures import cut, films, flipped, zeroed
from harness import command
from made import DAMAGES, SIDE, Made
from numpy import ndarray
from PIL import Image

_NAMES = ("[red]x[bold]", "[b]", "a\nb", "-x", "é", "文", "x" * 200, "a b", "%s{}", "$HOME", "x..")
_NAMES += ("[bold", "'\"", "\x1b[31m", "²", "٣", "9" * 200, "#", "x.npy.d", "~")


def folders(folder: Path, channels: int = 1) -> tuple[Path, ndarray]:
    """Write a folder of five folders of frames."""
    place, array = folder / "films", films(5, 12, channels=channels)
    for number, film in enumerate(array):
        (place / f"film {number}").mkdir(parents=True)
        for index, frame in enumerate(film):
            picture = Image.fromarray(np.ascontiguousarray(frame.transpose(1, 2, 0).squeeze()))
            picture.save(place / f"film {number}" / f"{index}.png")
    return place, array


def good(folder: Path, random: Random) -> Made:
    place, array = folders(folder, channels=random.choice((1, 3)))
    for name in random.sample((".hidden", "notes.txt", "Thumbs.db"), 2):
        (place / "film 1" / name).write_bytes(b"x")
    return Made(place, "good", array.reshape(-1, *array.shape[2:]))


def named(folder: Path, random: Random) -> Made:
    """Give one recording an odd name, and break it."""
    place, _ = folders(folder)
    name = random.choice(_NAMES)
    (place / "film 4").rename(place / name)
    if random.random() < 0.5:
        return Made(place, "any")
    (place / name / "3.png").write_bytes(b"none")
    return Made(place, "bad", broken=name)


def framed(kind: str, must: str, folder: Path, random: Random) -> Made:
    """Put something odd in the place of a frame."""
    place, array = folders(folder)
    (place / "film 4" / "3.png").unlink()
    odd_frame(kind, place / "film 4" / "3.png", random)
    good, whole = (films.reshape(-1, 1, SIDE, SIDE) for films in (array[:4], array))
    if must != "bad":
        return Made(place, must)
    # All of the film is left out, or the frame alone, or the damage was none.
    others = (np.delete(whole, 4 * 12 + 3, 0), whole)
    return Made(place, "bad", good, "film 4", (), others)


def odd_frame(kind: str, path: Path, random: Random) -> None:
    frame, buffer = Image.fromarray(films(5, 12)[4, 3, 0]), io.BytesIO()
    match kind:
        case "postscript":
            heads = (b"%!PS-Adobe-3.0 EPSF-3.0\n", b"%!PS\n", b"\xc5\xd0\xd3\xc6" + bytes(28))
            box = b"%%BoundingBox: 0 0 8 8\n%%EndComments\n%%EOF\n"
            path.write_bytes(random.choice(heads) + box + bytes(200))
        case "format":
            formats = ("GIF", "BMP", "TIFF", "WEBP", "ICO", "PCX", "TGA", "PPM", "PDF")
            frame.save(path, random.choice(formats))
        case "mode":
            mode = random.choice(("I;16", "RGBA", "P", "1", "LA", "RGB"))
            (frame if mode == "I;16" else frame.convert(mode)).convert(mode).save(path)
        case "bomb":
            side = random.choice((20_000, 65_535, 2**31 - 1, 2**32 - 1, 13_000))
            path.write_bytes(_png(side, bytes(99 * 8192), random.randrange(2)))
        case "text-bomb":
            path.write_bytes(_png(SIDE, bytes(72), random.randrange(1, 9)))
        case "size":
            Image.new("L", (random.choice((4, 9, 300, 5000)), random.choice((8, 9, 300)))).save(
                path
            )
        case "no-file":
            _no_file(path, random)
        case "damaged":
            frame.save(buffer, "PNG")
            path.write_bytes(random.choice((cut, zeroed))(buffer.getvalue(), random))
        case "jpeg-cut":
            frame.save(buffer, "JPEG")
            path.write_bytes(buffer.getvalue()[: -random.randrange(3, 60)])
        case "flipped":
            frame.save(buffer, random.choice(("PNG", "JPEG")))
            path.write_bytes(flipped(buffer.getvalue(), random, 3))


def _png(side: int, data: bytes, texts: int) -> bytes:
    """Write a gray PNG by hand, with texts that unpack to 128 MB each."""
    text = b"zTXt", b"x\0\0" + zlib.compress(bytes(2**27), 1)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)), *[text] * texts]
    chunks += [(b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    parts = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _no_file(path: Path, random: Random) -> None:
    """Put there what is no file: a link in a loop, to a device or to nothing, a pipe, a folder."""
    match random.randrange(6):
        case 0:
            os.mkfifo(path)
        case 1:
            path.mkdir()
        case number:
            path.symlink_to((path, "/dev/zero", "/none/such", "/dev/stdin")[number - 2])


def tree(folder: Path, random: Random) -> Made:
    """Write a tree that is no folder of recordings, or one with loops."""
    place, array = folders(folder)
    match random.randrange(8):
        case 0:
            (place / "film 5").symlink_to(place)
        case 1:
            (place / "film 5").mkdir()
        case 2:
            shutil.copy(place / "film 1" / "0.png", place)
        case 3:
            shutil.rmtree(place)
            place.mkdir()
        case 4:
            (place / "film 5").symlink_to("film 5")
        case 5:
            os.rename(place / "film 4", os.fsencode(place) + b"/\xff\xfe")
        case 6:
            (place / "film 5").mkdir()
            shutil.copy(place / "film 1" / "0.png", place / "film 5")
        case 7:
            return Made(place / "film 0", "good", array[0])
    return Made(place, "any")


def no_recording(folder: Path, random: Random) -> Made:
    path = folder / f"films{random.choice(('.npy', '.npz', '.mp4', '', '.gif', '.txt', '.tar'))}"
    what = random.randrange(4)
    if what < 2:
        _no_file(path, random)
    elif what == 2:
        path.write_bytes(random.randbytes(random.choice((0, 1, 5000))))
    return Made(path, "bad")


def with_options(folder: Path, random: Random) -> Made:
    place, _ = folders(folder, channels=3)
    choices = ("--size 3 3", "--gray", "--length 13", "--every 20", "--rate 3", "--stride 5")
    choices += ("--examples 400", "--size 99999 99999", "--size 1 1", "--length 2 --stride 1")
    return Made(place, "any", options=tuple(random.choice(choices).split()))


def cached(folder: Path, random: Random) -> Made:
    """Damage what a cache holds, between two commands."""
    place, array = folders(folder)
    command("data", "inspect", place, "--cache", folder / "cache")
    for path in (folder / "cache").iterdir():
        if path.is_file() and random.random() < 0.7:
            path.write_bytes(random.choice(DAMAGES)(path.read_bytes(), random))
    return Made(place, "good", array.reshape(-1, 1, 8, 8), "", ("--cache", str(folder / "cache")))
