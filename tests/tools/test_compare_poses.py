"""The comparison with models of others: the same numbers for all, and the same sign of angles."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture(scope="module")
def tools() -> Iterator[dict[str, Any]]:
    """The tools by name, imported as python does that runs one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TOOLS)
        yield {name: import_module(name) for name in ("compare_poses", "other_poses")}


def test_what_is_right_has_no_error_and_what_is_a_quarter_off_has_one(tools: Any) -> None:
    count = 40
    kinds, true = torch.arange(count) % 2, torch.linspace(-180, 180, count)
    clean = torch.rand(count, 9)
    found = {"y": 1 - kinds, "z": torch.stack([kinds - 0.5, kinds - 0.5], 1)}
    found |= {"angle_degrees": true + 70 * kinds + 180 * (kinds == 0), "mean": clean + 0.5}
    scored = tools["compare_poses"].scores(found, kinds, true, clean)
    assert scored["angle error, 90 %, degrees"] < 1e-2
    assert scored["clustering accuracy, %"] == scored["kind told by the style, %"] == 100
    assert scored["error of reconstructions against images without noise"] == pytest.approx(0.5)
    turned = found | {"angle_degrees": true + 90 * (torch.arange(count) % 4 == 1)}
    del turned["y"]
    scored = tools["compare_poses"].scores(turned, kinds, true, clean)
    assert scored["angle error, 90 %, degrees"] > 40 and scored["clustering accuracy, %"] is None


def test_our_spatial_vae_turns_counter_clockwise_and_moves_right_and_up(tools: Any) -> None:
    torch.manual_seed(0)
    model = tools["other_poses"].SpatialVAE(15).double()
    h = torch.zeros(4, 5).double()
    h[1, 0] = 0.5  # of half a turn
    step = 2 / 14 / 0.1  # a pixel, in deviations of the prior
    h[2, 1], h[3, 2] = step, step
    still, turned, right, up = model.decode(h).detach().reshape(4, 15, 15)
    torch.testing.assert_close(turned, torch.rot90(still))
    torch.testing.assert_close(right[:, 1:], still[:, :-1])
    torch.testing.assert_close(up[:-1], still[1:])


def test_the_command_trains_and_writes_what_it_found(tools: Any, tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((20, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "x.npz", images=x)
    with pytest.MonkeyPatch.context() as patch:
        words = ["spatial-vae", str(tmp_path / "x.npz"), str(tmp_path / "f.npz")]
        patch.setattr("sys.argv", ["other_poses.py", *words, "--images", "40"])
        threads = torch.get_num_threads()
        tools["other_poses"].main()
        torch.set_num_threads(threads)
    with np.load(tmp_path / "f.npz") as found:
        assert found["mean"].shape == (20, 64) and found["z"].shape == (20, 2)
        assert found["angle_degrees"].shape == (20,) and found["seconds"] > 0
