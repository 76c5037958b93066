"""Files that are not what their names say, too large, or damaged on the way: refused and named."""

import os
import re
import signal
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from recording_helpers import films, write_frames, write_video

from symgen import data
from symgen.data.image_files import read_image
from symgen.data.recordings import arrays, footage, readers, writing
from symgen.data.recordings import source as sources


def shown(source):
    return source.batch(torch.arange(len(source)), torch.Generator()).frames


def refused(path, message, **options):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        data.open(path, **options)
    assert "\n" not in str(caught.value) and str(path.name) in str(caught.value)


def png(side, texts=0):
    """Return a gray PNG by hand, with texts that unpack to 128 MB each."""
    text = b"zTXt", b"x\0\0" + zlib.compress(bytes(2**27), 1)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)), *[text] * texts]
    chunks += [(b"IDAT", zlib.compress(bytes(side % 1000 * (side % 1000 + 1)))), (b"IEND", b"")]
    sums = (struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks)
    sizes = (struct.pack(">I", len(body)) for _, body in chunks)
    packed = (a + b"".join(c) + d for a, c, d in zip(sizes, chunks, sums, strict=True))
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\n%%EOF\n"
CONTENTS = {"postscript": POSTSCRIPT, "bomb": png(65_535), "large": png(13_000)}
CONTENTS["text"] = png(16, 1)


@pytest.mark.parametrize("kind", [*CONTENTS, "pipe", "device", "loop", "nowhere", "folder"])
def test_a_frame_that_is_none_is_named_or_its_recording_skipped(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "check_call", pytest.fail)  # as Pillow starts Ghostscript
    monkeypatch.setattr(subprocess, "Popen", pytest.fail)
    folder = write_frames(tmp_path / "set", films()[:4])
    frame = folder / "film 2" / "3.png"
    frame.unlink()
    put(frame, kind)
    message = f"{frame} is no regular file" if kind not in CONTENTS else f"{frame} cannot be read"
    refused(folder, message)
    source = data.open(folder, "all", skip_broken=True, length=9)
    assert [entry.name for entry in source.footage.cuts] == [f"{frame.parent}, frame 3"]
    assert {entry.name[-4:] for entry in source.skipped} == {"0:3]", ":12]"}
    assert source.split_record()["all"].keys() == {"film 0", "film 1", "film 3"}
    if kind in CONTENTS:
        with pytest.raises(ValueError, match=re.escape(message)):
            read_image(frame, (1, 16, 16))


def put(path, kind):
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "device" | "loop" | "nowhere":
            path.symlink_to({"device": "/dev/random", "loop": path, "nowhere": "/none/such"}[kind])
        case _:
            path.write_bytes(CONTENTS[kind])


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
@pytest.mark.parametrize("name", ["films.npy", "films.npz", "film.mp4"])
def test_what_never_ends_or_is_no_file_is_refused(name, kind, tmp_path):
    put(tmp_path / name, kind)
    refused(tmp_path / name, "has 0 folders, 0 i" if kind == "folder" else "is no regular file")


def test_a_playlist_by_the_name_of_a_video_opens_nothing_else(tmp_path):
    film = write_video(tmp_path / "secret.mp4", films()[0])
    path = tmp_path / "film.mp4"
    for text in (f"ffconcat version 1.0\nfile {film}\n", f"#EXTM3U\n#EXTINF:1,\n{film}\n"):
        path.write_text(text)
        refused(path, "cannot be decoded as a video")


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ("(99999999999, 16, 8, 8)", "'|u1'"),
        ("(-3, 4, 5, 6)", "'|u1'"),
        ("(-3, -4, 5, 6)", "'|u1'"),
        ("(3, 4, 5, 5)", "'|u1'"),
        ("(3.0, 4, 5, 6)", "'|u1'"),
        ("(" * 300, "'|u1'"),
        ("[3, 4, 5, 6]", "'|u1'"),
        ("(3, 4, 5, 6)", "'|O'"),
        ("(3, 4, 5, 6)", "3"),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_headers_that_promise_what_is_not_there(suffix, shape, kind, tmp_path):
    head = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + bytes(360)
    path = tmp_path / f"films{suffix}"
    path.write_bytes(content)
    if suffix == ".npz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("films.npy", content)
    refused(path, f"{path} cannot be read: ")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.txt", b"none", "cannot be read: it has no array of numbers"),
        ("x.npy", b"", "cannot be read: "),
        (None, b"", "cannot be read: it has no array of numbers"),
    ],
)
def test_archives_with_odd_members(name, content, message, tmp_path):
    path = tmp_path / "films.npz"
    with zipfile.ZipFile(path, "w") as archive:
        if name:
            archive.writestr(name, content)
    refused(path, message)
    np.save(tmp_path / "films.npy", films())
    os.replace(tmp_path / "films.npy", path)
    refused(path, "File is not a zip file")


def test_an_archive_whose_bits_have_changed_is_refused_whole(tmp_path):
    np.savez(tmp_path / "films.npz", films())
    raw = bytearray((tmp_path / "films.npz").read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / "films.npz").write_bytes(raw)
    refused(tmp_path / "films.npz", "Bad CRC-32", skip_broken=True)


@pytest.mark.parametrize("form", [".npy", ".npz"])
def test_an_array_in_fortran_order_is_read(form, tmp_path):
    path = tmp_path / f"films{form}"
    (np.save if form == ".npy" else np.savez)(path, np.asfortranarray(films()))
    assert shown(data.open(path, "all")).equal(torch.from_numpy(films()) / 255)


@pytest.mark.parametrize("form", [".npy", ".h5"])
@pytest.mark.parametrize("options", [{}, {"size": (4, 4)}], ids=["as they are", "resized"])
def test_an_array_of_any_size_is_opened_with_little_memory(form, options, tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "_AT_ONCE", 2**16)
    monkeypatch.setattr(footage, "_LOOKED_AT", 2**16)
    zeros, path = np.zeros((5, 320, 32, 32), np.float32), tmp_path / f"films{form}"  # 6 MB
    if form == ".npy":
        np.save(path, zeros)
    else:
        with h5py.File(path, "w") as file:
            file["films"] = zeros
    data.open(zeros[:, :20], "all", **options)  # what is done once takes memory, too
    tracemalloc.start()
    source = data.open(path, **options)
    assert source.footage.fingerprint and source.footage.sample.nbytes <= 2**16
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22


def test_large_frames_are_sampled_one_by_one(monkeypatch):
    monkeypatch.setattr(footage, "_LOOKED_AT", 2**10)
    monkeypatch.setattr(footage, "_MOST", 2**13)
    source = data.open([torch.zeros(20, 32, 32, dtype=torch.uint8)] * 3)  # 1 KiB each
    read: list[int] = []
    whole = readers.Flat.read

    def counted(self, frames):
        read.append(len(frames))
        return whole(self, frames)

    monkeypatch.setattr(readers.Flat, "read", counted)
    vars(source.footage).pop("fingerprint", None)
    assert source.footage.fingerprint and source.footage.sample.shape == (1, 1, 32, 32)
    assert set(read) == {1} and len(read) < 20


def test_clips_to_look_at_need_little_memory_however_large_the_frames(tmp_path, monkeypatch):
    path = tmp_path / "films.npy"
    np.lib.format.open_memmap(path, "w+", np.uint8, (4, 16, 1024, 1024)).flush()  # sparse
    source = data.open(path)
    monkeypatch.setattr(sources, "_SHOWN", 2**16)
    source.thinned(torch.tensor([0]))  # what is done once takes memory, too
    tracemalloc.start()
    frames = source.thinned(torch.zeros(6, dtype=torch.int64))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert frames.shape[:3] == (6, 16, 1) and frames.numel() <= 2**16 * 1.2
    assert peak < 2**23
    monkeypatch.setattr(sources, "_SHOWN", 2**25)
    small = data.open(list(torch.rand(5, 9, 8, 8)), "all")
    assert small.thinned(torch.arange(5)).equal(shown(small))


@pytest.mark.parametrize("damage", ["zeroed", "cut", "empty", "foreign", "lost", "text"])
@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_a_damaged_cache_is_built_again_and_that_is_said(suffix, damage, tmp_path):
    folder, cache = write_frames(tmp_path / "set", films()[:3]), tmp_path / "cache"
    path = data.open(folder, cache=cache).footage.path.with_suffix(suffix)
    whole = path.read_bytes()
    middle = len(whole) // 2
    contents = {"zeroed": whole[:middle] + bytes(40) + whole[middle + 40 :], "cut": whole[:middle]}
    contents |= {"empty": b"", "foreign": b"[]", "text": b"\xff" * 90}
    path.write_bytes(contents.get(damage, b""))
    if damage == "lost":
        path.unlink()
    if (suffix, damage) == (".npy", "lost"):
        source = data.open(folder, "all", cache=cache)
    else:
        with pytest.warns(UserWarning, match=r"is damaged or of another version .*decoded again"):
            source = data.open(folder, "all", cache=cache)
    assert path.read_bytes() == whole
    assert shown(source).equal(torch.from_numpy(films()[:3]) / 255)


def test_threads_that_share_a_cache_do_not_meet(tmp_path):
    folder = write_frames(tmp_path / "set", films()[:3])
    cache = tmp_path / "cache"
    with ThreadPoolExecutor(4) as pool:
        for source in pool.map(lambda _: data.open(folder, "all", cache=cache), range(4)):
            assert shown(source).equal(torch.from_numpy(films()[:3]) / 255)


def test_a_planted_link_is_not_written_through(tmp_path):
    folder, cache = write_frames(tmp_path / "set", films()[:3]), tmp_path / "cache"
    path = data.open(folder, cache=cache).footage.path
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for file in (path, path.with_suffix(".json")):
        file.unlink()
        file.symlink_to(victim)
    with pytest.warns(UserWarning, match="is damaged"):
        data.open(folder, cache=cache)
    assert victim.read_text() == "mine"


def test_a_full_disk_is_no_broken_recording(tmp_path, monkeypatch):
    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "_append", full)
    with pytest.raises(OSError, match="No space left on device"):
        data.open(list(torch.rand(5, 9, 8, 8)), skip_broken=True)


_WAITS = """
import os, sys, time, torch
from symgen import data
def films():
    for number in range(5):
        yield torch.rand(9, 1, 8, 8)
    print("here", flush=True)
    time.sleep(60)
data.open(films())
"""


_AT_ONCE = """
import os, signal, torch
from symgen import data
from symgen.data.recordings import keeping
keeping.hold_folder = lambda folder: os.kill(os.getpid(), signal.SIGTERM)
data.open([torch.rand(9, 1, 8, 8)] * 5)
"""


def test_a_temporary_folder_goes_though_it_was_made_a_moment_ago(tmp_path):
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", _AT_ONCE], env=environment)
    assert done.returncode == -signal.SIGTERM and not [*tmp_path.iterdir()]


def test_large_clips_are_read_a_part_at_a_time(tmp_path, monkeypatch):
    films = [torch.randint(256, (12, 1, 8, 8)).byte() for _ in range(4)]
    source = data.open(films, "all", length=6)
    whole = shown(source)
    monkeypatch.setattr(sources, "_AT_ONCE", 3 * 64)
    assert shown(source).equal(whole)
    np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (4, 16, 512, 512)).flush()
    large = data.open(tmp_path / "x.npy", "all")
    tracemalloc.start()
    shown(large)
    peak = tracemalloc.get_traced_memory()[1]  # of numpy, not of torch
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_temporary_folder_is_left_by_a_process_that_was_stopped(number, tmp_path):
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", _WAITS]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        (folder,) = tmp_path.iterdir()
        long_ago = time.time() - 3600
        os.utime(folder, (long_ago, long_ago))
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as beside:
            assert beside.stdout is not None and beside.stdout.readline()
            assert folder.is_dir() and len(list(tmp_path.iterdir())) == 2  # its process lives
            beside.terminate()
        process.send_signal(number)
    assert process.returncode == -number
    assert [*tmp_path.iterdir()] == [folder] * (number == signal.SIGKILL)
    after = _WAITS.replace("sleep(60)", "sleep(0)")
    subprocess.run([sys.executable, "-c", after], env=environment, check=True, capture_output=True)
    assert not [*tmp_path.iterdir()]
