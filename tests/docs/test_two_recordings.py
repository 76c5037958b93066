"""The commands of docs/two-recordings.md, run one after the other on small files."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from symgen.cli import main

PAGE = Path(__file__).resolve().parents[2] / "docs" / "two-recordings.md"
PARTS = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
SHORT = ["--examples", "16", "--batch-size", "4", "--width", "8", "--warmup", "0"]


def write_recordings() -> None:
    """Write squares that wander over stacks of 16 bits, and waves of twelve features."""
    tifffile = pytest.importorskip("tifffile")
    rng = np.random.default_rng(0)
    Path("cells").mkdir()
    for stack in range(4):
        frames = rng.integers(90, 140, (36, 14, 12)).astype(np.uint16)
        for frame in range(36):
            left = (frame + stack) % 8
            frames[frame, 4:8, left : left + 4] += 2000
        tifffile.imwrite(f"cells/field{stack + 1}.tif", frames)
    turn = 0.35 * np.arange(240)[:, None] + np.arange(12)
    np.save("neurons.npy", np.sin(turn).astype(np.float32))


@pytest.mark.parametrize("part", PARTS, ids=["cells", "neurons"])
def test_every_command_of_the_page_does_its_work(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("h5py")
    monkeypatch.chdir(tmp_path)
    write_recordings()
    for line in part.splitlines():
        words = shlex.split(line, comments=True)[1:]
        words += SHORT if words[0] == "train" else []
        assert main(words) == 0
    (latents,) = [path for path in tmp_path.iterdir() if path.suffix in (".h5", ".csv")]
    if latents.suffix == ".csv":
        assert len(latents.read_text().splitlines()) == 1 + 240  # a row for each frame
    else:
        import h5py

        with h5py.File(latents) as file:
            assert len(file["t"]) == 4 * 36
    assert (tmp_path / re.findall(r"(\S+-model)", part)[0] / "model.safetensors").is_file()
