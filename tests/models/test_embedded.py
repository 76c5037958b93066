"""The weights that come with the package: they load without network, fit, and are told of."""

import shutil
from pathlib import Path

import pytest
import torch

from symgen import ACE, TVAE
from symgen.cli import main
from symgen.experiments.runs import open_run
from symgen.models import Pretrained
from symgen.pretrained import embedded, embedded_folder

NAMES = ["symgen/ace-rts", "symgen/colour-mnist", "symgen/sprites", "symgen/torus"]


def test_all_are_there_and_small() -> None:
    folders = embedded()
    assert sorted(folders) == NAMES
    files = [path for folder in folders.values() for path in folder.rglob("*")]
    assert sum(path.stat().st_size for path in files) <= 15_000_000


@pytest.mark.parametrize("name", NAMES)
def test_weights_load_as_float32_and_were_measured(name: str) -> None:
    model, run = Pretrained.from_pretrained(name), open_run(name)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert run.model().described() == model.described()
    assert "verdict" in (run.folder / "summary.json").read_text()
    card = (run.folder / "README.md").read_text()
    assert f'from_pretrained("{name}")' in card and "symgen train" in card


def test_sprites_roll_as_their_record_says() -> None:
    from symgen.data import MovingSprites

    model = TVAE.from_pretrained("symgen/sprites")
    x = MovingSprites("test").batch(torch.arange(64), torch.Generator().manual_seed(0)).frames
    rolled = model.traverse(x)
    seen_first = (x - x[:, :1]).square().flatten(2).sum(-1)[:, 5:11].mean()
    assert (x - rolled).square().flatten(2).sum(-1)[:, 5:11].mean() < seen_first / 2


def test_wrong_names_and_families_are_told() -> None:
    with pytest.raises(FileNotFoundError, match=r"symgen/sprite'.*did you mean symgen/sprites"):
        Pretrained.from_pretrained("symgen/sprite")
    with pytest.raises(ValueError, match="holds TVAE"):
        ACE.from_pretrained("symgen/sprites")


def test_commands_take_the_name_and_write_beside_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = embedded_folder("symgen/sprites")
    assert folder is not None
    before = sorted((path.name, path.stat().st_mtime_ns) for path in folder.rglob("*"))
    assert main(["traverse", "symgen/sprites", "--examples", "1"]) == 0
    assert main(["evaluate", "symgen/sprites", "--examples", "8", "--samples", "1"]) == 0
    assert sorted((path.name, path.stat().st_mtime_ns) for path in folder.rglob("*")) == before
    assert Path("runs/sprites/figures/traversal.gif").is_file()
    assert Path("runs/sprites/summary.json").is_file()
    assert main(["models"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in NAMES)


def test_half_precision_is_refused_where_it_overflows(tmp_path: Path) -> None:
    model = TVAE((7,), capsules=2, units=4, frames=4, window=3, width=6)
    saved = model.save_pretrained(tmp_path / "half", half=True)
    whole = model.save_pretrained(tmp_path / "whole")
    sizes = [(each / "model.safetensors").stat().st_size for each in (saved, whole)]
    assert sizes[0] < sizes[1]
    again = TVAE.from_pretrained(saved)
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    with torch.no_grad():
        next(model.encoder.parameters()).fill_(1e6)
    shutil.rmtree(saved)
    with pytest.raises(ValueError, match="too large for float16"):
        model.save_pretrained(saved, half=True)
    assert not list(saved.rglob("*.safetensors"))
