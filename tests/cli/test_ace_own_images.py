"""The verbs of ACE on one's own images of any range, as a person uses them."""

import numpy as np
import pytest
from PIL import Image

from symgen.cli import main

SMALL = [
    *("--hidden", "20", "--decoder-hidden", "10", "--classifier-hidden", "20"),
    *("--classifier-channels", "4", "4", "--pose-channels", "4", "4", "--pose-hidden", "8"),
    *("--examples", "100", "--batch-size", "20"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of noisy images whose means leave [0, 1], two of three with a label."""
    folder = tmp_path_factory.mktemp("own")
    random = np.random.default_rng(0)
    images = random.normal(0.4, 1, (60, 16, 16)).astype(np.float32)
    np.savez(folder / "cells.npz", images=images, labels=np.arange(60) % 3 - 1)
    words = ["--data", str(folder / "cells.npz"), "--class-names", "0", "1", "--scale", "none"]
    words += ["--likelihood", "gaussian", "--out", str(folder / "run")]
    assert main(["train", "ace", *words, *SMALL]) == 0
    assert main(["evaluate", str(folder / "run"), "--samples", "1"]) == 0
    return folder / "run"


@pytest.mark.parametrize(
    "words", [["manifold"], ["report"], ["control", "test:0", "--rotate", "30", "--draws", "3"]]
)
def test_images_beyond_0_and_1_are_drawn(words, run, capsys):
    assert main([words[0], str(run), *words[1:]]) == 0, capsys.readouterr().err
    written = capsys.readouterr().out.split()
    drawn = [name for name in written if name.endswith(".png")]
    drawn += [str(path) for path in (run / "figures").glob("factored.png") if words == ["report"]]
    assert drawn
    for name in drawn:
        assert np.asarray(Image.open(name)).std() > 0


def test_more_starts_than_there_is_time_for_are_refused(run, tmp_path, capsys):
    words = ["--data", str(run.parent / "cells.npz"), "--out", str(tmp_path / "run")]
    assert main(["train", "ace", *words, "--pose-starts", "100000"]) == 2
    assert "pose_starts=100000: give 72 or less" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
