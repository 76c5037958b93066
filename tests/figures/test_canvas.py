"""Files of figures: replaced in one act, or left alone and refused."""

from pathlib import Path
from typing import Any

import pytest
import torch

from symgen.figures import learning_curves, torus_map, traversal_gif, traversal_strip


def draw_each(path: Path) -> None:
    """Write the figure that the name asks for."""
    images, seen = torch.rand(1, 4, 1, 8, 8), torch.tensor([True, True, False, True])
    if path.stem == "walk":
        traversal_gif(images, images, images, seen, path)
    elif path.stem == "curves":
        learning_curves([{"examples": 8 * step, "loss": 1 / step} for step in (1, 2, 3)], path)
    elif path.stem == "torus":
        labels = torch.arange(9) % 2
        torus_map(torch.rand(9, 4), torch.rand(9, 1, 8, 8), labels, grid=(2, 2), path=path)
    else:
        traversal_strip(images, images, images, seen, path)


@pytest.mark.parametrize("name", ["walk.gif", "curves.png", "torus.png", "strip.png"])
def test_a_figure_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    path.write_text("old")

    def fail(*arguments: Any, **options: Any) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("PIL.Image.Image.save", fail)
        patch.setattr("matplotlib.figure.Figure.savefig", fail)
        with pytest.raises(OSError, match="no space left"):
            draw_each(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    draw_each(path)
    assert path.stat().st_size > 100
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["walk.gif", "curves.png", "torus.png", "strip.png"])
def test_a_figure_needs_a_folder_and_a_suffix(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        draw_each(tmp_path / "nowhere" / name)
    with pytest.raises(ValueError, match=r"cannot write .*\.bmp"):
        draw_each((tmp_path / name).with_suffix(".bmp"))
    assert list(tmp_path.iterdir()) == []
