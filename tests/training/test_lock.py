"""Two processes never train in one run folder."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from training_helpers import make_data, make_model

from symgen.training import RunBusy, fit, hold, lock

HOLDER = f"""
import importlib.util, pathlib, sys, time
spec = importlib.util.spec_from_file_location("lock", {str(lock.__file__)!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
with module.hold(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    words = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_another_process_is_kept_out_and_told_which_one_holds_the_folder(holder, tmp_path):
    with pytest.raises(RunBusy, match=f"process {holder.pid} is training in {tmp_path}"):
        fit(make_model(), make_data(), examples=8, folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]  # nothing was overwritten


def test_the_lock_of_a_dead_process_is_taken_over(holder, tmp_path):
    holder.kill()
    holder.wait()
    assert (tmp_path / "lock").read_text() == f"{holder.pid}\n"  # it had no time to clean up
    fit(make_model(), make_data(), examples=8, folder=tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    assert not (tmp_path / "lock").exists()


def test_one_process_may_not_enter_twice_but_again(tmp_path):
    with hold(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
        with pytest.raises(RunBusy, match=f"process {os.getpid()}"), hold(tmp_path):
            pass
    with hold(tmp_path):
        pass


def test_a_lock_is_given_back_after_an_error(tmp_path):
    with pytest.raises(KeyError), hold(tmp_path / "new"):
        raise KeyError
    with hold(tmp_path / "new"):
        pass


def test_who_waits_enters_when_the_other_leaves(holder, tmp_path):
    with ThreadPoolExecutor(1) as pool:
        entered = pool.submit(enter, tmp_path)
        with pytest.raises(TimeoutError):
            entered.result(timeout=0.2)
        holder.kill()
        assert entered.result(timeout=10) == f"{os.getpid()}\n"


def enter(folder: Path) -> str:
    with hold(folder, wait=True):
        return (folder / "lock").read_text()


def test_without_a_folder_there_is_nothing_to_hold():
    with hold(None), hold(None):
        pass
