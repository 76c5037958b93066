"""`symgen evaluate` as it is used: how much it measures, what ends it early, what it says."""

import json
import signal
from importlib import import_module
from pathlib import Path

import pytest
from recording_helpers import films, write_frames

from symgen.cli import main
from symgen.experiments.families import TimeLimit, TopographicFamily

SMALL = ["--capsules", "2", "--width", "8", "--length", "4", "--examples", "48"]
SMALL += ["--batch-size", "8", "--window", "3"]
VERB = import_module("symgen.cli.evaluate")


@pytest.fixture
def run(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run on dSprites, of whose held-out sequences ten are a batch."""
    monkeypatch.setattr(TopographicFamily, "batch_size", 10)
    assert main(["train", "demo", "--out", "run", *SMALL]) == 0
    return "run"


def examples(run: str, name: str = "summary.json") -> int:
    return json.loads((Path(run) / name).read_text())["evaluation"]["examples"]


def ticking(seconds: float):
    """A clock by which every batch takes so many seconds."""
    now = iter(range(1_000_000))
    return lambda: seconds * next(now)


def test_as_many_are_measured_as_a_minute_allows(run, monkeypatch, capsys):
    monkeypatch.setattr(VERB, "TimeLimit", lambda seconds: TimeLimit(seconds, ticking(20.0)))
    assert main(["evaluate", run, "--samples", "1"]) == 0
    text = capsys.readouterr().out
    assert "30 are as many as a minute allows here, evenly spread; --all measures all" in text
    assert "30 of 20,270 sequences, 1 importance samples; everything: run/summary-30.json" in text
    assert examples(run) == examples(run, "summary-30.json") == 30


def test_a_smaller_evaluation_says_which_the_card_shows(run, capsys):
    assert main(["evaluate", run, "--samples", "1", "--examples", "20"]) == 0
    assert "summary.json, which" not in capsys.readouterr().out
    assert main(["evaluate", run, "--samples", "1", "--examples", "10"]) == 0
    text = capsys.readouterr().out
    assert "summary.json, which the model card shows, stays that of 20" in text
    assert "as a minute allows" not in text and examples(run) == 20


def test_all_are_measured_where_it_is_asked_for(empty_folder, capsys):
    write_frames(Path("films"), films())
    words = ["--capsules", "2", "--width", "8", "--depth", "1", "--examples", "16"]
    assert main(["train", "tvae", "--data", "films", *words, "--batch-size", "8"]) == 0
    assert main(["evaluate", "runs/tvae", "--all", "--samples", "1"]) == 0
    assert main(["evaluate", "runs/tvae", "--all", "--examples", "3"]) == 2
    told = capsys.readouterr()
    assert "give one of --examples and --all" in told.err
    assert "--all measures all" not in told.out and "clip of" in told.out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_what_was_measured(number, run, monkeypatch, capsys):
    def raised(show):
        return lambda done, batches: done == 2 and signal.raise_signal(number)

    monkeypatch.setattr(VERB, "_shown", raised)
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as end:
        main(["evaluate", run, "--all", "--samples", "1"])
    assert end.value.code == 128 + number
    told = capsys.readouterr()
    assert "stopped after 30 of 20,270 sequences; the table is of these" in told.err
    assert "roll prediction, unseen frames" in told.out and "\nNext: " in told.out
    assert examples(run) == 30
    assert signal.getsignal(number) == before


def test_what_a_signal_leaves_is_what_an_evaluation_of_that_size_gives(run, monkeypatch, capsys):
    def raised(show):
        return lambda done, batches: done == 1 and signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(VERB, "_shown", raised)
        main(["evaluate", run, "--all", "--samples", "1"])
    count = examples(run)
    first = json.loads(Path(f"run/summary-{count}.json").read_text())["evaluation"]
    assert main(["evaluate", run, "--examples", str(count), "--samples", "1"]) == 0
    assert json.loads(Path(f"run/summary-{count}.json").read_text())["evaluation"] == first


def test_ctrl_c_before_the_first_batch_is_done_measures_nothing(run, monkeypatch, capsys):
    def interrupted(*_):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(TopographicFamily, "prepare", interrupted)
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", run, "--all"])
    assert ended.value.code == 130
    told = "symgen: stopped before the first batch was measured: there is no table\n"
    assert capsys.readouterr() == ("", told)
    assert not list(Path(run).glob("summary*"))


def test_a_second_ctrl_c_does_not_say_that_nothing_was_measured(run, monkeypatch, capsys):
    def raised(show):
        return lambda done, batches: done > 1 and signal.raise_signal(signal.SIGINT)

    def verdict(*_):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(VERB, "_shown", raised)
    monkeypatch.setattr(TopographicFamily, "verdict", verdict)
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", run, "--all", "--samples", "1"])
    assert ended.value.code == 130
    told = "symgen: stopped at once: there is no table of what was measured\n"
    assert capsys.readouterr() == ("", told)


def test_the_time_left_is_shown(monkeypatch):
    told = []
    clock = ticking(30.0)
    monkeypatch.setattr(VERB.time, "monotonic", clock)
    observe = VERB._shown(lambda *now: told.append(now[2]))
    for done in (1, 2, 3):
        observe(done, 5)
    assert told == ["batch 1 of 5", "batch 2 of 5, 90 s left", "batch 3 of 5, 60 s left"]
