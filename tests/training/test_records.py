import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from symgen.training.records import Records, read_records


def line(step: int) -> dict[str, Any]:
    return {"step": step, "examples": 8 * step, "loss": 1 / step, "mu": None}


def test_records_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    written = [line(step) for step in range(1, 6)]
    with Records(tmp_path, step=0) as records:
        for record in written:
            records.write(record)
            # whoever watches the run sees each line at once
            assert read_records(tmp_path / "metrics.jsonl")[-1] == record
    assert records.lines == read_records(tmp_path / "metrics.jsonl") == written


@pytest.mark.parametrize("step", [0, 1, 3, 5, 9])
def test_reopening_drops_exactly_what_is_beyond_the_checkpoint(tmp_path: Path, step: int) -> None:
    with Records(tmp_path, step=0) as records:
        for each in range(1, 6):
            records.write(line(each))
    with Records(tmp_path, step=step) as records:
        assert [record["step"] for record in records.lines] == list(range(1, min(step, 5) + 1))
        records.write(line(step + 1))
    steps = [record["step"] for record in read_records(tmp_path / "metrics.jsonl")]
    assert steps == [*range(1, min(step, 5) + 1), step + 1]


def test_a_line_that_was_cut_short_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps(line(1)) + "\n" + json.dumps(line(2))[:9])
    assert read_records(path) == [line(1)]
    with Records(tmp_path, step=2) as records:
        records.write(line(3))
    assert read_records(path) == [line(1), line(3)]


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step":\n{"step": 3}\n')
    with pytest.raises(ValueError, match=r"metrics\.jsonl, line 2"):
        read_records(path)


def test_a_log_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    assert read_records(tmp_path / "metrics.jsonl") == []


@pytest.mark.parametrize("value", [torch.tensor(0.5), np.float64(0.5), torch.tensor([1, 2])])
def test_tensors_and_arrays_become_plain_numbers(tmp_path: Path, value: Any) -> None:
    with Records(tmp_path, step=0) as records:
        records.write({"step": 1, "evaluation": {"measure": value}})
    (record,) = read_records(tmp_path / "metrics.jsonl")
    assert record["evaluation"]["measure"] == value.tolist()


def test_what_is_not_a_number_is_refused(tmp_path: Path) -> None:
    with Records(tmp_path, step=0) as records, pytest.raises(ValueError, match="cannot hold"):
        records.write({"step": 1, "measure": object()})
    assert read_records(tmp_path / "metrics.jsonl") == []


def test_without_a_folder_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Records(None, step=0) as records:
        records.write(line(1))
        records.flush()
    assert records.lines == [line(1)]
    assert not list(tmp_path.iterdir())


def test_tensorboard_shows_every_step_once_after_a_resume(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with Records(tmp_path, step=0) as records:
        for step in range(1, 6):
            records.write(line(step) | {"evaluation": {"nll": 2.0 * step}})
    with Records(tmp_path, step=3) as records:
        for step in range(4, 7):
            records.write(line(step) | {"evaluation": {"nll": 2.0 * step}})
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    losses = events.Scalars("training/loss")
    assert [event.step for event in losses] == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose([event.value for event in losses], 1 / np.arange(1, 7), rtol=1e-6)
    assert [event.value for event in events.Scalars("evaluation/nll")] == [2, 4, 6, 8, 10, 12]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([b'{"step": 1}\n', b"[]\n", b'{"step": 2}\n'], "line 2 tells of no step"),
        ([b'{"step": 1}\n', b"{}\n"], "line 2 tells of no step"),
        ([b'{"step": true}\n'], "line 1 tells of no step"),
        ([b'{"step": 1}\n', b"\xff\xfe\n"], "line 2 is not JSON"),
        ([b'{"step": 1}\n', b'{"step": 1}\n'], "line 2 comes after step 1"),
        ([b'{"step": 4}\n', b'{"step": 2}\n'], "line 2 comes after step 4"),
        ([b'{"step": 4, "evaluation": {}}\n', b'{"step": 4}\n'], "line 2 comes after step 4"),
    ],
)
def test_a_line_that_cannot_be_is_named(lines: list[bytes], message: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b"".join(lines))
    with pytest.raises(ValueError, match=rf"metrics\.jsonl, {message}"):
        read_records(tmp_path / "metrics.jsonl")
