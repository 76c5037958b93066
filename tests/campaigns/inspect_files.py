"""Odd and damaged files put through `symgen data inspect`, and read again from Python.

A maker says what must become of its file: "good" is read as it was written, but for frames that
are named as cut out; "bad" is refused by name or, with --skip-broken, left out and listed; "any"
is refused or read as values that scale to [0, 1], and so are "bits", of which no reader can tell
that they were others.
"""

from functools import partial
from pathlib import Path
from random import Random

import made_arrays
import made_folders
import made_others
import numpy as np
from fixtures import cut, films, flipped, zeroed
from harness import Case, Verdict, command, judge
from made import Made, Maker

_AT_ONCE = 2**26  # bytes that are compared together


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
        named = bool(made.broken) and _squeezed(made.broken) in _squeezed(ended.output)
        if made.must != "bad" or named:
            return _frames_right(made, skip)
        whole = made._replace(frames=None, others=made.others[-1:])  # the damage was none
        if whole.others and _frames_right(whole, skip).ended == "fine":
            return Verdict("fine")
        return Verdict("silent", f"not named: {made.broken}: {ended.output[-200:]}")

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
    shape = (len(numbers), *footage.data_shape)
    may_be = [each for each in (made.frames, *made.others) if each is not None]
    fit = [each for each in may_be if each.shape == shape]
    for begin in range(0, len(numbers), step):
        frames = footage.read(numbers[begin : begin + step])
        scaled = source.scaled(frames)
        if not (scaled.min() >= 0 and scaled.max() <= 1):  # NaN is neither
            return Verdict("silent", "values beyond [0, 1]")
        fit = [each for each in fit if np.array_equal(frames, each[begin : begin + step])]
    if not may_be:
        return Verdict("altered" if made.must == "bits" else "fine")
    return Verdict("fine") if fit else Verdict("silent", f"read {shape} other frames")


def _squeezed(text: str) -> str:
    return "".join(text.split())


_OTHERWISE = {
    "tensors": made_others.open_tensors,
    "digits": made_others.show_digits,
    "image": made_others.read_image,
}


def _makers() -> dict[str, tuple[Maker, int]]:
    """Return the makers of files, and how many cases each is worth."""
    found = _of_arrays() | _of_folders()
    found |= {"tensors": (made_others.tensors, 80), "digits": (made_others.digits, 60)}
    return found | {"image": (made_others.image, 80)}


def _of_arrays() -> dict[str, tuple[Maker, int]]:
    whole, floats = films(5), films(5) / 255
    good = {"bytes": whole, "flat": whole[:, :, 0], "rgb": films(5, channels=3)}
    good |= {"f32": floats.astype(np.float32), "f16": floats.astype(np.float16), "f64": floats}
    good |= {"ints": whole.astype(np.int64), "signed": whole.astype(np.int8), "bool": whole > 9}
    good |= {"two-channels": films(5, channels=2), "big-endian": floats.astype(">f4")}
    good |= {"fortran": np.asfortranarray(whole), "beyond": floats * 3 - 1}
    bad = {"complex": whole.astype(complex), "text": whole.astype(str), "no-axes": np.array(3)}
    bad |= {"objects": whole.astype(object), "time-first": films(40, 20)[:, :, 0].swapaxes(0, 1)}
    bad |= {"six-axes": whole[None], "two-axes": whole[0, 0, 0], "none": whole[:0]}
    bad |= {"no-height": whole[..., :0, :], "one-frame": whole[:, :1], "nan": floats * np.nan}
    saved = made_arrays.saved
    found: dict[str, tuple[Maker, int]] = {}
    for must, arrays in (("good", good), ("bad", bad), ("any", {"three-axes": whole[0]})):
        found |= {f"npy-{n}": (partial(saved, array, must), 4) for n, array in arrays.items()}
    damaged = made_arrays.damaged
    found |= {"npy-values": (made_arrays.values, 60), "npy-header": (made_arrays.header, 140)}
    found |= {"npy-frozen": (made_arrays.frozen, 40), "npy-sparse": (made_arrays.sparse, 6)}
    found["npy-cut"] = partial(damaged, cut, "bad"), 40
    found["npy-bits"] = partial(damaged, partial(flipped, bits=9), "bits"), 40
    found["npy-zeroed"] = partial(damaged, zeroed, "bits"), 20
    return found | {"npz": (made_arrays.npz, 110), "npz-bomb": (made_arrays.npz_bomb, 2)}


def _of_folders() -> dict[str, tuple[Maker, int]]:
    found = {"folders": (made_folders.good, 20), "folders-named": (made_folders.named, 80)}
    found |= {"folders-tree": (made_folders.tree, 60), "cache": (made_folders.cached, 40)}
    found |= {"path": (made_folders.no_recording, 80), "options": (made_folders.with_options, 40)}
    kinds = dict.fromkeys(("postscript", "bomb", "no-file", "damaged", "jpeg-cut", "size"), "bad")
    kinds |= {"format": "any", "mode": "any", "text-bomb": "any", "flipped": "bits"}
    frames = {f"frame-{k}": partial(made_folders.framed, k, must) for k, must in kinds.items()}
    return found | {name: (maker, 30) for name, maker in frames.items()}
