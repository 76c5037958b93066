"""What cannot be recordings: one clear error each, and how broken ones are left out."""

import re
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from recording_helpers import films, write_frames, write_video, write_videos

from symgen import data


def saved(path, array):
    np.save(path, array)
    return path


def refused(given, message, **options):
    with pytest.raises(ValueError, match=re.escape(message)):
        data.open(given, **options)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            np.zeros((3, 4, 4), np.uint8),
            "has shape (3, 4, 4) of uint8, of which no reading is sure",
        ),
        (np.zeros((3, 4, 8, 8, 8), np.uint8), "of which no reading is sure: name its axes"),
        (np.zeros((0, 3, 8, 8), np.uint8), "has shape (0, 3, 8, 8), which holds nothing"),
        (np.zeros(7, np.uint8), "has shape (7,): give 2 to 6 axes"),
        (np.zeros((4, 40, 8, 8), complex), "holds complex numbers"),
        (np.full((4, 40, 8, 8), np.nan), "films.npy: no frame is good; the first: its numbers"),
        (np.array([None]), "cannot be read: it holds objects, which are no numbers"),
    ],
)
def test_arrays_that_hold_no_films(array, message, tmp_path):
    path = tmp_path / "films.npy"
    np.save(path, array, allow_pickle=True)
    refused(path, message)
    refused(path, str(path))


def test_the_bad_frame_of_an_array_cuts_its_recording(tmp_path):
    array = np.random.default_rng(0).random((6, 9, 1, 8, 8)).astype(np.float32)
    array[3, 4, 0, 1, 1] = np.nan
    path = saved(tmp_path / "films.npy", array)
    source = data.open(path, "all", length=4, stride=4)
    assert source.footage.cuts == (
        (f"{path}[3], frame 4", "its numbers are not finite (NaN or beyond 32 bits)"),
    )
    assert source.footage.short_names[3:5] == ["[3][0:4]", "[3][5:9]"]
    clips = source.batch(torch.arange(len(source)), torch.Generator()).frames
    good = [clip for film in array[[0, 1, 2]] for clip in (film[:4], film[4:8])]
    good += [array[3, :4], array[3, 5:]]
    good += [clip for film in array[[4, 5]] for clip in (film[:4], film[4:8])]
    assert clips.equal(torch.from_numpy(np.stack(good)))


def test_pieces_of_a_recording_are_in_one_split(tmp_path):
    array = np.random.default_rng(0).random((10, 40, 8, 8))
    array[:, 20] = np.nan
    path = saved(tmp_path / "films.npy", array)
    used = {}
    for split in ("train", "validation", "test"):
        source = data.open(path, split, length=8)
        pieces = source.part.recording
        used[split] = set(source.footage.pieces.recording[pieces].tolist())
        assert len(pieces) == 2 * len(used[split])
    assert sorted(map(len, used.values())) == [1, 1, 8]
    assert len(set.union(*used.values())) == 10


def test_only_pieces_shorter_than_a_clip_are_dropped_and_listed():
    film = torch.rand(60, 1, 8, 8)
    film[5] = film[6] = film[30] = float("nan")
    source = data.open([film, torch.rand(20, 1, 8, 8)], "all", length=10)
    assert [entry.name for entry in source.skipped] == ["item 0[0:5]"]
    assert source.part.recording.tolist() == [1, 2, 3]
    assert len(source.footage.cuts) == 3


def test_damaged_and_ambiguous_array_files(tmp_path):
    path = saved(tmp_path / "films.npy", films())
    path.write_bytes(path.read_bytes()[:5000])
    refused(path, f"{path} cannot be read: ")
    two = tmp_path / "two.npz"
    np.savez(two, a=films(), b=films()[:5])
    refused(two, f"{two} has 2 arrays, a (12, 12, 3, 16, 16) uint8, b (5, 12, 3, 16, 16) uint8")
    refused(two, "choose one, such as --key a")
    refused(two, "key='c': ", key="c")
    assert len(data.open(two, "all", key="b").footage.lengths) == 5
    two.write_bytes(two.read_bytes()[:5000])
    refused(two, f"{two} cannot be read: ")


def test_what_holds_nothing(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="nowhere is not there"):
        data.open(tmp_path / "nowhere")
    refused(tmp_path, f"{tmp_path} has 0 folders, 0 images, 0 videos and 0 arrays: give")
    (tmp_path / "notes.txt").write_text("")
    refused(tmp_path / "notes.txt", "notes.txt is not a recording: give an array (.npy")
    refused([], "there is no recording at all")
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)
    (tmp_path / "table.csv").write_text("1,2\n")
    refused(tmp_path, "of such folders; save tables such as table.csv as .npy")
    refused(tmp_path / "table.csv", "table.csv is not a recording: save the table as a .npy, or")
    refused(3, "3 is not a recording: give a path or tensors")


@pytest.mark.parametrize("kind", ["size", "channels", "empty", "one", "deep"])
def test_a_broken_folder_is_named_or_skipped_and_listed(kind, tmp_path):
    folder = write_frames(tmp_path / "set", films()[:5])
    frame = folder / "film 2" / "7.png"
    if kind == "size":
        Image.new("RGB", (16, 17)).save(frame)
        message = f"{frame.parent}, frame 7 is 3 × 17 × 16 uint8 but those before it are 3 × 16"
    elif kind == "channels":
        Image.new("L", (16, 16)).save(frame)
        message = f"{frame.parent}, frame 7 is 1 × 16 × 16 uint8"
    elif kind == "deep":
        Image.new("I;16", (16, 16)).save(frame)
        message = f"{frame.parent}, frame 7 is 1 × 16 × 16 uint16 but those before it are 3 × 16"
    else:
        for file in sorted(frame.parent.iterdir())[kind == "one" :]:
            file.unlink()
        message = f"{frame.parent} has "
        message += "1 frame: a sequence needs" if kind == "one" else "no PNG, JPEG or TIFF image"
    refused(folder, message)
    source = data.open(folder, "all", skip_broken=True)
    ((name, reason),) = source.skipped
    assert name == str(frame.parent) and message in reason
    kept = torch.from_numpy(np.delete(films()[:5], 2, axis=0)).float() / 255
    assert source.batch(torch.arange(4), torch.Generator()).frames.equal(kept)


@pytest.mark.parametrize("kind", ["unreadable", "truncated"])
def test_a_broken_image_is_named_or_cut_out(kind, tmp_path):
    folder = write_frames(tmp_path / "set", films()[:3])
    frame = folder / "film 2" / "7.png"
    whole = frame.read_bytes()
    frame.write_bytes(b"no image" if kind == "unreadable" else whole[:-200])
    refused(folder, f"{frame} cannot be read as an image")
    source = data.open(folder, "all", skip_broken=True, length=7)
    ((name, reason),) = source.footage.cuts
    assert name == f"{folder / 'film 2'}, frame 7" and str(frame) in reason
    assert source.footage.short_names == ["film 0", "film 1", "film 2[0:7]", "film 2[8:12]"]
    assert [entry.name for entry in source.skipped] == [f"{folder / 'film 2'}[8:12]"]
    last = source.batch(torch.tensor([len(source) - 1]), torch.Generator()).frames[0]
    assert last.equal(torch.from_numpy(films()[2, :7]).float() / 255)


def test_size_and_gray_mend_what_differs(tmp_path):
    folder = write_frames(tmp_path / "set", films()[:3])
    for number in range(12):
        Image.new("L", (20, 24)).save(folder / "film 1" / f"{number}.png")
    assert data.open(folder, "all", size=(8, 8), gray=True).data_shape == (1, 8, 8)


def test_a_first_recording_that_is_broken_does_not_set_the_measure(tmp_path):
    folder = write_frames(tmp_path / "set", films()[:3])
    Image.new("L", (4, 4)).save(folder / "film 0" / "0.png")  # all others of its frames differ
    source = data.open(folder, "all", skip_broken=True)
    assert source.data_shape == (3, 16, 16) and len(source.skipped) == 1
    for number in (1, 2):
        Image.new("RGB", (16, 17)).save(folder / f"film {number}" / "0.png")
    refused(folder, "all 3 recordings are broken; the first: ", skip_broken=True)


@pytest.mark.parametrize("kind", ["unreadable", "truncated", "no video"])
def test_a_broken_video_is_named_or_skipped_and_listed(kind, tmp_path):
    folder = write_videos(tmp_path / "videos", films()[:4])
    video = folder / "film 1.mp4"
    message = f"{video} cannot be decoded as a video"
    if kind == "unreadable":
        video.write_bytes(b"no video" * 100)
    elif kind == "truncated":
        long = write_video(folder / "film 1.mkv", np.concatenate(films()))
        video.unlink()
        video, raw = long, long.read_bytes()
        video.write_bytes(raw[: len(raw) // 2])
        message = f"{video} is damaged: File ended prematurely"
    else:
        import av

        with av.open(video, "w") as container:
            stream = container.add_stream("aac", rate=8000)
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 4000), np.float32), "fltp", "mono")
            silence.rate = 8000
            container.mux(stream.encode(silence))  # pyright: ignore
            container.mux(stream.encode(None))  # pyright: ignore
        message = f"{video} has no video stream"
    refused(folder, message)
    source = data.open(folder, "all", skip_broken=True)
    ((name, reason),) = source.skipped
    assert name == str(video) and message in reason and len(source) == 3


def test_videos_without_pyav_say_how_to_install_it(tmp_path, monkeypatch):
    folder = write_videos(tmp_path / "videos", films()[:1])
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ModuleNotFoundError, match=re.escape("pip install 'symgen[video]'")):
        data.open(folder, skip_broken=True)


def test_rates_that_do_not_fit(tmp_path):
    video = write_video(tmp_path / "film.mp4", films()[0], rate=25)
    refused(video, f"rate=30 but {video} has 25 frames per second", rate=30.0)
    frames = write_frames(tmp_path / "set", films()[:1])
    refused(frames, "has no frames per second, only videos have; take every k-th", rate=10.0)
    refused(saved(tmp_path / "a.npy", films()), "an array, has no frames per second", rate=10.0)


def test_recordings_shorter_than_a_clip_are_named_or_skipped():
    recordings = [torch.rand(length, 1, 8, 8) for length in (20, 9, 20, 11, 20)]
    message = "a clip covers 12 frames, but shorter are item 1 (9 frames), item 3 (11 frames)"
    refused(recordings, message, length=12)
    source = data.open(recordings, "all", length=12, skip_broken=True)
    assert len(source) == 3
    assert [entry.name for entry in source.skipped] == ["item 1", "item 3"]
    short = [torch.rand(length, 1, 8, 8) for length in (10, 9, 10)]
    refused(short, "item 1 has 9 frames, too few for clips of two frames", every=9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 1}, "length=1: give 2 or more"),
        ({"stride": 0}, "stride=0: give 1 or more"),
        ({"every": 0}, "every=0: give 1 or more"),
        ({"size": (0, 8)}, "size=(0, 8)"),
        ({"test": 1.0}, "validation=0.1, test=1.0: give shares"),
        ({"validation": -0.1}, "validation=-0.1"),
        ({"validation": 0.7, "test": 0.29}, "leave none of 5 recordings to train on"),
        ({"split": "test", "test": 0.0}, "the split 'test' is empty"),
    ],
)
def test_options_that_do_not_fit(options, message):
    refused([torch.rand(9, 1, 8, 8) for _ in range(5)], message, **options)


def test_one_recording_too_short_for_parts_in_time_is_refused():
    refused([torch.rand(30, 1, 8, 8)], "1 recording for 3 splits: each is divided", length=8)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("text", "item 1 is a str: give tensors"),
        (torch.zeros(3, 5, 5, 5, 5, 5), "of which no reading is sure"),
        (torch.zeros(3, 1, 8, 8, dtype=torch.int64), "item 1, frame 0 is 1 × 8 × 8 int64 but"),
        (torch.zeros(3, 1, 8, 9), "item 1, frame 0 is 1 × 8 × 9 float32 but those before"),
        (torch.zeros(3, 1, 8, 8, dtype=torch.bfloat16), "item 1 has no numbers that numpy knows"),
        (torch.zeros(3, 1, 8, 8, device="meta"), "item 1 has no numbers that numpy knows"),
        (torch.zeros(3, 4).to_sparse(), "item 1 has no numbers that numpy knows"),
        (torch.zeros(3, 1, 8, 8, dtype=torch.complex64), "item 1 holds complex64"),
        (torch.zeros(1, 1, 8, 8), "of which no reading is sure"),
        ((3, 4), "item 1 is a tuple: give tensors"),
        ({"a": 3}, "item 1 is a dictionary of a, of which none can be a recording"),
    ],
)
def test_tensors_that_are_no_recordings(item, message):
    refused([torch.rand(3, 1, 8, 8), item], message)


def test_there_is_no_item_beyond_the_last():
    source = data.open([torch.rand(9, 1, 8, 8)] * 4, "all")
    with pytest.raises(ValueError, match=r"no item 4: .* has items 0 to 3"):
        source.batch(torch.tensor([4]), torch.Generator())
