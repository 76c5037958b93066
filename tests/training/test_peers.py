"""Several processes that train one model: the same as one process, and together in the end."""

import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed
from training_helpers import make_data, make_model

from symgen import fit
from symgen.training import Peers, launched

KILLS = int(os.environ.get("SYMGEN_KILLS", "2"))  # 10 take minutes
WORKER = Path(__file__).parents[1] / "peers_worker.py"
pytestmark = pytest.mark.skipif(not distributed.is_available(), reason="no torch.distributed")


def start(out: Path, *cases: str, world: int = 2) -> list[subprocess.Popen[str]]:
    """Start processes that find each other as those of torchrun do."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = []
    for rank in range(world):
        told = {"RANK": rank, "WORLD_SIZE": world, "LOCAL_RANK": rank, "MASTER_PORT": port}
        told |= {"MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": 1}
        told |= {"TORCH_CPP_LOG_LEVEL": "ERROR"}  # rank 0 keeps the store, as no torchrun does
        environment = os.environ | {name: str(value) for name, value in told.items()}
        words = [sys.executable, str(WORKER), str(out), *cases]
        pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        processes.append(subprocess.Popen(words, env=environment, **pipes))
    return processes


def end(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    """Wait for what processes say and how they end; on a busy machine that takes minutes."""
    try:
        said = [process.communicate(timeout=400)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(p.returncode, text) for p, text in zip(processes, said, strict=True)]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """What one process and what two have trained."""
    alone, both = tmp_path_factory.mktemp("alone"), tmp_path_factory.mktemp("both")
    cases = ("tvae", "vae", "ace", "evaluated", "stopped", "apart")
    started = [*start(alone, *cases[:-2], world=1), *start(both, *cases)]
    assert end(started) == [(0, ""), (0, ""), (0, "")]
    return alone, both


def read(folder: Path, case: str, rank: int = 0) -> dict[str, Any]:
    return torch.load(folder / f"{case}-{rank}.pt")


def assert_equal_weights(one: dict[str, Any], other: dict[str, Any]) -> None:
    for name, weight in one["weights"].items():
        assert torch.equal(weight, other["weights"][name]), name


@pytest.mark.parametrize("case", ["tvae", "vae", "ace"])
def test_two_processes_train_as_one_does(together: tuple[Path, Path], case: str) -> None:
    alone, both = (read(folder, case) for folder in together)
    assert len(alone["losses"]) == 200
    for name in ("losses", "validation"):
        torch.testing.assert_close(both[name], alone[name], atol=1e-5, rtol=1e-6)
    for name, weight in alone["weights"].items():
        torch.testing.assert_close(both["weights"][name], weight, atol=1e-4, rtol=0)
    assert_equal_weights(both, read(together[1], case, rank=1))


def test_a_signal_to_one_process_stops_both_at_a_step_from_which_they_go_on(
    together: tuple[Path, Path],
) -> None:
    whole, stopped = (read(together[1], case) for case in ("tvae", "stopped"))
    assert torch.equal(whole["losses"], stopped["losses"])
    assert_equal_weights(whole, stopped)


def test_processes_whose_data_differ_centre_them_alike(together: tuple[Path, Path]) -> None:
    one, other = (read(together[1], "apart", rank) for rank in (0, 1))
    assert one["weights"]["data_mean"].any()
    assert_equal_weights(one, other)


def test_two_processes_measure_what_one_does(together: tuple[Path, Path]) -> None:
    one, both = (read(folder, "evaluated")["measured"] for folder in together)
    other = read(together[1], "evaluated", rank=1)["measured"]
    assert both == other and both.keys() == one.keys()
    assert both["examples"] == one["examples"] == 210
    assert both["own"]["mean"] == pytest.approx(one["own"]["mean"], rel=1e-6)
    outside = (each["roll_prediction"]["outside"]["squared_error"] for each in (one, both))
    assert next(outside) == pytest.approx(next(outside), rel=1e-5)  # takes no sample
    assert both["log_p_bound"] == pytest.approx(one["log_p_bound"], rel=0.02)  # takes others


@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_process_ends_the_other_with_one_message_and_the_run_goes_on(
    together: tuple[Path, Path], number: int, tmp_path: Path
) -> None:
    killed = number % 2
    processes, log = start(tmp_path, "begin"), tmp_path / "killed" / "metrics.jsonl"
    while not (log.is_file() and log.stat().st_size):
        time.sleep(0.02)
        assert all(process.poll() is None for process in processes), end(processes)
    time.sleep(random.Random(number).uniform(0, 2))
    processes[killed].kill()
    found = end(processes)
    assert found[killed] == (-9, "")
    code, said = found[1 - killed]
    assert code and said.count("\n") == 1
    assert said.startswith(f"rank {killed}") and "resume the run" in said
    assert end(start(tmp_path, "go on")) == [(0, ""), (0, "")]
    whole, resumed = read(together[1], "tvae"), read(tmp_path, "go on")
    assert torch.equal(whole["losses"], resumed["losses"])
    assert_equal_weights(whole, resumed)


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    peers = Peers()
    peers.world = 3
    with pytest.raises(ValueError, match=r"batch_size=8 over 3 processes: .*such as 6"):
        peers.require_shares(8)


def test_an_environment_without_a_meeting_place_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(ValueError, match=r"WORLD_SIZE=2 but RANK, .* start several"), launched():
        pass


def test_one_process_needs_no_group() -> None:
    peers = Peers()
    assert (peers.rank, peers.world, peers.agreed(3), peers.largest([1, 2])) == (0, 1, 3, [1, 2])
    run = fit(make_model(), make_data(), examples=16, progress=False)
    assert run.finished
