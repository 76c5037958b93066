"""Recordings of the kinds that people have: understood rightly, or refused with the mend."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from recording_helpers import pieces_of, square_film

import symgen
from symgen.data.recordings import choose_axes, readings

MAKER = Path(__file__).resolve().parents[3] / "shared" / "cases" / "make_cases.py"


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    if not MAKER.is_file():
        pytest.skip(f"the handed cases are made by {MAKER}, which is not there")
    folder = tmp_path_factory.mktemp("cases")
    subprocess.run([sys.executable, MAKER, folder], check=True, capture_output=True)
    return folder


UNDERSTOOD = [
    ("a02_colour_movie.npy", {}, [200], (3, 16, 16), (0, 255)),
    ("a03_channel_first_movie.npy", {"axes": "TCYX"}, [200], (3, 16, 16), (0, 255)),
    ("a03_channel_first_movie.npy", {"axes": "NTYX"}, [3] * 200, (1, 16, 16), (0, 255)),
    ("a04_one_channel_last.npy", {}, [200], (1, 16, 16), (0, 255)),
    ("a05_one_recording.npy", {}, [200], (1, 16, 16), (0, 255)),
    ("a06_channels_last.npy", {}, [20] * 8, (3, 16, 16), (0, 255)),
    ("a07_uint16_12_bit.npy", {}, [40] * 6, (1, 16, 16), (0, 4095)),
    ("a08_floats_0_255.npy", {}, [40] * 6, (1, 16, 16), (0, 255)),
    ("a09_floats_minus1_1.npy", {}, [40] * 6, (1, 16, 16), (-1, 1)),
    ("a10_one_bad_frame_each.npy", {}, [50, 149] * 4, (1, 16, 16), (0, 1)),
    ("a11_images_and_labels.npz", {}, [40] * 6, (1, 16, 16), (0, 255)),
    ("a12_days", {}, [40, 55, 70], (1, 16, 16), (0, 255)),
    ("a13_vectors.npy", {}, [40] * 6, (12,), None),
    ("a14_odd_sizes.npy", {}, [40] * 6, (1, 31, 47), (0, 255)),
    ("f01_gap", {}, [15, 15], (1, 16, 16), (0, 255)),
    ("f02_both_formats", {"files": "*.png"}, [30], (1, 16, 16), (0, 255)),
    ("f03_nested", {}, [20] * 9, (1, 16, 16), (0, 255)),
    ("f04_beside_masks", {}, [30], (1, 16, 16), (0, 255)),
    ("f05_png_16_bit", {}, [30], (1, 16, 16), (0, 4095)),
    ("f06_rgba", {}, [30], (3, 16, 16), (0, 255)),
    ("f07_one_broken_frame", {"skip_broken": True}, [12, 17], (1, 16, 16), (0, 255)),
    ("t01_stack.tif", {}, [200], (1, 16, 16), (0, 4095)),
    ("t02_stacks", {}, [60] * 4, (1, 16, 16), (0, 4095)),
    ("h01_one_dataset.h5", {}, [40] * 6, (1, 16, 16), (0, 255)),
    ("h02_several.h5", {"key": "images"}, [40] * 6, (1, 16, 16), (0, 255)),
    ("v01_gray16.mkv", {}, [40], (1, 16, 16), (0, 4095)),
    ("v02_pause.mkv", {}, [20, 20], (1, 16, 16), (0, 255)),
    ("v03_gray_in_colour.mkv", {}, [40], (3, 16, 16), (0, 255)),
]


@pytest.mark.parametrize(("name", "options", "lengths", "shape", "scale"), UNDERSTOOD)
def test_a_case_is_understood(name, options, lengths, shape, scale, cases):
    if not (cases / name).exists():
        pytest.skip(f"{name} needs a library that is not installed")
    source = symgen.open(cases / name, "all", length=2, **options)
    assert source.footage.lengths.tolist() == lengths
    assert source.data_shape == shape and source.scale == scale
    if scale is None or axes_swapped(options):
        return
    for number, frames in enumerate(pieces_of(source)):
        bright = (frames[:, 0] > 0.5).any(1).numpy()  # (frames, width)
        start = first_column(name, source.footage, number)
        for frame, columns in enumerate(bright):
            expected = (start + frame + np.arange(4)) % shape[2]
            assert np.flatnonzero(columns).tolist() == sorted(expected.tolist())
        assert frames.amax() == 1 and frames.amin() == 0


def axes_swapped(options):
    """Tell whether channels are read as frames, in which the square does not move."""
    return options.get("axes") == "NTYX"


def first_column(name, footage, piece):
    """Return the column of the square in the first frame of a piece."""
    recording = int(footage.pieces.recording[piece])
    if name.startswith(("f01", "v02")):  # whose missing frames were never drawn
        return int(footage.first[piece])
    start = int(footage.pieces.start[piece])
    if name.startswith("f03"):
        return recording % 3
    return recording + start


REFUSED = [
    ("a01_time_first.npy", {}, "axes NTYX (20 recordings of 100 frames of 16 × 16), TNYX (100"),
    ("a03_channel_first_movie.npy", {}, "NTYX (200 recordings of 3 frames of 16 × 16), TCYX (200"),
    ("a13_vectors.npy", {"axes": "NTYX"}, "3 axes, but axes='NTYX' names 4"),
    ("f02_both_formats", {}, "two files for frame 000, 000.jpg and 000.png: choose with --files"),
    ("f07_one_broken_frame", {}, "12.png cannot be read as an image"),
    ("h02_several.h5", {}, "2 arrays, images (6, 40, 16, 16) uint8, labels (6,) int64: "),
    ("h02_several.h5", {}, "--key images"),
]


@pytest.mark.parametrize(("name", "options", "message"), REFUSED)
def test_a_case_is_refused_in_one_line(name, options, message, cases):
    if not (cases / name).exists():
        pytest.skip(f"{name} needs a library that is not installed")
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        symgen.open(cases / name, "all", **options)
    assert "\n" not in str(caught.value) and name in str(caught.value)


def test_what_was_found_beside_recordings_is_said(cases):
    def notes(name):
        return " ".join(symgen.open(cases / name, "all", length=2).notes)

    assert "left alone masks" in notes("f04_beside_masks")
    assert "labels (6,) int64" in notes("a11_images_and_labels.npz")
    assert "transparent" in notes("f06_rgba")
    cuts = symgen.open(cases / "f01_gap", "all").footage.cuts
    assert [entry.reason for entry in cuts] == ["frames 15 to 20 are missing"]


def test_labels_beside_images_are_offered_and_taken(cases):
    path = cases / "a11_images_and_labels.npz"
    assert "--factors labels" in " ".join(symgen.open(path, "all").notes)
    source = symgen.open(path, "all", factors="labels")
    factors = source.batch(torch.arange(len(source)), torch.Generator()).factors
    names = source.recording_names(torch.arange(len(source)))
    expected = [f"{path.name}[{label}]" for label in factors[:, 0, 0].tolist()]
    assert names == expected
    assert (factors == factors[:, :1]).all()


def test_time_first_is_read_by_its_axes(cases):
    source = symgen.open(cases / "a01_time_first.npy", "all", axes="TNYX")
    assert source.footage.lengths.tolist() == [20] * 100
    for start, frames in zip((0, 7, 99), (pieces_of(source)[n] for n in (0, 7, 99)), strict=True):
        assert (frames[:, 0].numpy() * 255).astype(np.uint8).tolist() == square_film(
            20, start
        ).tolist()


SIZES = st.fixed_dictionaries(
    {
        "N": st.integers(5, 20),  # fewer in the last place are taken for channels
        "T": st.integers(16, 24),
        "C": st.integers(1, 3),
        "side": st.integers(6, 15),
    }
)
KINDS = st.sampled_from(["|u1", "<u2", ">u2", "<i2", ">i4", "<f4", ">f4", "<f8", "<f2"])


@settings(deadline=None, max_examples=40)
@given(
    letters=st.sampled_from(["TYX", "NTYX", "TCYX", "NTCYX"]).flatmap(st.permutations),
    size=SIZES,
    kind=KINDS,
    fortran=st.booleans(),
)
def test_an_array_in_any_order_is_understood_rightly_or_refused(
    letters, size, kind, fortran, tmp_path_factory
):
    axes, dtype = "".join(letters), np.dtype(kind)
    assume(axes.index("Y") < axes.index("X"))  # nobody can tell a picture that lies on its side
    size = {**size, "Y": size["side"], "X": size["side"]}
    long = [size[letter] for letter in "NTY" if letter in axes]
    assume(len(set(long)) == len(long))  # equal sides show which axes are height and width
    films = moving(size)
    canonical = "NTCYX"
    picked = films[tuple(slice(None) if letter in axes else 0 for letter in canonical)]
    kept = [letter for letter in canonical if letter in axes]
    array = picked.transpose([kept.index(letter) for letter in axes])
    path = tmp_path_factory.getbasetemp() / "any order.npy"
    np.save(path, np.asarray(array, dtype, order="F" if fortran else "C"))
    expected = picked.reshape([size[n] if n in axes else 1 for n in canonical])
    choices: tuple[dict[str, Any], ...] = ({}, {"axes": axes})
    for options in choices:
        try:
            source = symgen.open(path, "all", length=2, **options)
        except ValueError as refusal:
            assert not options and "--axes" in str(refusal) and "\n" not in str(refusal)
            continue
        assert source.footage.lengths.tolist() == [size["T"]] * len(expected)
        for frames, truth in zip(pieces_of(source), expected, strict=True):
            assert (frames.numpy() > 0).tolist() == (truth > 0).tolist()


def moving(size):
    """Return (N, T, C, Y, X): a 2 × 3 bright square that moves one pixel a frame, by channel."""
    films = np.zeros([size[letter] for letter in "NTCYX"], np.uint8)
    for recording in range(size["N"]):
        for frame in range(size["T"]):
            for channel in range(size["C"]):
                columns = (3 * recording + frame + np.arange(3)) % size["X"]
                films[recording, frame, channel, 1 + channel : 3 + channel, columns] = 100
    return films


@pytest.mark.parametrize(
    ("shape", "dtype", "expected"),
    [
        ((20, 100, 16, 16), "u1", ["NTYX", "TNYX", "TZYX"]),
        ((200, 3, 16, 16), "u1", ["NTYX", "TCYX", "TNYX"]),
        ((3, 200, 16, 16), "u1", ["NTYX", "CTYX"]),
        ((6, 3, 40, 16, 16), "u1", ["NCTYX"]),
        ((16, 16, 200), "u1", ["YXT"]),
        ((16, 16, 3, 200), "u1", ["YXNT", "YXCT"]),
        ((200, 16, 16), "f4", ["TYX"]),
        ((100, 48, 64), "f4", ["TYX", "NTF", "TNF", "NFT"]),
        ((40, 31, 47), "u1", ["TYX", "YXT"]),
        ((1000, 120), "f4", ["TF", "FT"]),
        ((1000, 8), "f4", ["TF"]),
        ((200, 16, 3), "u1", []),
        ((200, 16, 4), "f4", ["NTF", "TNF"]),
        ((200, 64, 1), "u1", []),
        ((16, 6, 6, 19), "|u1", ["NYXT", "TYXN"]),
    ],
)
def test_plausible_readings(shape, dtype, expected):
    assert sorted(readings(shape, np.dtype(dtype))) == sorted(expected)


def test_axes_that_a_file_names_are_taken_unless_time_is_not_among_them():
    kind = np.dtype("u1")
    assert choose_axes("x", (20, 100, 16, 16), kind, told="TZYX") == "TZYX"
    assert choose_axes("x", (20, 100, 16, 16), kind, axes="TNYX", told="TZYX") == "TNYX"
    with pytest.raises(ValueError, match=r"its axes are ZYX .* give --axes TYX"):
        choose_axes("x", (200, 16, 16), kind, told="ZYX")


@pytest.mark.parametrize("axes", ["", "NTHW", "NYX", "TFYX", "TTYX", "NTYXF", "ntyx"])
def test_letters_that_are_no_axes_are_refused(axes):
    with pytest.raises(ValueError, match=re.escape(f"axes={axes!r}: give letters of N T C Z")):
        symgen.open([torch.rand(40, 1, 8, 8)], axes=axes)


def test_volumes_are_read_by_their_axes():
    volumes = np.zeros((6, 20, 5, 8, 9), np.uint8)
    source = symgen.open(volumes, "all", axes="NTZYX")
    assert source.data_shape == (1, 5, 8, 9)
