"""The verbs of ACE on one's own images of any range, as a person uses them."""

import csv
from io import StringIO

import numpy as np
import pytest
from PIL import Image

from symgen._files import claimed
from symgen.cli import main

SMALL = [
    *("--hidden", "20", "--decoder-hidden", "10", "--classifier-hidden", "20"),
    *("--classifier-channels", "4", "4", "--pose-channels", "4", "4", "--pose-hidden", "8"),
    *("--examples", "100", "--batch-size", "20"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of noisy images whose means leave [0, 1], two of three with a label."""
    folder = tmp_path_factory.mktemp("own")
    random = np.random.default_rng(0)
    images = random.normal(0.4, 1, (60, 16, 16)).astype(np.float32)
    np.savez(folder / "cells.npz", images=images, labels=np.arange(60) % 3 - 1)
    words = ["--data", str(folder / "cells.npz"), "--class-names", "0", "1", "--scale", "none"]
    words += ["--likelihood", "gaussian", "--out", str(folder / "run")]
    assert main(["train", "ace", *words, *SMALL]) == 0
    assert main(["evaluate", str(folder / "run"), "--samples", "1"]) == 0
    return folder / "run"


@pytest.mark.parametrize(
    "words", [["manifold"], ["report"], ["control", "test:0", "--rotate", "30", "--draws", "3"]]
)
def test_images_beyond_0_and_1_are_drawn(words, run, capsys):
    assert main([words[0], str(run), *words[1:]]) == 0, capsys.readouterr().err
    written = capsys.readouterr().out.split()
    drawn = [name for name in written if name.endswith(".png")]
    if words == ["report"]:
        assert (run / "report.html").read_text().count("data:image/png") == 3
    assert drawn or words == ["report"]
    for name in drawn:
        assert np.asarray(Image.open(name)).std() > 0


def test_more_starts_than_there_is_time_for_are_refused(run, tmp_path, capsys):
    words = ["--data", str(run.parent / "cells.npz"), "--out", str(tmp_path / "run")]
    assert main(["train", "ace", *words, "--pose-starts", "100000"]) == 2
    assert "pose_starts=100000: give 72 or less" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.fixture
def changed(run):
    """Give the run's images or labels other values, and put them back in the end."""
    path = run.parent / "cells.npz"
    before = path.read_bytes()

    def change(name):
        with np.load(path) as file:
            arrays = {each: file[each].copy() for each in file.files}
        arrays[name][3] += 1
        np.savez(path, **arrays)
        return path

    yield change
    path.write_bytes(before)


@pytest.mark.parametrize("verb", ["evaluate", "align", "encode"])
@pytest.mark.parametrize("what", ["images", "labels"])
def test_data_that_have_changed_since_the_training_are_refused(
    verb, what, run, changed, tmp_path, capsys
):
    path = changed(what)
    out = {"evaluate": [], "align": [tmp_path / "a"], "encode": [tmp_path / "a.csv"]}[verb]
    words = [verb, str(run), *(word for name in out for word in ("--out", str(name)))]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert f"{path}: the {what} are not those that the run was trained on: put them" in error
    assert error.count("\n") == 1 and not any(tmp_path.iterdir())
    if verb == "encode":
        assert main([*words, "--data", str(path)]) == 0
        told = "has the images of the training but other labels"
        assert (told in capsys.readouterr().err) == (what == "labels")
    if verb == "align" and what == "images":
        Image.fromarray(np.full((16, 16), 9, np.uint8)).save(tmp_path / "x.png")
        assert main(["control", str(run), str(tmp_path / "x.png"), "--out", str(tmp_path)]) == 0
        assert "are not there, or have changed" in capsys.readouterr().out
    if verb == "encode":  # as other images, which are in no split
        rows = (tmp_path / "a.csv").read_text().splitlines()
        assert len(rows) == 61 and {row.split(",")[1] for row in rows[1:]} == {"none"}


def test_other_images_are_in_no_split_and_moved_ones_in_their_own(run, tmp_path, capsys):
    moved, others = tmp_path / "moved.npz", tmp_path / "others"
    moved.write_bytes((run.parent / "cells.npz").read_bytes())
    others.mkdir()
    for number in range(3):
        Image.fromarray(np.full((16, 16), 40 * number, np.uint8)).save(others / f"{number}.png")
    words = ["align", str(run), "--split", "test", "--out", str(tmp_path / "a")]
    assert main([*words, "--data", str(others)]) == 2
    error = capsys.readouterr().err
    assert "split='test'" in error and "in no split: leave it out" in error
    np.save(tmp_path / "wide.npy", np.random.default_rng(0).random((5, 16, 20)))
    assert main([*words[:2], *words[4:], "--data", str(tmp_path / "wide.npy")]) == 2
    assert (
        "images of 1 × 16 × 20, but the run was trained on 1 × 16 × 16" in capsys.readouterr().err
    )
    assert not (tmp_path / "a").exists()
    assert main([*words, "--data", str(moved)]) == 0, capsys.readouterr().err
    lines = (tmp_path / "a" / "poses.csv").read_text().splitlines()[1:]
    assert {line.split(",")[1] for line in lines} == {"test"} and len(lines) == 6
    assert main(["evaluate", str(run), "--data", str(others)]) == 2
    assert "not those that the run was trained on" in capsys.readouterr().err


@pytest.mark.parametrize("pose", ["centroid", "matrix"])
def test_poses_of_the_paper_train_as_the_preset_has_them(pose, run, tmp_path, capsys):
    words = ["--data", str(run.parent / "cells.npz"), "--out", str(tmp_path / "run")]
    words += ["--likelihood", "gaussian", "--pose", pose]
    assert main(["train", "ace", *words, *SMALL]) == 0, capsys.readouterr().err


@pytest.mark.parametrize(("ground", "likelihood"), [(100, True), (0, False), (255, False)])
def test_a_gray_ground_is_recommended_a_gaussian_likelihood(
    ground, likelihood, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    images = np.full((30, 9, 9), ground, np.uint8)
    images[:, 3:6, 3:6] = np.arange(30)[:, None, None]
    np.save("x.npy", images)
    assert main(["data", "inspect", "x.npy", "--images"]) == 0
    text = capsys.readouterr().out
    assert ("--likelihood gaussian" in text.splitlines()[-1]) == likelihood
    assert ("add --likelihood gaussian" in text) != likelihood


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """A run on transparent images of classes whose names a table has to quote."""
    folder = tmp_path_factory.mktemp("named")
    random = np.random.default_rng(0)
    for name in ("cat", 'a, "b"', "7"):
        (folder / "images" / name).mkdir(parents=True)
        for number in range(10):
            pixels = random.integers(0, 256, (20, 20, 4), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "images" / name / f"{number}.png")
    words = ["--data", str(folder / "images"), "--gray", "--size", "16", "16"]
    with pytest.MonkeyPatch.context() as patch, StringIO() as told:
        patch.setattr("sys.stdout", told)
        assert main(["train", "ace", *words, "--out", str(folder / "run"), *SMALL]) == 0
        return folder / "run", told.getvalue()


def test_what_was_done_to_images_is_said_once_before_their_training(named):
    lines = named[1].splitlines()
    assert lines[0] == (
        "training on 24 images in 3 classes; 16 × 16, 1 channel; scale 0 → 0, 255 → 1: bytes"
    )
    assert lines[1].startswith("errors will be rough: 3 of 3 images of the test have a label")
    assert lines[2] == "transparent images lie over gray 0 (--background)"
    assert named[1].count("transparent") == 1


def test_tables_call_classes_by_their_names(named, tmp_path):
    names = ["7", 'a, "b"', "cat"]
    for suffix in ("csv", "npz"):
        assert main(["encode", str(named[0]), "--out", str(tmp_path / f"t.{suffix}")]) == 0
    with np.load(tmp_path / "t.npz") as file:
        assert file["class_names"].tolist() == file["probabilities_names"].tolist() == names
        y, chances = file["y"].tolist(), file["probabilities"]
        assert file["class"].tolist() == y
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == [names[label] for label in y]
    assert [int(row["y"]) for row in rows] == y
    for label, name in enumerate(names):
        found = [float(row[f"probabilities_{name}"]) for row in rows]
        np.testing.assert_allclose(found, chances[:, label], rtol=1e-6)
    words = ["decode", str(named[0]), str(tmp_path / "t.csv")]
    assert main([*words, "--out", str(tmp_path / "frames.npy")]) == 0


def test_clusters_have_numbers(named, tmp_path):
    words = ["--data", str(named[0].parent / "images"), "--gray", "--size", "16", "16"]
    words += ["--ignore-labels", "--classes", "2", "--out", str(tmp_path / "run"), *SMALL]
    assert main(["train", "ace", *words]) == 0
    assert main(["encode", str(tmp_path / "run"), "--out", str(tmp_path / "t.csv")]) == 0
    header = (tmp_path / "t.csv").read_text().partition("\n")[0].split(",")
    assert header[:6] == ["image", "split", "label", "y", "probabilities_0", "probabilities_1"]


def test_of_few_images_nothing_is_said_that_fits_them_by_chance(named, tmp_path, capsys):
    words = ["--data", str(named[0].parent / "images"), "--gray", "--size", "16", "16"]
    words += ["--ignore-labels", "--classes", "3", "--out", str(tmp_path / "run"), *SMALL]
    assert main(["train", "ace", *words]) == 0
    assert main(["evaluate", str(tmp_path / "run"), "--samples", "1"]) == 0
    said = capsys.readouterr().out
    assert "of 15 images or more: these are too few" in said and "clusters, matched" not in said


# --- few labels --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A run of a hundred images of which twelve have a label, by name, and what it said."""
    folder = tmp_path_factory.mktemp("few")
    images = np.random.default_rng(1).integers(0, 256, (100, 16, 16), dtype=np.uint8)
    labels = np.array(["cat", "dog"] * 6 + [""] * 88)
    np.savez(folder / "cells.npz", images=images, labels=labels)
    words = ["--data", str(folder / "cells.npz"), "--out", str(folder / "run")]
    with pytest.MonkeyPatch.context() as patch, StringIO() as told:
        patch.setattr("sys.stdout", told)
        assert main(["train", "ace", *words, *SMALL, "--kl-warmup", "50"]) == 0
        return folder / "run", told.getvalue()


def test_few_labels_are_counted_before_the_training(few):
    first, second, *_ = few[1].splitlines()
    assert first.startswith("training on 80 images: 10 with a label, in 2 classes, which are r")
    assert "and 70 without; 16 × 16, 1 channel" in first
    assert second.startswith("errors will be rough: 2 of 11 images of the test have a label")


def test_images_with_labels_are_written_once(few, tmp_path):
    run, words = few[0], ["--split", "train"]
    assert main(["encode", str(run), *words, "--out", str(tmp_path / "t.csv")]) == 0
    assert main(["align", str(run), *words, "--out", str(tmp_path / "a")]) == 0
    for path in (tmp_path / "t.csv", tmp_path / "a" / "poses.csv"):
        with path.open(newline="") as file:
            names = [row["image"] for row in csv.DictReader(file)]
        assert len(names) == len({*names}) == 80
    assert len(np.load(tmp_path / "a" / "aligned.npy")) == 80


def test_errors_are_of_the_images_that_have_a_label(few, capsys):
    run = few[0]
    assert main(["evaluate", str(run), "--samples", "1"]) == 0
    text = capsys.readouterr().out
    assert "of 2 with a label" in " ".join(text.split())
    assert "% of 2 held-out images with a label (95 % interval" in text
    assert main(["report", str(run)]) == 0
    page = (run / "report.html").read_text()
    assert "of 2 held-out images with a label" in page and str(run.parent / "cells.npz") in page
    assert "80 images, 10 with a label" in page and "symgen align" in page


def test_classes_are_called_by_name(few, tmp_path, capsys):
    run = str(few[0])
    words = ["control", run, "test:0", "--out", str(tmp_path)]
    assert main([*words, "--as", "dog"]) == main([*words, "--as", "1"]) == 0
    assert main([*words, "--as", "fox"]) == 2
    assert "as=fox: there is no such class, choose one of cat, dog" in capsys.readouterr().err
    assert main(["manifold", run, "--class", "dog"]) == 0
    assert (few[0] / "figures" / "manifold-1.png").is_file()
    assert main(["manifold", run, "--class", "fox"]) == 2


@pytest.mark.parametrize(("factor", "told"), [(1 / 255, "1"), (16, "4080"), (1, None)])
def test_images_of_another_scale_are_said(factor, told, few, tmp_path, capsys):
    path = tmp_path / "others.npy"
    images = np.random.default_rng(2).integers(0, 256, (20, 16, 16))
    images[:, 0, 0], images[:, 0, 1] = 0, 255
    np.save(path, (images * factor).astype(np.float32 if told == "1" else np.uint16))
    said = f"symgen: {path}: values reach from 0 to {told}, but the model was trained on 0 to 255"
    for words in (["align", "--out", str(tmp_path / "a")], ["encode", "--out", "t.npz"]):
        assert main([words[0], str(few[0]), *words[1:], "--data", str(path)]) == 0
        lines = [line for line in capsys.readouterr().err.splitlines() if "values" in line]
        assert lines == ([f"{said}: bring them to the same numbers first"] if told else [])


def test_images_of_a_run_that_left_numbers_as_they_are_have_no_scale(run, tmp_path, capsys):
    np.save(tmp_path / "others.npy", 100 * np.random.default_rng(2).random((20, 16, 16)))
    words = ["encode", str(run), "--data", str(tmp_path / "others.npy"), "--out", "t.npz"]
    assert main(words) == 0
    assert "values reach" not in capsys.readouterr().err


def test_two_processes_do_not_align_into_the_same_folder(few, tmp_path, capsys):
    words = ["align", str(few[0]), "--split", "test", "--out", str(tmp_path), "--force"]
    with claimed(tmp_path / "aligned.npy"):
        assert main(words) == 2
    assert "aligned.npy is being written by another process" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())
    assert main(words) == 0


def test_aligned_images_lie_in_the_run_by_default(few):
    assert main(["align", str(few[0]), "--examples", "2"]) == 0
    assert (few[0] / "aligned" / "poses.csv").is_file()


def test_what_lasts_until_the_end_of_a_training_is_said(few, tmp_path, capsys):
    data = ["--data", str(few[0].parent / "cells.npz"), "--ignore-labels", "--classes", "3"]
    assert main(["train", "ace", *data, "--out", str(tmp_path / "run"), *SMALL]) == 0
    text = capsys.readouterr().out
    assert (
        "dealt out evenly to clusters for 80,000 examples, and the training has only 100" in text
    )
    assert "KL terms grow over 60,000 examples" in text


def test_own_images_are_looked_at_as_they_are_inspected(few, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = str(few[0].parent / "cells.npz")
    assert main(["data", "ace", "--data", path]) == 0
    assert main(["data", "inspect", path, "--images"]) == 0
    first, second = capsys.readouterr().out.split("next: ")[:2]
    assert "class cat" in first and "80, 10 with a label" in first and "images-2.png" in second
    assert {entry.name for entry in tmp_path.iterdir()} == {"images.png", "images-2.png"}
