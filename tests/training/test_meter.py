"""The meter: means of the latest steps, speed, and the first step that is not finite."""

import math
from types import SimpleNamespace

import pytest
import torch

from symgen.training import Meter
from symgen.training import meter as module


def fill(meter: Meter, losses: list[float], first: int = 0) -> None:
    for step, loss in enumerate(losses, first):
        values = {"loss": torch.tensor(loss), "nll": torch.tensor(2 * loss)}
        meter.add(step, values)


@pytest.mark.parametrize("length", [1, 4, 7])
def test_means_are_those_of_the_latest_steps_or_of_a_line_of_the_log(length: int) -> None:
    losses = torch.rand(23, dtype=torch.float64).tolist()
    meter = Meter(length)
    for step in range(23):
        fill(meter, [losses[step]], step)
        latest = losses[max(0, step + 1 - length) : step + 1]
        line = losses[step - step % length : step + 1]
        for aligned, chosen in ((False, latest), (True, line)):
            mean = sum(chosen) / len(chosen)
            assert meter.means(step, aligned) == pytest.approx({"loss": mean, "nll": 2 * mean})


def test_values_stay_on_their_device(device: torch.device) -> None:
    meter = Meter(3)
    meter.add(0, {"loss": torch.tensor(2.0, device=device)})
    assert meter.recent.device.type == device.type
    assert meter.means(0) == {"loss": 2.0}


def test_a_meter_goes_on_where_another_stopped() -> None:
    whole, first, second = Meter(4), Meter(4), Meter(4, seconds=10.0)
    losses = torch.rand(10).tolist()
    fill(whole, losses)
    fill(first, losses[:6])
    second.recent = first.recent.clone()
    fill(second, losses[6:], first=6)
    assert second.means(9) == whole.means(9)
    assert second.means(9, aligned=True) == whole.means(9, aligned=True)
    assert second.seconds >= 10


def test_speed_is_that_of_the_latest_steps_without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 50.0
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    meter = Meter(length=5, seconds=7.0)
    for step in range(20):
        now += 4.0 if step < 10 else 0.5
        fill(meter, [1.0], step)
        if step % 3 == 0:
            now += 1000
            meter.pause()
        if step == 4:
            assert meter.steps_per_second() == pytest.approx(1 / 4)
        if step == 13:  # one slow step and four fast ones
            assert meter.steps_per_second() == pytest.approx(5 / (4 + 4 * 0.5))
    assert meter.steps_per_second() == pytest.approx(2)
    assert meter.seconds == pytest.approx(7 + 10 * 4 + 10 * 0.5)


def test_speed_before_and_without_any_time_is_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: 0.0))
    meter = Meter(length=5)
    assert meter.steps_per_second() == 0
    fill(meter, [1.0, 2.0])
    assert math.isfinite(meter.steps_per_second())


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("first", [0, 3, 4, 8])
def test_the_first_step_that_is_not_finite_is_found_in_the_ring(wrong: float, first: int) -> None:
    meter = Meter(length=5)
    assert meter.not_finite(-1) is None
    for step in range(first + 3):
        assert meter.not_finite(step - 1) is None or step > first
        fill(meter, [wrong if step >= first else 1.0], step)
    found = meter.not_finite(first + 2)
    assert found is not None
    step, values = found
    assert step == first
    assert str(values["loss"]) == str(wrong)
