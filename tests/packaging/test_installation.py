"""What is built installs into a fresh environment and runs there; README can be pasted."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
from page_helpers import ROOT, shell_lines

EXAMPLE = """
import torch
import symgen
model = symgen.TVAE.from_pretrained("symgen/sprites")
x = symgen.data.MovingSprites("test").batch(torch.arange(2), torch.Generator()).frames
moved = model.decode(model.act(model.latents(x)[:, 0], 3)).mean
print(symgen.__file__, *moved.shape)
assert (moved - x[:, 3]).square().mean() < (x[:, 0] - x[:, 3]).square().mean()
assert "keller2021topographic" in symgen.citation("symgen/sprites")
"""


def files_of_the_tree() -> list[str]:
    """List what belongs to the package's repository, as far as it is there now."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip("not a clone: the files of the tree are not known")
    return [name for name in found.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, where a build may write."""
    folder = tmp_path_factory.mktemp("tree")
    for name in files_of_the_tree():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def built(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sdist and wheel; the wheel is built from the sdist."""
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("dist")
    words = ["-m", "build", "--no-isolation", "--outdir", str(folder), str(tree)]
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    return folder


def environment(folder: Path) -> Path:
    """Make an environment that sees the libraries that are installed here, without symgen."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = folder / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "python"


def test_wheel_and_sdist_hold_the_package_alone(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    about = re.compile(r"symgen-[\d.]+\.dist-info/")
    assert all(name.startswith("symgen/") or about.match(name) for name in names)
    for needed in ("py.typed", "experiments/card.md", "experiments/presets/sprites.toml"):
        assert f"symgen/{needed}" in names
    assert "symgen/pretrained/sprites/model.safetensors" in names
    assert not [name for name in names if re.search(r"test|bench|tools|results/|\.pyc", name)]
    assert any(name.endswith("licenses/LICENSE") for name in names)
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        held = {name.partition("/")[2].partition("/")[0] for name in archive.getnames()}
    others = {"", "LICENSE", "README.md", "pyproject.toml", "PKG-INFO", ".gitignore"}
    assert held - others == {"symgen"}


def test_the_wheel_runs_in_a_fresh_environment(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    python = environment(tmp_path / "fresh")
    place = tmp_path / "fresh" / "own"
    zipfile.ZipFile(wheel).extractall(place)
    env = {**os.environ, "PYTHONPATH": str(place), "HF_HUB_OFFLINE": "1"}
    words = [str(python), "-W", "error", "-c", EXAMPLE]
    ran = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == [str(place / "symgen" / "__init__.py"), "2", "1", "64", "64"]


PASTED = [line for line in shell_lines("README.md") if not line.startswith("make ")]
"""Every line of README, in order: installation, then three commands."""
BRIEF = {"--minutes 3": "--examples 16 --batch-size 4 --width 8 --warmup 0"}


def test_readme_can_be_pasted_line_by_line(tree: Path, tmp_path: Path) -> None:
    """In an empty folder; the libraries are those that are installed here, training is short."""
    assert PASTED[0].startswith("git clone") and len(PASTED) == 7
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(tree)]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "tree"]):
        subprocess.run([*git, *words], check=True)
    lines = ["set -e"]
    for line in PASTED:
        for long, short in BRIEF.items():
            line = line.replace(long, short)
        lines.append(line.replace("REPOSITORY", str(tree)))
        if "-m venv" in line:
            site = (
                f".venv/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
            )
            lines.append(f"echo {sysconfig.get_path('purelib')} > {site}/libraries.pth")
    offline = {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, **offline, "PATH": path, "HF_HUB_OFFLINE": "1"}
    shell = ["bash", "-c", "\n".join(lines)]
    ran = subprocess.run(shell, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (tmp_path / "symgen" / "runs" / "sprites" / "figures" / "traversal.gif").is_file()
    assert (tmp_path / "symgen" / "runs" / "bounce" / "summary.json").is_file()
