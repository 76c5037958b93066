"""One's own images: which are found, which class they have, how they are split."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from symgen.data.labelled import repeats
from symgen.data.own_images import class_folders, open_images


def picture(number: int, size=(10, 12), mode="L") -> Image.Image:
    rng = np.random.default_rng(number)
    shape = (*size, 3) if mode == "RGB" else size
    return Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))


@pytest.fixture
def folders(tmp_path):
    """Twenty images of each of two classes, one of them in folders, and five without a class."""
    for number in range(20):
        for name in ("cat", "dog/home" if number % 2 else "dog"):
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
            picture(number + 100 * (name == "cat")).save(tmp_path / name / f"{number}.png")
    (tmp_path / "unlabelled").mkdir()
    for number in range(4):
        picture(500 + number).save(tmp_path / "unlabelled" / f"{number}.png")
    picture(600).save(tmp_path / "beside.png")
    return tmp_path


def images_of(source) -> torch.Tensor:
    return source.batch(torch.arange(len(source)), torch.Generator()).images


def test_folders_are_classes_and_what_lies_beside_has_none(folders):
    source = open_images(folders, "all")
    assert source.class_names == ("cat", "dog") and source.classes == 2
    assert source.labelled == "some" and source.data_shape == (1, 10, 12)
    assert class_folders(folders) == {"": 1, "cat": 20, "dog": 20, "unlabelled": 4}
    batch = source.batch(torch.arange(len(source)), torch.Generator())
    for number, label in enumerate(batch.labels.tolist()):
        name = source.image_names[source.numbers_of(torch.tensor([number]))[0]]
        first = Path(name).parts[0]
        assert label == {"cat": 0, "dog": 1}.get(first, -1)
        expected = np.asarray(Image.open(folders / name), np.float32) / 255
        np.testing.assert_allclose(batch.images[number, 0].numpy(), expected, atol=1e-6)


def test_labels_that_are_no_class_are_left_out_and_said_so(folders):
    source = open_images(folders, "all", class_names=("dog", "fox"))
    assert source.notes == (
        "labels cat match none of the classes: their 20 images count as having no label",
        "no image has the label fox",
    )
    assert (source.classes_of == 0).sum() == 20 and (source.classes_of < 0).sum() == 25


def test_splits_share_no_image_and_hold_every_class(folders):
    sources = {s: open_images(folders, s, test=0.2) for s in ("train", "validation", "test")}
    numbers = [set(source.numbers.tolist()) for source in sources.values()]
    assert sum(map(len, numbers)) == 45 == len(set.union(*numbers))
    for label in (0, 1):
        counts = [int((s.classes_of[s.numbers] == label).sum()) for s in sources.values()]
        assert counts == [14, 2, 4]
    other = open_images(folders, "test", test=0.2, split_seed=1)
    assert set(other.numbers.tolist()) != numbers[2]


def test_equal_images_are_in_one_split(tmp_path):
    images = np.repeat(np.arange(30, dtype=np.uint8), 4)[:, None, None] * np.ones((6, 6), np.uint8)
    np.save(tmp_path / "x.npy", images)
    source = open_images(tmp_path / "x.npy", "all")
    assert (source.splits.reshape(30, 4) == source.splits[::4, None]).all()
    assert set(source.splits) == {0, 1, 2}


def test_few_labels_come_up_again_and_again_in_the_training_alone(folders):
    for label in ("cat", "dog"):
        for number in range(1, 20):
            found = next((folders / label).rglob(f"{number}.png"))
            found.rename(folders / "unlabelled" / f"{label}{number}.png")
    train = open_images(folders, validation=0.0, test=0.0)
    known = train.batch(torch.arange(len(train)), torch.Generator()).known
    assert float((known >= 0).float().mean()) >= 0.2
    assert len(open_images(folders, "all")) == 45
    assert repeats(np.array([0, 1, -1])).tolist() == [0, 1, 2]


def test_arrays_with_labels_beside_the_images(tmp_path):
    x = np.random.default_rng(0).random((30, 9, 7, 3)).astype(np.float32)
    y = np.array([3, 7, -1] * 10)
    np.savez(tmp_path / "a.npz", pictures=x, target=y, weights=np.ones(4))
    source = open_images(tmp_path / "a.npz", "all", axes="NYXC")
    assert source.data_shape == (3, 9, 7) and source.class_names == ("3", "7")
    assert source.classes_of.tolist() == [0, 1, -1] * 10
    np.testing.assert_allclose(images_of(source).numpy(), x.transpose(0, 3, 1, 2), atol=1e-6)


def test_labels_of_other_names_are_asked_for_and_not_taken(tmp_path):
    x = np.random.default_rng(0).integers(0, 255, (30, 9, 9), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x=x, kind=np.arange(30) % 3)
    source = open_images(tmp_path / "a.npz", "all")
    assert source.labelled == "none" and "--labels kind" in source.notes[0]
    assert open_images(tmp_path / "a.npz", "all", labels="kind").classes == 3
    hidden = open_images(tmp_path / "a.npz", "all", labels="kind", ignore_labels=True, classes=5)
    assert (hidden.classes, hidden.labelled) == (5, "none")
    batch = hidden.batch(torch.arange(3), torch.Generator())
    assert batch.labels.tolist() == [0, 1, 2] and batch.inputs[1].tolist() == [-1] * 3


def test_labels_in_a_file_of_lines(folders):
    (folders / "labels.csv").write_text("image,label\nunlabelled/0.png,fox\nbeside.png,cat\n")
    source = open_images(folders, "all", labels=str(folders / "labels.csv"))
    assert source.class_names == ("cat", "fox") and int((source.classes_of >= 0).sum()) == 2
    (folders / "labels.csv").write_text("beside,cat\nnone.png,dog\n")
    with pytest.raises(ValueError, match=r"line 2: no image 'none.png'"):
        open_images(folders, labels=str(folders / "labels.csv"))
    np.save(folders / "labels.npy", np.r_[np.zeros(44), np.nan])
    assert open_images(folders, "all", labels=str(folders / "labels.npy")).class_names == ("0",)


def test_names_of_classes_may_hold_slashes_and_minus_one_is_none(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(20 * 64, dtype=np.float32).reshape(20, 8, 8))
    lines = [f"{n},{('a/b', 'c/b', '-1')[n % 3]}" for n in range(20)]
    (tmp_path / "kinds.csv").write_text("\n".join(lines))
    source = open_images(tmp_path / "x.npy", "all", labels=str(tmp_path / "kinds.csv"))
    assert source.class_names == ("a/b", "c/b")
    assert source.classes_of[:3].tolist() == [0, 1, -1]


def test_tiff_pages_are_images(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    x = np.random.default_rng(0).integers(90, 4000, (25, 11, 11)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "stack.tif", x)
    source = open_images(tmp_path / "stack.tif", "all")
    assert source.scale == (0.0, 4095.0) and len(source) == 25
    np.testing.assert_allclose(images_of(source)[:, 0].numpy(), x / 4095, atol=1e-6)


def test_images_of_other_sizes_are_brought_to_one_if_asked_for(tmp_path):
    picture(0).save(tmp_path / "0.png")
    picture(1, (20, 20), "RGB").save(tmp_path / "1.png")
    with pytest.raises(ValueError, match=r"1.png is 3 × 20 × 20 uint8, those before"):
        open_images(tmp_path)
    source = open_images(tmp_path, "all", size=(8, 8), gray=True)
    assert source.data_shape == (1, 8, 8) and len(source) == 2


def test_images_that_are_not_finite_are_left_out_and_said_so(tmp_path):
    x = np.random.default_rng(0).random((20, 8, 8))
    x[3, 2, 2] = np.nan
    np.save(tmp_path / "x.npy", x)
    source = open_images(tmp_path / "x.npy", "all")
    assert len(source) == 19 and 3 not in source.numbers
    assert source.notes == ("1 images are not finite and left out",)


def test_ground_and_spread_are_those_of_the_images(tmp_path):
    x = np.full((40, 12, 12), 0.25, np.float32)
    x[:, 5:7, 5:7] = np.random.default_rng(0).random((40, 2, 2))
    np.save(tmp_path / "x.npy", x)
    source = open_images(tmp_path / "x.npy", "all", scale="none")
    assert source.ground == pytest.approx(0.25)
    assert source.spread == pytest.approx(float((x - x.mean(0)).std()), rel=1e-3)


def test_the_record_is_of_images_and_of_labels_wherever_they_lie(folders, tmp_path_factory):
    records = [open_images(folders, split).split_record() for split in ("train", "test")]
    assert records[0] == records[1]
    copy = tmp_path_factory.mktemp("moved") / "there"
    shutil.copytree(folders, copy)
    assert open_images(copy).split_record() == records[0]
    (copy / "unlabelled" / "0.png").rename(copy / "cat" / "z.png")
    labels = open_images(copy).record
    assert labels["labels"] != records[0]["all"]["labels"]
    picture(999).save(copy / "cat" / "0.png")
    assert open_images(copy).record["images"] != labels["images"]


def test_other_images_need_not_have_what_the_options_speak_of(folders, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((20, 10, 12)))
    options = {"class_names": ("cat", "dog"), "ignore_labels": True, "background": 1.0}
    source = open_images(tmp_path / "x.npy", "all", files="*.png", others=True, **options)
    assert len(source) == 20 and (source.classes_of < 0).all()
    assert len(open_images(folders, "all", axes="NYX", key="x", others=True)) == 45


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nowhere", {}, "nowhere is not there"),
        ("a.txt", {}, "is not a set of images: give a folder of images"),
        ("empty", {}, "empty has no image"),
        ("ambiguous.npy", {}, "has shape .* name its axes, such as --axes NYX"),
        ("x.npy", {"axes": "NYQ"}, "axes='NYQ'"),
        ("x.npy", {"key": "y"}, "key='y'"),
        ("x.npy", {"labels": "kind"}, "labels='kind': .* no such array"),
        ("x.npy", {"labels": "no.csv"}, "no.csv is not there"),
        ("x.npy", {"validation": 0.6, "test": 0.5}, "leave some to train on"),
        ("x.npy", {"split": "none"}, "split='none': choose"),
        ("x.npy", {"classes": 0}, "classes=0"),
        ("two", {"classes": 3}, "the labels name 2"),
        ("two", {"axes": "NYX"}, "is a folder of images, not an array"),
        ("two", {"labels": "kind"}, "of a folder give a file of lines"),
        ("broken", {}, "cannot be read as an image"),
        ("x.npy", {}, "x.npy: 20 images are all equal"),
        ("clear", {}, "all equal; transparent images lie over gray 0"),
        ("complex.npy", {}, "holds complex64"),
        ("r.npy", {"size": (0, 8)}, r"size=\(0, 8\)"),
        ("r.npy", {"classes": 21}, "classes=21: give at most one for each of 20"),
        ("two", {"class_names": ("1", "1")}, "give each class a name of its own"),
        ("two", {"split": "validation"}, "give more of each class, or other shares"),
        ("r.npy", {"labels": "short.npy"}, "for 20 images: give a whole number from 0 on"),
        ("r.npy", {"labels": "infinite.npy"}, "give a whole number from 0 on"),
        ("r.npy", {"labels": "negative.npy"}, "give a whole number from 0 on"),
        ("r.npy", {"labels": "none.npy"}, "none of 20 images has one there"),
        ("r.npy", {"labels": "header.csv"}, "none of 20 images has one there"),
        ("r.npy", {"labels": "twice.csv"}, "line 2: '3' is 'b' here, but 'a' in a line before"),
        ("r.npy", {"labels": "bytes.csv"}, "is no text in UTF-8"),
        ("two", {"labels": "same.csv"}, "several images are called '0.png'.* such as '0/0.png'"),
        ("r.npy", {"files": "*.png"}, r"files='\*.png': .* is an array, not a folder of images"),
        ("two", {"files": "*.tif"}, r"two has no image \(files='\*.tif'\)"),
        ("r.npy", {"class_names": ("a", "b")}, "no image .* has a label; .* with classes=2"),
        ("two", {"class_names": ("a", "b")}, "none of them is among the labels of .*, 0, 1"),
        ("r.npy", {"ignore_labels": True}, "ignore_labels=True: no image of .* has a label"),
        ("r.npy", {"background": 1.0}, "background=1: no image of .* is transparent"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(name, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    np.save("r.npy", random)
    np.save("complex.npy", random.astype(np.complex64))
    np.save("short.npy", np.arange(19))
    np.save("infinite.npy", np.where(np.arange(20) % 2, np.inf, 1.0))
    np.save("negative.npy", np.arange(20) - 5)
    np.save("none.npy", np.full(20, np.nan))
    Path("header.csv").write_text("image,label\n")
    Path("twice.csv").write_text("3,a\n3,b\n")
    Path("bytes.csv").write_bytes(b"\xff\xfe\x00")
    Path("same.csv").write_text("0.png,a\n")
    (tmp_path / "clear").mkdir()
    for number in range(5):
        ink = np.zeros((8, 8, 4), np.uint8)
        ink[number, :, 3] = 255
        Image.fromarray(ink).save(tmp_path / "clear" / f"{number}.png")
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    np.save(tmp_path / "x.npy", np.zeros((20, 8, 8), np.uint8))
    np.save(tmp_path / "ambiguous.npy", np.zeros((20, 9, 31, 33), np.uint8))
    for number in range(2):
        (tmp_path / "two" / str(number)).mkdir(parents=True)
        picture(number).save(tmp_path / "two" / str(number) / "0.png")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "0.png").write_bytes(b"\x89PNG")
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        open_images(tmp_path / name, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.arange(20), "labels has shape"),
        (np.zeros((30, 2)), "labels has shape"),
        (np.full(30, 0.5), "labels has shape"),
        (np.array(["a"] * 20), "labels has text of shape"),
    ],
)
def test_labels_that_do_not_fit_are_refused_rather_than_left_alone(tmp_path, labels, message):
    images = np.arange(30 * 81).reshape(30, 9, 9).astype(np.uint8)
    np.savez(tmp_path / "x.npz", images=images, labels=labels)
    with pytest.raises(ValueError, match=message):
        open_images(tmp_path / "x.npz")


@pytest.mark.parametrize("labels", [np.arange(30) % 3 - 1.0, np.array(["", "0", "1"] * 10)])
def test_labels_may_be_whole_floats_or_text(tmp_path, labels):
    images = np.arange(30 * 81).reshape(30, 9, 9).astype(np.uint8)
    np.savez(tmp_path / "x.npz", images=images, labels=labels, extra=np.zeros(4))
    source = open_images(tmp_path / "x.npz", "all")
    assert source.class_names == ("0", "1")
    assert source.classes_of.tolist() == [-1, 0, 1] * 10
    assert open_images(tmp_path / "x.npz", "all", labels="labels").class_names == ("0", "1")
    with pytest.raises(ValueError, match=r"labels='kinds': .* has no such array"):
        open_images(tmp_path / "x.npz", labels="kinds")
