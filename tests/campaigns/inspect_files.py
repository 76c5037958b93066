"""Odd and damaged files put through `symgen data inspect`, and read again from Python.

A maker says what must become of its file: "good" is read as it was written; "bad" is refused by
name or, with --skip-broken, left out and listed; "any" is refused or read as values in range, and
so are "bits", of which no reader can tell that they were others.
"""

import gzip
import io
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import torch
from fixtures import cut, films, flipped, zeroed
from harness import Case, Verdict, command, judge
from numpy import ndarray
from PIL import Image

_NAMES = ("[red]x[bold]", "[b]", "a\nb", "-x", "é", "文", "x" * 200, "a b", "%s{}", "$HOME", "x..")
_NAMES += ("[bold", "'\"", "\x1b[31m", "²", "٣", "9" * 200, "#", "x.npy.d", "~")
_DAMAGES = (cut, zeroed, partial(flipped, bits=5), lambda c, r: b"")
_SIDE = 8
_AT_ONCE = 2**26  # bytes that are compared together


class Made(NamedTuple):
    """What a maker has written."""

    path: Path
    must: str
    frames: ndarray | None = None  # of all good recordings, in order
    broken: str = ""  # what an error or the list of skipped recordings must name
    options: tuple[str, ...] = ()
    whole: ndarray | None = None  # all frames, should the damage turn out to be none


Maker = Callable[[Path, Random], Made]


def prepare(base: Path) -> None:
    """Nothing is shared."""


def cases(base: Path, seed: int) -> list[Case]:
    """Return the cases: every kind of file, several times, half of them with --skip-broken."""
    made = []
    for name, (maker, count) in _makers().items():
        for number in range(count):
            run = partial(_inspected, maker, f"{seed} {name} {number // 2}", bool(number % 2))
            made.append(Case(f"{name}-{number}", run))
    return made


def _inspected(maker: Maker, seed: str, skip: bool, folder: Path) -> Verdict:
    made = maker(folder, Random(seed))
    if made.must in _OTHERWISE:
        return _OTHERWISE[made.must](made.path)
    ended = command("data", "inspect", made.path, *made.options, *["--skip-broken"] * skip)

    def right() -> Verdict:
        skipped = skip and _squeezed(made.broken) in _squeezed(ended.output)
        if made.must == "bad" and not (made.broken and skipped):
            whole = _frames_right(made._replace(frames=made.whole), skip)
            told = Verdict("silent", f"not named: {made.broken}: {ended.output[-200:]}")
            return whole if made.whole is not None and whole.ended == "fine" else told
        return _frames_right(made, skip)

    verdict = judge(ended, (made.broken or made.path, *made.options), right)
    if verdict.ended == "detected" and (made.must == "good" or (made.broken and skip)):
        return Verdict("traceback", f"refused though good: {verdict.message}")
    return verdict


def _frames_right(made: Made, skip: bool) -> Verdict:
    """Read all frames from Python and compare them with those that were written."""
    import symgen

    cache = made.options[-1] if "--cache" in made.options else None
    source = symgen.open(made.path, "all", length=2, skip_broken=skip, cache=cache)
    footage = source.footage
    pairs = zip(footage.first, footage.lengths, strict=True)
    numbers = np.concatenate([np.arange(f, f + n) for f, n in pairs])
    step = max(1, _AT_ONCE // footage.read(numbers[:1]).nbytes)
    same = made.frames is None or made.frames.shape == (len(numbers), *footage.data_shape)
    for begin in range(0, len(numbers), step):
        frames = footage.read(numbers[begin : begin + step])
        if frames.dtype != np.uint8 and not abs(frames).max() <= 1:  # NaN is not
            return Verdict("silent", "values beyond [0, 1]")
        if made.frames is not None:
            same = same and np.array_equal(frames, made.frames[begin : begin + step])
    if made.frames is None:
        return Verdict("altered" if made.must == "bits" else "fine")
    read = (len(numbers), *footage.data_shape)
    return Verdict("fine") if same else Verdict("silent", f"read {read} other frames")


def _squeezed(text: str) -> str:
    return "".join(text.split())


# --- arrays --------------------------------------------------------------------------------------


def _saved(array: ndarray, must: str, folder: Path, random: Random) -> Made:
    np.save(folder / "films.npy", array)
    flat = array[:, :, None] if array.ndim == 4 else array
    frames = flat.reshape(-1, *flat.shape[2:]) if must == "good" else None
    return Made(folder / "films.npy", must, frames)


def _values(folder: Path, random: Random) -> Made:
    """Write floats one of which is none that an image has."""
    array = (films(5) / 255).astype(random.choice((np.float16, np.float32, np.float64)))
    number = random.randrange(5)
    odd = random.choice((np.nan, np.inf, -np.inf, -0.1, 1.5, 60_000.0))
    array[(number, *(random.randrange(n) for n in array.shape[1:]))] = odd
    good = np.delete(array, number, 0)
    made = _saved(array, "bad", folder, random)
    return made._replace(frames=good.reshape(-1, 1, 8, 8), broken=f"films.npy[{number}]")


def _header(folder: Path, random: Random) -> Made:
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


def _damaged(damage: Callable[[bytes, Random], bytes], must: str, folder: Path, random: Random):
    made = _saved(films(5), must, folder, random)
    made.path.write_bytes(damage(made.path.read_bytes(), random))
    return made


def _sparse(folder: Path, random: Random) -> Made:
    """Write a large file of zeros that takes no room on the disk."""
    shapes = (((2, 500_000, 32, 32), "<f4"), ((3, 2, 20_000, 20_000), "|u1"))
    shape, kind = random.choice((*shapes, ((4, 40, 4096, 4096), "|u1")))
    np.lib.format.open_memmap(folder / "films.npy", "w+", np.dtype(kind), shape).flush()
    return Made(folder / "films.npy", "any")


def _npz(folder: Path, random: Random) -> Made:
    path, whole = folder / "films.npz", films(5).reshape(-1, 1, _SIDE, _SIDE)
    np.savez_compressed(path, films=films(5))
    match what := random.randrange(9):
        case 0 | 1 | 2 | 3:
            path.write_bytes(random.choice(_DAMAGES[:3])(path.read_bytes(), random))
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
    return Made(path, "any", whole if what in (0, 1, 2, 3, 8) else None)


def _bombed(head: bytes, megabytes: int, wbits: int) -> bytes:
    """Compress a head and many zeros, without making them all."""
    packer = zlib.compressobj(9, wbits=wbits)
    data = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return data + block * megabytes + packer.flush()


def _npz_bomb(folder: Path, random: Random) -> Made:
    """Write an archive of a few MB that unpacks to 5 GB."""
    head, name = io.BytesIO(), b"films.npy"
    header = {"descr": "|u1", "fortran_order": False, "shape": (5, 250, 2048, 2048)}
    np.lib.format.write_array_header_1_0(head, header)
    data = _bombed(head.getvalue(), 5000, -15)
    about = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, 0, len(data), 2**32 - 2, len(name), 0)
    central = b"PK\1\2" + struct.pack("<H", 20) + about + bytes(14) + name
    end = struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), 30 + len(name) + len(data), 0)
    content = b"PK\3\4" + about + name + data + central + b"PK\5\6" + end
    (folder / "films.npz").write_bytes(content)
    return Made(folder / "films.npz", "any")


# --- folders of frames ---------------------------------------------------------------------------


def _folders(folder: Path, channels: int = 1) -> tuple[Path, ndarray]:
    """Write a folder of five folders of frames."""
    place, array = folder / "films", films(5, 12, channels=channels)
    for number, film in enumerate(array):
        (place / f"film {number}").mkdir(parents=True)
        for index, frame in enumerate(film):
            picture = Image.fromarray(np.ascontiguousarray(frame.transpose(1, 2, 0).squeeze()))
            picture.save(place / f"film {number}" / f"{index}.png")
    return place, array


def _good(folder: Path, random: Random) -> Made:
    place, array = _folders(folder, channels=random.choice((1, 3)))
    for name in random.sample((".hidden", "notes.txt", "Thumbs.db"), 2):
        (place / "film 1" / name).write_bytes(b"x")
    return Made(place, "good", array.reshape(-1, *array.shape[2:]))


def _named(folder: Path, random: Random) -> Made:
    """Give one recording an odd name, and break it."""
    place, _ = _folders(folder)
    name = random.choice(_NAMES)
    (place / "film 4").rename(place / name)
    if random.random() < 0.5:
        return Made(place, "any")
    (place / name / "3.png").write_bytes(b"none")
    return Made(place, "bad", broken=name)


def _framed(kind: str, must: str, folder: Path, random: Random) -> Made:
    """Put something odd in the place of a frame."""
    place, array = _folders(folder)
    (place / "film 4" / "3.png").unlink()
    _odd_frame(kind, place / "film 4" / "3.png", random)
    good, whole = (films.reshape(-1, 1, _SIDE, _SIDE) for films in (array[:4], array))
    return Made(place, "bad", good, "film 4", (), whole) if must == "bad" else Made(place, must)


def _odd_frame(kind: str, path: Path, random: Random) -> None:
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
            path.write_bytes(_png(_SIDE, bytes(72), random.randrange(1, 9)))
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


def _tree(folder: Path, random: Random) -> Made:
    """Write a tree that is no folder of recordings, or one with loops."""
    place, array = _folders(folder)
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


def _no_recording(folder: Path, random: Random) -> Made:
    path = folder / f"films{random.choice(('.npy', '.npz', '.mp4', '', '.gif', '.txt', '.tar'))}"
    what = random.randrange(4)
    if what < 2:
        _no_file(path, random)
    elif what == 2:
        path.write_bytes(random.randbytes(random.choice((0, 1, 5000))))
    return Made(path, "bad")


def _with_options(folder: Path, random: Random) -> Made:
    place, _ = _folders(folder, channels=3)
    choices = ("--size 3 3", "--gray", "--length 13", "--every 20", "--rate 3", "--stride 5")
    choices += ("--examples 400", "--size 99999 99999", "--size 1 1", "--length 2 --stride 1")
    return Made(place, "any", options=tuple(random.choice(choices).split()))


def _cache(folder: Path, random: Random) -> Made:
    """Damage what a cache holds, between two commands."""
    place, array = _folders(folder)
    command("data", "inspect", place, "--cache", folder / "cache")
    for path in (folder / "cache").iterdir():
        if path.is_file() and random.random() < 0.7:
            path.write_bytes(random.choice(_DAMAGES)(path.read_bytes(), random))
    return Made(place, "good", array.reshape(-1, 1, 8, 8), "", ("--cache", str(folder / "cache")))


# --- tensors from Python, MNIST's files, images for `symgen control` -----------------------------


def _tensors(folder: Path, random: Random) -> Made:
    return Made(folder / str(random.randrange(9999)), "tensors")


def _open_tensors(path: Path) -> Verdict:
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


def _digits(folder: Path, random: Random) -> Made:
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
        (folder / "train-images-idx3-ubyte.gz").write_bytes(_bombed(head, 6000, 31))
    return Made(folder, "digits")


def _show_digits(path: Path) -> Verdict:
    return judge(command("data", "vae-mnist", "--root", path), (path,))


def _image(folder: Path, random: Random) -> Made:
    kinds = ("postscript", "format", "mode", "bomb", "text-bomb", "size", "damaged", "jpeg-cut")
    _odd_frame(random.choice((*kinds, "no-file", "flipped")), folder / "image.png", random)
    return Made(folder / "image.png", "image")


def _read_image(path: Path) -> Verdict:
    """Read an image file as `symgen control` does."""
    from symgen.data.image_files import read_image

    try:
        x, _ = read_image(path, (1, _SIDE, _SIDE))
    except (ValueError, OSError) as error:
        fits = str(path) in str(error) and "\n" not in str(error)
        return Verdict("detected" if fits else "traceback", str(error))
    return Verdict("fine" if x.isfinite().all() and 0 <= x.min() <= x.max() <= 1 else "silent")


_OTHERWISE = {"tensors": _open_tensors, "digits": _show_digits, "image": _read_image}


def _makers() -> dict[str, tuple[Maker, int]]:
    """Return the makers of files, and how many cases each is worth."""
    whole, floats = films(5), films(5) / 255
    good = {"bytes": whole, "flat": whole[:, :, 0], "rgb": films(5, channels=3)}
    good |= {"f32": floats.astype(np.float32), "f16": floats.astype(np.float16), "f64": floats}
    bad = {"ints": whole.astype(np.int64), "signed": whole.astype(np.int8), "bool": whole > 9}
    bad |= {"complex": whole.astype(complex), "text": whole.astype(str), "no-axes": np.array(3)}
    bad |= {"objects": whole.astype(object), "two-channels": films(5, channels=2)}
    bad |= {"six-axes": whole[None], "two-axes": whole[0, 0, 0], "none": whole[:0]}
    bad |= {"no-height": whole[..., :0, :], "one-frame": whole[:, :1]}
    either = {"big-endian": floats.astype(">f4"), "three-axes": whole[0]}
    either["fortran"] = np.asfortranarray(whole)
    found: dict[str, tuple[Maker, int]] = {}
    for must, arrays in (("good", good), ("bad", bad), ("any", either)):
        found |= {f"npy-{n}": (partial(_saved, array, must), 4) for n, array in arrays.items()}
    found |= {
        "npy-values": (_values, 60),
        "npy-header": (_header, 140),
        "npy-sparse": (_sparse, 6),
    }
    found["npy-cut"] = partial(_damaged, cut, "bad"), 40
    found["npy-bits"] = partial(_damaged, partial(flipped, bits=9), "bits"), 40
    found["npy-zeroed"] = partial(_damaged, zeroed, "bits"), 20
    found |= {"npz": (_npz, 110), "npz-bomb": (_npz_bomb, 2), "folders": (_good, 20)}
    found |= {"folders-named": (_named, 80), "folders-tree": (_tree, 60), "cache": (_cache, 40)}
    found |= {"path": (_no_recording, 80), "options": (_with_options, 40)}
    kinds = dict.fromkeys(("postscript", "bomb", "no-file", "damaged", "jpeg-cut", "size"), "bad")
    kinds |= {"format": "any", "mode": "any", "text-bomb": "any", "flipped": "bits"}
    found |= {f"frame-{k}": (partial(_framed, k, must), 30) for k, must in kinds.items()}
    return found | {"tensors": (_tensors, 80), "digits": (_digits, 60), "image": (_image, 80)}
