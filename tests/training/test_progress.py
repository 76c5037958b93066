"""What is told of a training while it runs and when it has ended."""

import re
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from training_helpers import Disturbed, Noise, make_data, make_model

from symgen.data import Batches
from symgen.training import Progress, Run, TrainingStopped, fit, meter
from symgen.training.progress import observed


def test_evaluations_see_the_same_noise_without_gradients() -> None:
    seen = []

    def evaluate(model: nn.Module) -> dict[str, Any]:
        seen.append((model.training, torch.is_grad_enabled(), torch.randn(2).tolist()))
        return {"accuracy": torch.tensor(0.5)}

    run = fit(make_model(), make_data(), examples=80, evaluate=evaluate, evaluate_every=4)
    evaluations = [record for record in run.records if "evaluation" in record]
    assert [record["step"] for record in evaluations] == [4, 8, 10]
    assert evaluations[0]["evaluation"] == {"accuracy": 0.5}
    assert seen == [(False, False, seen[0][2])] * 3
    assert run.model.training
    assert len(fit(make_model(), make_data(), examples=16, evaluate=evaluate).records) == 2


def test_the_progress_reaches_the_end() -> None:
    seen: list[Progress] = []
    fit(make_model(), make_data(), examples=240, observe=seen.append)
    assert [p.step for p in seen] == sorted({p.step for p in seen})
    assert all(p.steps == 30 and p.examples == 8 * p.step for p in seen)
    assert seen[-1].step == 30
    assert seen[-1].seconds_left == 0
    assert all(p.examples_per_second > 0 and p.loss > 0 for p in seen)
    assert all(p.loss == pytest.approx(sum(p.terms.values())) for p in seen)


def test_time_is_that_of_training_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0

    def takes(duration: float, result: Any = None) -> Any:
        nonlocal now
        now += duration
        return result

    monkeypatch.setattr(meter, "time", SimpleNamespace(monotonic=lambda: now))
    model = make_model()
    save = model.save_pretrained
    model.save_pretrained = lambda folder, **about: takes(1000, save(folder, **about))
    run = fit(
        model,
        Disturbed(range(10), lambda batch: takes(2)),
        examples=80,
        folder=tmp_path,
        log_every=1,
        evaluate=lambda model: takes(10_000, {}),
        evaluate_every=3,
    )
    assert run.seconds == 20  # neither what came before the first step, nor the evaluations
    speeds = [line["examples_per_second"] for line in run.records if "loss" in line]
    assert speeds == pytest.approx([4.0] * 10)


# Watching


def test_nobody_watches_and_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    run = fit(make_model(), make_data(), examples=80, log_every=1)
    assert run.finished
    assert capfd.readouterr() == ("", "")


def test_a_bar_is_shown_in_a_terminal(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # by which rich takes this for a terminal
    fit(make_model(), make_data(), examples=80)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "training" in printed.err
    assert "━" in printed.err


def test_who_asks_for_it_in_a_log_gets_lines(capfd: pytest.CaptureFixture[str]) -> None:
    fit(make_model(), make_data(), examples=80, progress=True)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert re.fullmatch(r"training 100 %: 80 seen, .*, loss .*, 0 s left\n", printed.err)


@pytest.mark.parametrize("given", [{"progress": False}, {"observe": lambda now: None}])
def test_a_bar_can_be_switched_off_and_an_observer_takes_its_place(
    given: dict[str, Any], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    fit(make_model(), make_data(), examples=80, **given)
    assert capfd.readouterr() == ("", "")


def test_who_watches_is_told_at_once_a_few_times_per_second_and_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, seen = 0.0, []
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr("symgen.training.progress.time", clock)
    report = observed(seen.append)
    for step in range(1000):
        report(lambda step=step: step, step == 999)
        now += 0.01
    assert seen[0] == 0
    assert seen[-1] == 999
    assert len(seen) == pytest.approx(10 / 0.25, abs=2)


def test_progress_is_a_line_in_words() -> None:
    now = Progress(
        step=10,
        steps=100,
        examples=320_000,
        seconds=60.0,
        examples_per_second=5333.3,
        seconds_left=540.0,
        loss=12.5,
        terms={"nll": 10.0, "kl_z": 2.5},
    )
    assert str(now) == ("320,000 seen, 5,333/s, loss 12.50 (nll 10.00, kl_z 2.50), 9 min left")


# The end


def test_a_run_says_in_a_short_line_what_came_of_it(tmp_path: Path) -> None:
    data = Batches(Noise(), batch_size=40)
    run = fit(make_model(), data, examples=1600, folder=tmp_path, log_every=1)
    assert len(run.records) == 40
    pattern = r"Run\(TVAE, 1,600 examples in \d+ s, loss \d+\.\d\d in (.*)\)"
    found = re.fullmatch(pattern, repr(run))
    assert found is not None
    assert found[1] == str(tmp_path)
    assert f"{run.records[-1]['loss']:.2f}" in repr(run)


def test_a_run_that_was_stopped_says_so() -> None:
    stop = Disturbed(3, lambda batch: signal.raise_signal(signal.SIGINT))
    with pytest.raises(TrainingStopped) as stopped:
        fit(make_model(), stop, examples=80)
    run = stopped.value.run
    assert isinstance(run, Run)
    assert repr(run) == f"Run(TVAE, 32 examples in {run.seconds:.0f} s, stopped)"
