"""What the pages show works as it stands: examples, commands, files and links."""

import argparse
import functools
import inspect
import os
import re
import runpy
import shlex
import signal
import subprocess
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import matplotlib
import pytest
import tyro
from matplotlib import pyplot
from page_helpers import (
    DOCS,
    NO_CODE,
    PAGES,
    ROOT,
    blocks,
    code,
    command_in,
    commands,
    shell_lines,
)
from torch.utils.flop_counter import FlopCounterMode

import symgen
from symgen.cli import VERBS, main
from symgen.experiments.presets import preset
from symgen.experiments.studies import study
from symgen.nets import products

matplotlib.use("Agg")
OWN = PAGES["bring-your-own.md"]
EXAMPLES = dict(re.findall(r"<!-- example (\S+) -->\n```python\n(.*?)```", OWN, re.DOTALL))
NEEDS = {"nets-again": "nets"}

SHORTER = {  # seconds in place of minutes
    "start/five-minutes.md": {"examples=64_000": "examples=64", "items=100": "items=16"},
    "tutorials/your-own-video.md": {"range(30)": "range(12)"},
}
SHAPES = {
    "README.md": {"moved": (8, 1, 64, 64)},
    "start/five-minutes.md": {"moved": (8, 1, 64, 64)},
    "ace.md": {"images": (4, 1, 28, 28)},
    "extensions.md": {"next_frame": (1, 1, 64, 64)},
}
LINES = (  # of shell blocks, besides those of symgen: what is run, and how it is checked
    r"make \w+",  # the target exists
    r"(\w+=\S+ )*(\.venv/bin/)?python (tools|bench|tests)/\S+.*",  # the file exists
    r"(\w+=\S+ )*(\.venv/bin/)?python -m pytest \S+",  # the folder exists
    r"python -m symgen\.\S+ .*",  # its options are parsed, as those of bench/ are
    r"git clone REPOSITORY symgen|cd symgen|python3 -m venv \.venv",  # pasted by tests/packaging
    r"\.venv/bin/pip install -c constraints\.txt -e \.",
)


def shortened(name: str, code: str) -> str:
    """Cut trainings short; those of the tutorials run at their length in `make docs`."""
    for long, short in SHORTER.get(name, {}).items():
        assert code.count(long) == 1
        code = code.replace(long, short)
    return re.sub(r"examples=\d{3,}|examples=\d+_\d+", "examples=200", code)


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="sklearn")  # the classifier stops early
        exec(code, names)
    pyplot.close("all")
    return names


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_executed_or_parsed(page: str) -> None:
    """Python and cells are executed, lines of the shell parsed, one script is run with stubs."""
    told = {block.language for block in blocks(page)} - {*NO_CODE}
    assert told <= {"python", "{code-cell} ipython3", "sh", "bash"}
    assert PAGES[page].count("\n```") == 2 * len(blocks(page)) - PAGES[page].startswith("```")
    for line in shell_lines(page):
        assert command_in(line) or any(re.fullmatch(each, line) for each in LINES), line
        for path in re.findall(r" ((?:tools|bench|tests)/\S+)", line):
            assert (ROOT / path).exists()
        for option in re.findall(r" (docs/\*\.md)", line):
            assert list(ROOT.glob(option))


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_runs_in_ten_lines(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [line for line in EXAMPLES[name].splitlines() if line.strip()]
    assert len(lines) <= 10
    begin = blocks("bring-your-own.md", "python")[0].text
    parts = [begin, EXAMPLES.get(NEEDS.get(name, ""), ""), EXAMPLES[name]]
    run(shortened(name, "\n".join(parts)))


@pytest.mark.parametrize("page", [name for name in PAGES if code(name) and PAGES[name] is not OWN])
def test_python_of_a_page_runs_in_order(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = shortened(page, code(page))
    names = run(text)
    for name, shape in SHAPES.get(page, {}).items():
        assert names[name].shape == shape
    assert "run" not in names or names["run"].finished
    for folder in re.findall(r'save_pretrained\("(.+?)"\)', text):
        assert (tmp_path / folder / "model.safetensors").is_file()


def test_a_page_that_is_wrong_is_found_out() -> None:
    with pytest.raises(TypeError, match="widht"):
        run("import symgen\nsymgen.TVAE((12,), widht=3)")


# --- commands ----------------------------------------------------------------------------------

IN_BLOCKS = [command for page in PAGES for command in commands(page)]
IN_TEXT = [  # "…" stands for what is left out
    " ".join(words.split())
    for text in PAGES.values()
    for words in re.findall(
        r"`(?:\.venv/bin/)?(symgen [a-z][^`…]*)`", re.sub(r"```.*?```", "", text, flags=re.S)
    )
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
    for word, example in {"PRESET": "demo", "STUDY": "table1"}.items():
        command = re.sub(rf"\b{word}\b", example, command)
    _, verb, *words = shlex.split(command)
    assert verb in VERBS
    if words or command in IN_BLOCKS:
        parse(command, monkeypatch)


PROGRAMS = [
    match.group(1)
    for page in PAGES
    for line in shell_lines(page)
    if (match := re.search(r"python ((?:bench/|-m symgen\.).+)", line))
]


def parse_program(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a program read its options, and stop it before its work begins."""
    read = argparse.ArgumentParser.parse_args

    def parsed(self: argparse.ArgumentParser, *given: Any) -> None:
        read(self, *given)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parsed)
    monkeypatch.setattr(sys, "argv", words[words[0] == "-m" :])
    monkeypatch.syspath_prepend(ROOT / "bench")
    monkeypatch.delitem(sys.modules, "harness", raising=False)  # the campaigns have their own
    with pytest.raises(Parsed):
        if words[0] == "-m":
            import_module(words[1]).main()
        else:
            runpy.run_path(str(ROOT / words[0]), run_name="__main__")


@pytest.mark.parametrize("command", sorted({*PROGRAMS}))
def test_program_is_understood(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parse_program(shlex.split(command), monkeypatch)


def test_wrong_option_of_a_program_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit):
        parse_program(["bench/step.py", "--thread-count", "2"], monkeypatch)


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
    shown = {
        name for text in PAGES.values() for name in re.findall(r"(?:^|`)make (\w+)", text, re.M)
    }
    assert shown and shown <= {*targets}


# --- files, links, names -----------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_links_pictures_and_files_of_a_page_exist(page: str) -> None:
    folder = ((DOCS if (DOCS / page).is_file() else ROOT) / page).parent
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
    told = [each for text in PAGES.values() for each in re.findall(r"costs (\d+) TFLOP", text)]
    assert told and {int(each) for each in told} == {round(cost)}


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
import time
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


# --- the script for a cluster --------------------------------------------------------------------

STUBS = {
    "symgen": """#!/bin/bash
echo "$@" >> told
mkdir -p runs/demo-1 && touch runs/demo-1/config.json
trap 'exit 143' TERM
for _ in $(seq "$STEPS"); do sleep 0.1; done
exit "$STATUS"
""",
    "scontrol": '#!/bin/bash\necho "scontrol $@" >> told\n',
}


@pytest.mark.parametrize(
    ("stopped", "status", "again"), [(True, 0, True), (False, 0, False), (False, 1, False)]
)
def test_script_of_a_queue_requeues_what_was_stopped(
    tmp_path: Path, stopped: bool, status: int, again: bool
) -> None:
    (script,) = (block.text for block in blocks("how-to/slurm.md", "bash"))
    for name, text in {**STUBS, "job": script}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    steps = 100 if stopped else 1
    told = {"STEPS": str(steps), "STATUS": str(status), "SLURM_ARRAY_TASK_ID": "1"}
    path = f"{tmp_path}:{os.environ['PATH']}"
    env = {**os.environ, **told, "SLURM_JOB_ID": "7", "PATH": path}
    ended = []
    for _ in range(2):
        job = subprocess.Popen(["bash", "job"], cwd=tmp_path, env=env)
        if stopped:
            wait_for(tmp_path / "runs" / "demo-1" / "config.json")
            job.send_signal(signal.SIGTERM)
        ended.append(job.wait(timeout=20))
    assert ended == [143 if stopped else status] * 2
    lines = (tmp_path / "told").read_text().splitlines()
    requeued = ["scontrol requeue 7"] * again
    first, second = "train demo --seed 1 --out runs/demo-1", "train --resume runs/demo-1"
    assert lines == [first, *requeued, second, *requeued]


def wait_for(path: Path) -> None:
    for _ in range(200):
        if path.exists():
            time.sleep(0.3)  # until the script has set its trap
            return
        time.sleep(0.05)
    raise TimeoutError(path)
