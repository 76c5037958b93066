"""Options that mean nothing, or too much for this machine: one line with their name, no file."""

import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from symgen.cli import main

SMALL = "--examples 16 --batch-size 8 --width 8"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    assert main(["train", "demo", *SMALL.split(), "--out", str(folder / "demo")]) == 0
    words = ["--examples", "16", "--batch-size", "8", "--out", str(folder / "ace")]
    assert main(["train", "ace-digits", *words]) == 0
    return folder


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("demo --seed 1e23", "--seed: no whole number, '1e23'"),
        (f"demo --seed {2**70}", f"seed={2**70}: give a whole number from -9,223"),
        ("demo --log-every 10000000000", "log_every=10000000000: give"),
        ("demo --batch-size 100000000", "batch_size=100000000: a batch of"),
        ("demo --warmup -1", "warmup=-1: give a whole number of 0 or more"),
        ("demo --mu 1e308", "mu=1e+308"),
        ("demo --eps nan", "eps=nan: give a finite number"),
        ("demo --units 1", "units=1: capsules that roll need 2 units or more"),
        ("demo --units 100000", "units=100000 makes TVAE larger than half of"),
        ("demo --capsules 1000000000", "capsules=1000000000 makes TVAE larger than half of"),
        (f"demo --width {10**20}", f"width={10**20} makes TVAE larger than half of"),
        ("demo --width 8 --depth 100000", "depth=100000: give 1,000 layers at most"),
        ("ace-digits --classifier-hidden 1000000000", "classifier_hidden=1000000000 makes ACE"),
        ("ace-digits --pose-iterations 100000", "pose_iterations=100000: give 1,000 at most"),
        (f"tvae --data x --stride {10**23}", f"stride={10**23}: give"),
        ("tvae --data x --validation nan", "validation=nan: give a finite number from 0 to 1"),
        ("ace-digits --validation -5", "validation=-5: give a whole number of 0 or more"),
        ("demo --likelihood-scale big", "--likelihood-scale: no FLOAT|{one,channel,value}, 'big'"),
        ("demo --seed", "--seed: its value is missing"),
        ("demo --likelihood-scale", "--likelihood-scale: its value is missing"),
        ("demo --nothing 3", "Unrecognized options: --nothing"),
    ],
)
def test_a_number_that_cannot_be_trained_with_is_named(
    words: str, told: str, empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *words.split()]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"symgen: {told}") and error.count("\n") == 1 and "│" not in error
    assert list(empty_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("traverse demo --examples 0", "examples=0: give 1 or more"),
        ("traverse demo --examples -1", "examples=-1: give 1 or more"),
        ("traverse demo --examples 101", "examples=101: give 100 or less"),
        (f"traverse demo --seed {2**70}", f"seed={2**70}: give"),
        ("manifold ace --points 1", "points=1: give 2 or more"),
        ("manifold ace --points 1000000000", "points=1000000000: give 100 or less"),
        ("manifold ace --range nan", "range=nan: give a finite number"),
        ("manifold ace --range 1e-320", "range=1e-320: give 0.001 or more"),
        ("control ace test:0 --steps 1", "steps=1: give 2 or more"),
        ("control ace test:0 --steps 1000000000", "steps=1000000000: give 1000 or less"),
        (f"control ace test:0 --draws {10**20}", f"draws={10**20}: give 1000 or less"),
        (f"control ace test:0 --seed {10**25}", f"seed={10**25}: give"),
        ("control ace test:0 --style 1e308", "style=1e+308: give 1000000.0 or less"),
        ("control ace test:0 --hue nan", "hue=nan: give a finite number"),
        ("traverse", "Missing from symgen traverse: RUN"),
    ],
)
def test_a_number_that_cannot_be_drawn_is_named(
    words: str, told: str, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verb, *rest = words.split()
    run = [str(trained / name) for name in rest[:1]]
    assert main([verb, *run, *rest[1:]]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"symgen: {told}") and error.count("\n") == 1
    assert not any((Path(name) / "figures").exists() for name in run)


def test_many_examples_are_chosen_batch_by_batch_and_take_turns(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from symgen.cli import traverse
    from symgen.experiments.runs import open_run

    sizes = []
    in_turn = traverse.in_turn
    monkeypatch.setattr(
        traverse, "in_turn", lambda named, n: sizes.append(len(named)) or in_turn(named, n)
    )
    x, titles = traverse._examples(open_run(trained / "demo"), 10, seed=3)
    assert sizes == [160] * 3 and len(x) == len(titles) == 10
    assert titles[:4] == titles[4:8] and len({*titles}) == 4
    few, _ = traverse._examples(open_run(trained / "demo"), 2, seed=3)
    assert sizes[3:] == [80] and len(few) == 2


def test_a_picture_beyond_all_screens_is_refused_before_it_is_drawn() -> None:
    from symgen.figures import _canvas

    with pytest.raises(ValueError, match=re.escape("draw fewer images or frames")):
        _canvas.Picture(2**14, 2**14)
    assert isinstance(_canvas.Picture(20, 10).image, Image.Image)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 8 bytes\nmore"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    ],
)
def test_memory_that_does_not_suffice_is_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("symgen.cli.train.start_run", full)
    assert main(["train", "demo", *SMALL.split()]) == 2
    told = capsys.readouterr().err
    assert told.startswith("symgen: not enough memory (") and told.count("\n") == 1
