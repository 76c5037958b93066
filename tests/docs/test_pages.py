"""What the pages show works as it stands: examples, commands, files and links."""

import functools
import inspect
import os
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import tyro
from torch.utils.flop_counter import FlopCounterMode

import symgen
from symgen.cli import VERBS, main
from symgen.experiments.presets import preset
from symgen.experiments.studies import study
from symgen.nets import products

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    page.name: page.read_text() for page in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")))
}
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)

OWN = PAGES["bring-your-own.md"]
EXAMPLES = dict(re.findall(r"<!-- example (\S+) -->\n```python\n(.*?)```", OWN, re.DOTALL))
NEEDS = {"nets-again": "nets"}

SHORTER = {  # seconds in place of minutes
    "README.md": {"examples=64_000": "examples=64"},
    "torus": {"examples=20_000": "examples=640"},
}
SHAPES = {
    "README.md": {"moved": (8, 1, 64, 64)},
    "ace.md": {"images": (4, 1, 28, 28)},
    "extensions.md": {"next_frame": (1, 1, 64, 64)},
}


def shortened(name: str, code: str) -> str:
    for long, short in SHORTER.get(name, {}).items():
        assert code.count(long) == 1
        code = code.replace(long, short)
    return code


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="sklearn")  # the classifier stops early
        exec(code, names)
    return names


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_runs_in_ten_lines(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [line for line in EXAMPLES[name].splitlines() if line.strip()]
    assert len(lines) <= 10
    begin = BLOCK.findall(OWN)[0]
    code = "\n".join([begin, EXAMPLES.get(NEEDS.get(name, ""), ""), EXAMPLES[name]])
    run(shortened(name, code))


@pytest.mark.parametrize(
    "page", [name for name, text in PAGES.items() if BLOCK.search(text) and text is not OWN]
)
def test_python_of_a_page_runs_in_order(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = "\n".join(BLOCK.findall(PAGES[page]))
    names = run(shortened(page, code))
    for name, shape in SHAPES.get(page, {}).items():
        assert names[name].shape == shape
    assert "run" not in names or names["run"].finished
    for folder in re.findall(r'save_pretrained\("(.+?)"\)', code):
        assert (tmp_path / folder / "model.safetensors").is_file()


# --- commands ----------------------------------------------------------------------------------

IN_BLOCKS = [
    line.partition("#")[0].strip()
    for text in PAGES.values()
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("symgen ")
]
IN_TEXT = [  # "…" stands for what is left out
    " ".join(words.split())
    for text in PAGES.values()
    for words in re.findall(r"`(symgen [a-z][^`…]*)`", re.sub(r"```.*?```", "", text, flags=re.S))
]
COMMANDS = sorted({*IN_BLOCKS, *IN_TEXT})


class Parsed(Exception):
    """The words of a command have been understood."""


def parse(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a command as the program does, and stop before its work begins."""
    original = tyro.cli

    def cli(kind: Any, **options: Any) -> None:
        verb = kind
        if inspect.isfunction(kind):

            @functools.wraps(kind)
            def verb(*values: Any, **named: Any) -> None:
                if kind.__name__ == "reproduce" and values and values[0]:
                    about = study(values[0])
                    lines = about.lines(about.budgets[named["budget"]])
                    assert {*(named["only"] or ())} <= {line.name for line in lines}

        original(verb, **options)
        raise Parsed

    monkeypatch.setattr(tyro, "cli", cli)
    with pytest.raises(Parsed):
        main(shlex.split(command)[1:])


@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_understood(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, verb, *words = shlex.split(command)
    assert verb in VERBS
    if words or command in IN_BLOCKS:
        parse(command, monkeypatch)


@pytest.mark.parametrize(
    "command",
    [
        "symgen train tvae-mnist-13-36 --sequences 8",
        "symgen train tvae-mnist-13-37",
        "symgen reproduce table9",
        "symgen reproduce table1 --budget desktop",
        "symgen evaluate",
    ],
)
def test_wrong_command_is_found_out(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((SystemExit, KeyError, pytest.fail.Exception)):
        parse(command, monkeypatch)


def test_targets_of_make_exist() -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    shown = {name for text in PAGES.values() for name in re.findall(r"^make (\w+)", text, re.M)}
    assert shown and shown <= {*targets}


# --- files, links, names -----------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_links_pictures_and_files_of_a_page_exist(page: str) -> None:
    folder = ROOT if page == "README.md" else ROOT / "docs"
    links = re.findall(r"\]\(([^)#]+)\)", PAGES[page])
    files = re.findall(r"`((?:results|bench|tests|symgen|tools)/[\w./-]+)`", PAGES[page])
    paths = [folder / link for link in links if "://" not in link]
    paths += [ROOT / name for name in files if name == name.lower()]
    assert [path for path in paths if not path.exists()] == []


def test_names_of_the_package_exist() -> None:
    for text in PAGES.values():
        for name in re.findall(r"`symgen\.(\w+(?:\.\w+)*)", text):
            found: Any = symgen
            for part in name.split("."):
                found = getattr(found, part)


def test_cost_of_the_demonstration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_chosen", ["torch"])  # whose products are counted
    experiment = preset("demo").experiment
    model, batches = experiment.build("cpu")
    with FlopCounterMode(display=False) as counter:
        model(*batches.batch(0).inputs).loss.backward()
    cost = counter.get_total_flops() * experiment.training.steps / 1e12
    (told,) = re.findall(r"training costs (\d+) TFLOP", PAGES["README.md"])
    assert int(told) == round(cost)


# --- the walks through the code ----------------------------------------------------------------

WALKS = {
    command: re.findall(r"^\| \d+ \| `(symgen/[\w./]+)`", rest, re.MULTILINE)
    for command, rest in re.findall(
        r"## From `symgen ([^`]+)`.*?\n(.*?)(?=\n## )", PAGES["rooms.md"], re.DOTALL
    )
}
SHORT = {
    "train demo": "--examples 16",
    "reproduce table1": "--budget smoke --seeds 1 --only vae-mnist",
}


WATCH = """
import sys
from cProfile import Profile
from symgen.cli import main
with Profile() as profile:
    status = main(sys.argv[1:])
passed = {entry.code.co_filename for entry in profile.getstats() if hasattr(entry.code, "co_name")}
print(*sorted(passed), sep="\\n")
sys.exit(status)
"""


@pytest.mark.parametrize("command", WALKS)
def test_walk_passes_at_most_twelve_files_all_of_which_run(command: str, tmp_path: Path) -> None:
    files = WALKS[command]
    assert 5 < len(files) <= 12
    words = [*command.split(), *SHORT[command].split()]
    passed = subprocess.run(
        [sys.executable, "-c", WATCH, *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.split("\n")
    assert {str(ROOT / file) for file in files if file.endswith(".py")} <= {*passed}
