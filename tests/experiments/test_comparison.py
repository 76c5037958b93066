"""Gains over baselines, and the numbers of single recordings."""

import pytest
import torch

from symgen.experiments.families.comparison import by_recording, gains


def errors(count=200, gain=0.3, noise=0.2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    baseline = 10 + torch.randn(count, generator=generator).double().abs()
    factor = 1 - gain + noise * torch.randn(count, generator=generator).double()
    return {"squared_error": factor * baseline, "mean_squared_error": baseline}


def test_a_gain_is_the_part_of_the_squared_error_that_is_saved():
    given = errors()
    found = gains(given)["mean"]
    sums = [values.sum() for values in given.values()]
    assert found["percent"] == pytest.approx(float(100 * (1 - sums[0] / sums[1])))
    assert found["low"] < found["percent"] < found["high"]
    assert gains(given) == gains(given)


def test_the_interval_is_that_of_the_mean():
    found = gains(errors(400))["mean"]
    expected = 1.96 * 2 * 100 * 0.2 / 400**0.5
    assert found["high"] - found["low"] == pytest.approx(expected, rel=0.2)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    found = [gains(errors(60, seed=seed))["mean"] for seed in range(60)]
    assert sum(told["low"] < 30 < told["high"] for told in found) >= 51


def test_clips_of_a_recording_are_not_independent():
    given = {name: values.repeat_interleave(10) for name, values in errors(20).items()}
    names = [f"film {k // 10}" for k in range(200)]
    wide, narrow = gains(given, names), gains(given)
    assert (wide["over"], wide["count"], wide["sequences"], wide["recordings"]) == (
        ("recordings", 20, 200, 20)
    )
    assert wide["mean"]["percent"] == pytest.approx(narrow["mean"]["percent"])
    width = [told["mean"]["high"] - told["mean"]["low"] for told in (wide, narrow)]
    assert width[0] > 2 * width[1]


def test_one_recording_is_resampled_by_its_clips():
    found = gains(errors(), ["film"] * 200)
    assert (found["over"], found["count"], found["recordings"]) == ("sequences", 200, 1)


@pytest.mark.parametrize("value", [float("nan"), 0.0])
def test_a_baseline_without_errors_has_no_gain(value):
    given = errors() | {"nearest_squared_error": torch.full((200,), value).double()}
    assert gains(given)["nearest"] is None


def test_one_sequence_has_no_interval():
    found = gains({name: values[:1] for name, values in errors().items()})["mean"]
    assert found["low"] is found["high"] is None


def test_numbers_of_recordings_are_the_means_of_their_clips():
    given = {
        "squared_error": torch.tensor([1.0, 2, 6]).double(),
        "nearest_squared_error": torch.tensor([1.0, 1, torch.nan]).double(),
    }
    assert by_recording(given, ["b", "a", "b"])["recordings"] == {
        "a": {"clips": 1, "squared_error": 2.0, "nearest_squared_error": 1.0},
        "b": {"clips": 2, "squared_error": 3.5, "nearest_squared_error": None},
    }
