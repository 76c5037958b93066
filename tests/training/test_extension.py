"""Runs that are made longer, and what is on record of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from training_helpers import Disturbed, assert_same_weights, make_data, make_model, without_times

from symgen.training import Run, Training, extension_told, fit, read_records
from symgen.training.settings import learning_rate_factor

COSINE = {"schedule": "cosine", "warmup": 16, "log_every": 1, "kl_warmup": 64}


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def test_a_cosine_is_stretched_and_ends_as_one_of_the_whole_length(tmp_path: Path) -> None:
    fit(make_model(), make_data(), folder=tmp_path, examples=40, **COSINE)
    run = fit(make_model(8), make_data(), folder=tmp_path, examples=80, resume=True, **COSINE)
    rates = {line["step"]: line["learning_rate"] for line in run.records if "loss" in line}
    short, long = (Training(examples=n, batch_size=8, **COSINE) for n in (40, 80))
    wanted = [learning_rate_factor(short if step < 5 else long, step) for step in range(10)]
    assert [rates[step + 1] for step in range(10)] == [1e-3 * factor for factor in wanted]
    assert rates[6] > rates[5] and rates[10] < rates[5]


def test_an_extension_that_stops_goes_on_bit_for_bit(tmp_path: Path) -> None:
    def extended(folder: Path, stops: bool) -> Run:
        def happens(batch: Any) -> None:
            raise KeyboardInterrupt

        given = {**COSINE, "folder": folder, "checkpoint_every": 0.0}
        fit(make_model(), make_data(), examples=40, **given)
        if stops:
            with pytest.raises(KeyboardInterrupt):
                fit(make_model(), Disturbed(7, happens), examples=80, resume=True, **given)
        return fit(make_model(8), make_data(), examples=80, resume=True, **given)

    one, two = (extended(tmp_path / name, name == "stops") for name in ("whole", "stops"))
    assert_same_weights(one.model, two.model)
    assert without_times(one.records) == without_times(two.records)


def test_config_and_log_tell_of_every_extension(tmp_path: Path) -> None:
    for examples in (16, 24, 24, 40):
        resume = examples > 16
        run = fit(make_model(), make_data(), folder=tmp_path, examples=examples, resume=resume)
    said = json.loads((tmp_path / "config.json").read_text())
    told = [(entry["step"], entry["from"], entry["to"]) for entry in said["extended"]]
    assert told == [(2, 16, 24), (3, 24, 40)] and said["training"]["examples"] == 40
    lines = [(line["step"], line["extended"]) for line in run.records if "extended" in line]
    assert lines == [(2, {"from": 16, "to": 24}), (3, {"from": 24, "to": 40})]


def test_a_run_that_is_extended_twice_at_one_step_can_be_read(tmp_path: Path) -> None:
    def happens(batch: Any) -> None:
        raise KeyboardInterrupt

    fit(make_model(), make_data(), folder=tmp_path, examples=16)
    for examples in (24, 32):
        with pytest.raises(KeyboardInterrupt):
            fit(
                make_model(),
                Disturbed(2, happens),
                folder=tmp_path,
                examples=examples,
                resume=True,
            )
    assert [line["step"] for line in read_records(tmp_path / "metrics.jsonl")] == [2, 2, 2]
    assert fit(make_model(), make_data(), folder=tmp_path, examples=32, resume=True).step == 4


@pytest.mark.parametrize("settings", [{}, {"schedule": "half-life", "half_life": 320}])
def test_other_schedules_go_on_and_say_at_which_rate(settings: dict[str, Any]) -> None:
    told = extension_told(Training(examples=640, **settings), 1280, step=20)
    assert told.endswith("goes on from 0.001" if not settings else "goes on from 0.00025")
