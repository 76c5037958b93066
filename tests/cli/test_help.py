"""What the command line says of itself, and how soon."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import symgen
from symgen.cli import VERBS, main
from symgen.cli.train import read_train
from symgen.experiments.builders import options_of
from symgen.experiments.presets import preset, presets

SLOW = ("torch", "sklearn", "matplotlib", "rich", "tyro")
USAGES = [*VERBS, "train demo", "train tvae", "train ace-digits", "data demo", "data inspect"]
NAMES = {found.name for found in presets()}


@pytest.fixture(autouse=True)
def one_column(monkeypatch: pytest.MonkeyPatch, empty_folder: Path) -> None:
    """Options stand below one another, not side by side as in a wide terminal."""
    monkeypatch.setenv("COLUMNS", "90")


def loaded(words: list[str]) -> tuple[set[str], str]:
    """Run a command in a process of its own; return the modules that it loaded, and its text."""
    code = f"import sys; from symgen.cli import main; print(main({words}), *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    text, _, last = done.stdout.strip().rpartition("\n")
    status, *modules = last.split()
    assert status == "0" and done.stderr == ""
    return {*modules}, text


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_help_names_every_verb_and_loads_nothing_slow(words: list[str]) -> None:
    modules, text = loaded(words)
    assert not modules & {*SLOW}
    assert all(f"symgen {verb}" in text for verb in VERBS)
    assert max(map(len, text.splitlines())) <= 100


def test_version_is_told_without_loading_anything_slow() -> None:
    modules, text = loaded(["--version"])
    assert text == symgen.__version__ and not modules & {*SLOW}


def test_package_runs_as_a_module() -> None:
    words = [sys.executable, "-m", "symgen", "trian"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "did you mean train?" in done.stderr


@pytest.mark.parametrize("words", USAGES)
def test_every_verb_explains_itself(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status: Any = main([*words.split(), "--help"])
    except SystemExit as end:
        status = end.code
    assert not status
    text = capsys.readouterr().out
    assert text.startswith("usage: symgen ") and f"usage: symgen {words.split()[0]}" in text


@pytest.mark.parametrize("words", [words for words in USAGES if words != "train"])
def test_every_option_has_a_text(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*words.split(), "--help"])
    shown = re.sub(r"\n[ │] +FLOAT ", " FLOAT ", capsys.readouterr().out)  # of a broken metavar
    _, *told = re.split(r"^[ │] (?=--?[a-z]|\[?[A-Z])", shown, flags=re.M)
    assert len(told) > 1
    for option in told:
        text, *_ = re.split(r"\n[ │] ?\S", option)  # where the next group begins
        text = re.sub(r"\((default|required).*?\)|│", "", text, flags=re.DOTALL)
        assert re.search(r"[a-z]{2,},?\s+[a-z]+", text), option


# --- options of builders -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["demo", "bubble", "vae", "torus-mnist", "ace-rts", "judge-rts"])
def test_options_of_a_model_are_those_of_its_builder(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = preset(name).experiment
    with pytest.raises(SystemExit):
        main(["train", name, "--help"])
    _, *groups = re.split(r"^[ ╭][ ─]*(\w+) options\b.*$", capsys.readouterr().out, flags=re.M)
    text = dict(zip(groups[::2], groups[1::2], strict=True))["model"]
    shown = re.findall(r"^[ │] --([a-z][\w-]*)", text, re.M)
    assert [option.replace("-", "_") for option in shown] == list(options_of(experiment.kind))
    assert read_train([name])[0] == experiment  # nothing given, nothing changed


@pytest.mark.parametrize(
    ("words", "option", "value"),
    [
        ("demo --window None", "window", None),
        ("demo --units 5", "units", 5),
        ("demo --no-standardise", "standardise", False),
        ("demo --causal", "causal", True),
        ("demo --likelihood gaussian", "likelihood", "gaussian"),
        ("demo --capsule-axes 5 3", "capsule_axes", (5, 3)),
        ("ace-digits --pose None", "pose", None),
        ("ace-digits --hidden 3 4", "hidden", (3, 4)),
        ("ace-digits --pose-iterations 3", "pose_iterations", 3),
    ],
)
def test_a_word_sets_the_option_that_it_names_and_no_other(
    words: str, option: str, value: Any
) -> None:
    name, *given = words.split()
    experiment, _ = read_train([name, *given])
    assert experiment.model[option] == value
    assert experiment == preset(name).experiment.changed(model={option: value})


# --- presets -----------------------------------------------------------------------------------


def listed(text: str) -> list[str]:
    return [word for line in text.splitlines() if (word := line.partition(" ")[0]) in NAMES]


def test_presets_shows_about_a_dozen_first_and_says_how_to_see_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["presets"]) == 0
    text = capsys.readouterr().out
    first = listed(text)
    assert 8 <= len(first) <= 16 and {"demo", "tvae", "ace-digits"} <= {*first}
    assert f"These are {len(first)} of {len(NAMES)}" in text and "--all" in text
    (line,) = re.findall(r"^demo .*", text, re.M)
    data, training = preset("demo").experiment.data, preset("demo").experiment.training
    assert f"{training.examples * data.frames / 1e6:.2f} million" in line


def test_all_presets_are_listed_with_their_whole_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "--all"]) == 0
    assert {*listed(capsys.readouterr().out)} == NAMES


def test_presets_are_found_by_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "growth", "ends"]) == 0
    text = capsys.readouterr().out
    assert listed(text) and "These are" not in text
    for name in listed(text):
        about = f"{name} {preset(name).about}".lower()
        assert "growth" in about and "ends" in about
    assert main(["presets", "bubblevae"]) == 0  # the builder counts
    builders = {preset(name).experiment.builder for name in listed(capsys.readouterr().out)}
    assert "BubbleVAE" in builders


@pytest.mark.parametrize("verb", ["train", "data"])
def test_a_near_miss_names_three(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "tvae-mnist-fast"]) == 2
    error = capsys.readouterr().err
    near, _, more = error.partition("did you mean ")[2].strip().partition("? ")
    named = near.split(", ")
    assert more == "symgen presets --all lists every one"
    assert len({*named}) == 3 and {*named} <= NAMES and error.count("\n") == 1
