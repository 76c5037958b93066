"""What README shows works as it stands."""

import re
import shlex
from pathlib import Path

from symgen.cli import _VERBS
from symgen.experiments import PRESETS

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_python_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    shorter = first.replace("64_000", "32")
    assert shorter != first
    names: dict = {}
    exec(shorter, names)
    assert names["run"].finished and names["moved"].shape == (16, 1, 64, 64)
    assert (tmp_path / "my-model" / "model.safetensors").is_file()
    exec(second, names)
    assert names["next_frame"].shape == (1, 1, 64, 64)


def test_every_command_shown_is_one():
    commands = [
        shlex.split(line, comments=True) for line in re.findall(r"^symgen .*$", README, re.M)
    ]
    assert len(commands) > 5
    for _, verb, *words in commands:
        assert verb in _VERBS
        if verb == "train" and not words[0].startswith("--"):
            assert words[0] in PRESETS


def test_pictures_and_make_targets_exist():
    root = Path(__file__).parents[1]
    for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README):
        assert (root / path).is_file()
    makefile = (root / "Makefile").read_text()
    for target in re.findall(r"make (\w+)", README):
        assert f"\n{target}:" in makefile
