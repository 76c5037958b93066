"""Own recordings as a source: the same clips from every format, splits, memory, identity."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from recording_helpers import films, write_frames, write_video, write_videos
from torch.utils.data import Dataset

from symgen import data
from symgen.data import Batches, Recordings, Source
from symgen.data.recordings import ClipSpec, Pieces, divide, divide_in_time, splits_of


def all_frames(source: Recordings) -> torch.Tensor:
    return source.batch(torch.arange(len(source)), torch.Generator()).frames


def clips_of(array: np.ndarray, length: int, stride: int, every: int) -> np.ndarray:
    """Cut clips out of recordings as one would by hand."""
    cut = []
    for recording in array:
        start = 0
        while start + (length - 1) * every < len(recording):
            cut.append([recording[start + every * step] for step in range(length)])
            start += stride
    return np.array(cut)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    np.save(folder / "films.npy", films())
    np.savez_compressed(folder / "films.npz", films=films())
    write_frames(folder / "frames", films())
    write_videos(folder / "videos", films())
    return folder


class Films(Dataset):
    def __len__(self) -> int:
        return len(films())

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(films()[index])


def tensors():
    yield from (torch.from_numpy(film) for film in films())


@pytest.mark.parametrize(("length", "stride", "every"), [(12, 1, 1), (4, 3, 1), (3, 2, 4)])
@pytest.mark.parametrize("kind", ["films.npy", "films.npz", "frames", "dataset", "iterator"])
def test_every_format_gives_exactly_the_clips_cut_by_hand(kind, length, stride, every, written):
    given = {"dataset": Films(), "iterator": tensors()}.get(kind, written / kind)
    source = data.open(given, "all", length=length, stride=stride, every=every)
    expected = clips_of(films(), length, stride, every)
    assert isinstance(source, Source) and len(source) == len(expected)
    assert all_frames(source).equal(torch.from_numpy(expected).float() / 255)


@pytest.mark.parametrize("kind", ["frames", "films.npz"])
def test_splits_and_identity_do_not_depend_on_the_format(kind, written):
    for split in ("train", "validation", "test"):
        array, other = data.open(written / "films.npy", split), data.open(written / kind, split)
        assert repr(array) == repr(other)
        assert all_frames(array).equal(all_frames(other))


def test_videos_differ_from_their_frames_by_the_codec_only(written):
    source = data.open(written / "videos", "all")
    exact = torch.from_numpy(films()).float() / 255
    shown = all_frames(source)
    assert shown.shape == exact.shape
    mistaken = (shown - exact.roll(1, 1)).abs().mean((1, 2, 3, 4))
    assert ((shown - exact).abs().mean((1, 2, 3, 4)) < mistaken).all()


def test_a_video_is_resampled_to_a_rate(tmp_path):
    ramp = np.arange(0, 240, 8, dtype=np.uint8)[:, None, None, None]
    video = write_video(tmp_path / "ramp.mp4", np.broadcast_to(ramp, (30, 3, 16, 16)), rate=30)
    for rate in (30.0, 15.0, 10.0, 20.0):
        source = data.open(video, "all", rate=rate, length=2)
        numbers = source.footage.read(np.arange(source.footage.lengths[0])).mean((1, 2, 3)) / 8
        ticks = 30 * np.arange(len(numbers)) / rate
        assert len(numbers) == rate  # one second
        assert np.abs(numbers - np.floor(ticks)).max() < 0.4


def test_floats_stay_as_they_are(tmp_path):
    array = np.random.default_rng(0).random((5, 6, 4, 4))
    np.save(tmp_path / "films.npy", array)
    expected = torch.from_numpy(array).float()[:, :, None]
    assert all_frames(data.open(tmp_path / "films.npy", "all", axes="NTYX")).equal(expected)
    assert all_frames(data.open(list(expected), "all", axes="TCYX")).equal(expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_axis_of_a_single_channel_may_be_left_away(channels, tmp_path):
    array = films()[:3, :, :channels]
    given = {"films.npy": array}
    if channels == 1:
        given["flat.npy"] = array[:, :, 0]
    for name, values in given.items():
        np.save(tmp_path / name, values)
        for one in (tmp_path / name, list(torch.from_numpy(values))):
            source = data.open(one, "all")
            assert source.data_shape == (channels, 16, 16)
            assert all_frames(source).equal(torch.from_numpy(array).float() / 255)


def test_frames_are_in_the_order_that_people_count_in(tmp_path):
    levels = np.arange(12, dtype=np.uint8)[None, :, None, None, None]
    folder = write_frames(tmp_path / "set", np.broadcast_to(levels, (1, 12, 1, 4, 4)))
    one = data.open(folder / "film 0", "all")  # 0.png, 1.png, 10.png, … by the alphabet
    assert (all_frames(one)[0, :, 0, 0, 0] * 255).round().tolist() == list(range(12))


def test_jpeg_is_read_as_pillow_reads_it(tmp_path):
    folder = write_frames(tmp_path / "set", films()[:1], suffix=".jpeg")
    with Image.open(folder / "film 0" / "3.jpeg") as image:
        expected = torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255
    assert all_frames(data.open(folder, "all"))[0, 3].equal(expected)


@pytest.mark.parametrize("kind", ["films.npy", "frames"])
def test_size_and_gray_are_pillows(kind, written):
    source = data.open(written / kind, "all", size=(8, 6), gray=True)
    picture = Image.fromarray(films()[4, 5].transpose(1, 2, 0)).convert("L")
    expected = np.asarray(picture.resize((6, 8), Image.Resampling.BILINEAR))
    assert source.data_shape == (1, 8, 6)
    assert (all_frames(source)[4, 5, 0] * 255).round().numpy().tolist() == expected.tolist()


def test_resizing_does_not_alias():
    board = (np.indices((32, 32)).sum(0) % 2).astype(np.float32)  # its mean is 1/2 everywhere
    small = all_frames(data.open([torch.from_numpy(board).expand(2, 32, 32)], "all", size=(4, 4)))
    assert (small - 0.5).abs().max() < 0.02


def test_unequal_lengths_are_cut_alike():
    lengths = (12, 30, 17)
    recordings = [torch.rand(length, 1, 4, 4) for length in lengths]
    source = data.open(recordings, "all", axes="TCYX", length=8, stride=3)
    expected = [
        recording[start : start + 8]
        for recording, length in zip(recordings, lengths, strict=True)
        for start in range(0, length - 7, 3)
    ]
    assert all_frames(source).equal(torch.stack(expected))


def test_default_lengths_and_strides():
    long, short = ([torch.rand(n, 1, 8, 8) for n in sizes] for sizes in ((40,) * 9, (9, 12, 9)))
    train, test = data.open(long), data.open(long, "test")
    assert train.frames == test.frames == 16 and not train.notes
    assert (train.spec.stride, test.spec.stride) == (1, 15)
    assert data.open(short).frames == 9 and data.open(short, every=2).frames == 5
    assert data.open(short).notes == (
        "clips have 9 frames rather than 16, since recordings have 12 frames at most",
    )
    assert data.open(long[:1]).frames == 8  # 40 frames hold three clips and two gaps of 8
    assert "each of 3 splits has a part" in data.open(long[:1]).notes[0]


def test_held_out_clips_of_a_period_begin_all_over_it():
    film = torch.eye(6)[torch.arange(61) % 6]
    test = data.open([film], "all", length=6)
    clips = test.batch(torch.arange(len(test)), torch.Generator()).frames
    assert {clip[0].argmax().item() for clip in clips} == set(range(6))
    assert torch.equal(clips[0, -1], clips[1, 0])


def test_one_short_recording_does_not_shorten_all_clips():
    films = [torch.rand(n, 1, 8, 8) for n in (40, 9, 40, 40)]
    with pytest.raises(ValueError, match=r"a clip covers 16 frames, but shorter are item 1"):
        data.open(films)
    source = data.open(films, skip_broken=True)
    assert source.frames == 16 and [entry.name for entry in source.skipped] == ["item 1"]


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(70, 120), min_size=1, max_size=9),
    spec=st.builds(ClipSpec, st.integers(2, 4), st.integers(1, 5), st.integers(1, 3)),
    shares=st.tuples(*[st.sampled_from([0.0, 0.1, 0.2])] * 2),
    seed=st.integers(0, 3),
)
def test_splits_are_disjoint_deterministic_and_apart(lengths, spec, shares, seed):
    lengths = np.array(lengths)
    numbers = np.arange(len(lengths))
    pieces = Pieces(numbers, 0 * numbers, lengths.cumsum() - lengths, lengths)
    whole = len(lengths) >= splits_of("train", *shares)
    used = {}
    for split, share in zip(("train", "validation", "test"), (1, *shares), strict=True):
        if not share:
            continue
        one, two = (
            divide(lengths, split, *shares, seed=seed)
            if whole
            else divide_in_time(pieces, lengths, split, spec.extent, *shares)
            for _ in range(2)
        )
        assert all(np.array_equal(a, b) for a, b in zip(*map(vars_of, (one, two)), strict=True))
        assert (one.clips(spec) > 0).all()
        used[split] = {
            (int(recording), int(frame))
            for recording, begin, length in zip(*vars_of(one), strict=True)
            for frame in range(begin, begin + length)
        }
    for one in used:
        for two in used:
            if one < two:
                assert not used[one] & used[two]
    if whole:  # every frame is used, every recording in one split
        assert sum(map(len, used.values())) == lengths.sum()
        owners = [{recording for recording, _ in frames} for frames in used.values()]
        assert sum(map(len, owners)) == len(lengths)
    else:  # frames of two splits are further apart than a clip is long
        owner = [{f: s for s in used for r, f in used[s] if r == n} for n in range(len(lengths))]
        for frames in owner:
            ordered = sorted(frames)
            for a, b in pairwise(ordered):
                assert frames[a] == frames[b] or b - a > spec.extent


def vars_of(part):
    return part.recording, part.begin, part.length


def test_every_clip_stays_in_its_recording_and_split(written):
    train = data.open(written / "films.npy", length=3, stride=2, every=2)
    numbers = train.frame_numbers(torch.arange(len(train)))
    recordings = numbers // 12
    assert (recordings == recordings[:, :1]).all()
    assert recordings.unique().tolist() == train.part.recording.tolist()
    assert (numbers.diff(dim=1) == 2).all()


def test_batches_are_bytes_until_they_are_made_and_copies(written):
    source = data.open(written / "films.npy")
    assert source.footage.read(np.array([[0, 1]])).dtype == np.uint8
    batch = Batches(source, batch_size=4, seed=1).batch(0)
    assert batch.frames.dtype == torch.float32 and batch.frames.shape == (4, 12, 3, 16, 16)
    assert batch.factors.shape == (4, 12, 0) and batch.moved.tolist() == [-1] * 4
    batch.frames.zero_()
    assert all_frames(source).any()


@pytest.mark.skipif(not Path("/proc/self/maps").is_file(), reason="Linux tells what is mapped")
def test_no_page_of_a_file_stays_mapped(written):
    path = written / "films.npy"
    assert all_frames(data.open(path)).any()
    mapped = np.load(path, mmap_mode="r")
    assert str(path) in Path("/proc/self/maps").read_text()
    del mapped
    assert str(path) not in Path("/proc/self/maps").read_text()


def test_a_file_is_mapped_anew_for_some_frames_at_a_time(written, monkeypatch):
    from symgen.data.recordings import readers

    path, maps, load = written / "films.npy", [], np.load
    whole = all_frames(data.open(path))
    monkeypatch.setattr(readers, "_MAPPED", 3 * readers._AROUND)
    monkeypatch.setattr(readers.np, "load", lambda *a, **k: maps.append(a) or load(*a, **k))
    source = data.open(path)
    maps.clear()
    frames = source.footage.read(np.arange(8))
    assert len(maps) == 3 and np.array_equal(frames, films().reshape(-1, *films().shape[2:])[:8])
    assert torch.equal(all_frames(source), whole)


def test_the_representation_tells_content_and_not_place(written, tmp_path):
    changed = films().copy()
    changed[2, 3] ^= 1
    np.save(tmp_path / "moved.npy", films())
    np.save(tmp_path / "changed.npy", changed)
    original = repr(data.open(written / "films.npy", "all"))
    assert repr(data.open(tmp_path / "moved.npy", "all")) == original
    assert "moved" not in original and "fingerprint=" in original
    assert repr(data.open(written / "films.npy", "all", length=5)) != original
    assert repr(data.open(written / "films.npy", "all", stride=2)) != original


def test_a_fingerprint_sees_changes_of_the_frames_it_looks_at(tmp_path):
    array = films()[:5]  # 60 frames: all are looked at
    changed = array.copy()
    changed[2, 3, 0, 0, 0] ^= 1
    prints = []
    for number, content in enumerate((array, changed, array[:4])):
        np.save(tmp_path / f"{number}.npy", content)
        prints.append(data.open(tmp_path / f"{number}.npy", "all").footage.fingerprint)
    assert len(set(prints)) == 3


@pytest.mark.parametrize(
    "options", [{}, {"gray": True, "cache": "cache"}], ids=["read", "decoded"]
)
@pytest.mark.parametrize("kind", ["films.npy", "frames"])
def test_a_relative_path_is_read_from_anywhere(kind, options, written, tmp_path, monkeypatch):
    expected = all_frames(data.open(written / kind, "all", gray="gray" in options))
    monkeypatch.chdir(written)
    source = data.open(kind, "all", **options)
    monkeypatch.chdir(tmp_path)
    assert all_frames(source).equal(expected)
    assert source.footage.name(0).startswith(str(written / kind))


def test_a_named_cache_is_used_again_until_a_file_changes(tmp_path):
    folder, cache = write_frames(tmp_path / "set", films()[:3]), tmp_path / "cache"
    first = data.open(folder, "all", cache=cache).footage
    stamp = first.path.stat().st_mtime_ns
    again = data.open(folder, "all", cache=cache).footage
    assert again.path == first.path and again.path.stat().st_mtime_ns == stamp
    assert data.open(folder, "all", cache=cache, gray=True).footage.path != first.path
    Image.new("RGB", (16, 16)).save(folder / "film 0" / "0.png")
    assert not all_frames(data.open(folder, "all", cache=cache))[0, 0].any()
    assert sorted({path.suffix for path in cache.iterdir()}) == [".json", ".npy"]
