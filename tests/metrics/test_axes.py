"""Metrics of capsules with another speed, with ends and with several axes."""

from unittest.mock import patch

import numpy as np
import pytest
import torch

import symgen
from symgen.data import MovingSprites, Sequences
from symgen.experiments import DataConfig, Experiment, ModelConfig, measures
from symgen.experiments.axes import AxisAssignment, assign_axes
from symgen.experiments.evaluation import evaluate
from symgen.latents import AxesTopography, roll
from symgen.metrics import (
    axis_correlation,
    capcorr,
    equivariance_chance,
    equivariance_error,
    observed_and_true,
    roll_prediction,
)
from symgen.models import TVAE, TopographicVAE


def half_speed(sequences=40, capsules=3):
    """Nine units that come round once in eighteen frames, from poses of their own."""
    start = torch.arange(sequences) % 18
    pose = (start[:, None] + torch.arange(18)) % 18
    canonical = torch.randn(sequences, 1, capsules, 9).double()
    t = roll(canonical, 0.5 * pose[:, :, None].double(), method="fourier")
    return t, pose[..., None]


@pytest.mark.parametrize("circular", [False, True])
def test_capcorr_is_one_for_capsules_that_roll_by_half_units(circular):
    t, pose = half_speed()
    moved = torch.zeros(len(t), dtype=torch.int64)
    found = capcorr(t, pose, moved, ["angle"], circular=circular, speed=0.5)
    assert found["angle"] == pytest.approx(1.0)
    readings = observed_and_true(t, pose, moved, speed=0.5)
    assert torch.equal(readings.observed, pose[:, 0, 0]) and torch.equal(*readings[:2])
    # Read at the speed of a unit a frame, poses beyond half a turn would be taken for others.
    assert not torch.equal(*observed_and_true(t, pose, moved)[:2])


def between_ends(sequences=30, frames=6, units=16):
    """Capsules that move along their units and lose nothing, from poses 0 to 4."""
    start = torch.arange(sequences) % 5
    pose = start[:, None] + torch.arange(frames)
    shape = torch.zeros(sequences, 1, 2, units).double()
    shape[..., :5] = torch.randn(sequences, 1, 2, 5)
    return roll(shape, pose[:, :, None], boundary="zero"), pose[..., None]


def test_capcorr_is_one_for_capsules_that_move_between_two_ends():
    t, pose = between_ends()
    moved = torch.zeros(len(t), dtype=torch.int64)
    readings = observed_and_true(t, pose, moved, canonical=4, boundary="zero")
    assert torch.equal(readings.observed, pose[:, 0, 0] - 4)
    assert torch.equal(readings.true, readings.observed)
    found = capcorr(t, pose, moved, ["scale"], canonical=4, boundary="zero")
    assert found["scale"] == pytest.approx(1.0)


@pytest.mark.parametrize("centred", [False, True])
def test_equivariance_error_is_zero_at_the_speed_of_the_capsules_only(centred):
    t, _ = half_speed()
    assert equivariance_error(t, centred, speed=0.5).max() < 1e-9
    assert equivariance_error(t, centred).min() > 10
    t, _ = between_ends()
    assert equivariance_error(t, centred, boundary="zero").max() < 1e-9
    assert equivariance_error(t.flip(1), centred, speed=-1, boundary="zero").max() < 1e-9
    assert equivariance_error(t, centred, speed=2, boundary="zero").min() > 1


def test_equivariance_between_ends_is_the_sum_over_pairs(dtype):
    t = torch.randn(2, 4, 3, 5, dtype=dtype)
    unit = t / t.norm(dim=-1, keepdim=True)
    expected = torch.zeros(2, dtype=dtype)
    for first in range(4):
        for second in range(first + 1, 4):
            for j in range(5):
                if j - (second - first) >= 0:
                    difference = unit[:, first, :, j - (second - first)] - unit[:, second, :, j]
                    expected += difference.abs().sum(-1)
    torch.testing.assert_close(equivariance_error(t, boundary="zero"), expected)


@pytest.mark.parametrize("centred", [False, True])
def test_noise_between_ends_scores_chance(centred):
    t = torch.randn(400, 6, 3, 4)
    chance = equivariance_chance(6, 3, 4, centred, boundary="zero")
    mean = equivariance_error(t, centred, boundary="zero").mean().item()
    assert mean == pytest.approx(chance, rel=0.02)


def test_axes_are_told_apart_and_noise_is_not_taken_for_a_roll():
    topography = AxesTopography(3, (6, 6), 6, 3)
    first, steps = torch.randn(40, 3, 36), torch.arange(6)
    along = [torch.stack([topography.roll(first, s, a) for s in range(6)], 1) for a in (0, 1)]
    x_moves = (torch.arange(40) < 20)[:, None, None, None]
    t = torch.where(x_moves, along[1], along[0])
    t[:, :, 2] = torch.randn(40, 6, 36)  # one capsule follows nothing
    factors = torch.zeros(40, 6, 2, dtype=torch.int64)
    factors[:20, :, 0], factors[20:, :, 1] = steps, steps
    table = axis_correlation(t, factors, (6, 6), period=6)
    assert table.shape == (2, 3, 2)
    assert table[:, :2].argmax(-1).tolist() == [[1, 1], [0, 0]]
    assert table[0, :2, 1].min() > 0.5 > 0.3 > table[:, 2].abs().max()
    with pytest.raises(ValueError, match="does not have the 36 units"):
        axis_correlation(t, factors, (6, 5), period=6)


def test_roll_prediction_follows_the_speed_and_the_axes_of_a_model():
    x = torch.rand(2, 6, 1, 4, 4)
    half = TVAE(image_shape=(1, 4, 4), capsules=2, units=5, frames=6, window=3, shift=0.5)
    axes = TopographicVAE(image_shape=(1, 4, 4), topography=AxesTopography(2, (3, 4), 6, 3))
    for model, axis in ((half, 0), (axes, [1, 0])):
        prediction = roll_prediction(model, x, x[0, 0], axis=axis)
        with torch.no_grad():
            first = model.latents(model.encode(x), sampled=False)[:, 0]
            for frame in range(6):
                image = model.decode(model.act(first, frame, axis))
                expected = -image.log_prob(x[:, frame])
                torch.testing.assert_close(prediction.nll[:, frame], expected)


def test_evaluation_reports_the_axis_of_every_capsule():
    data = Sequences(MovingSprites("test", mode="position"), 6, shuffle=False)
    topography = AxesTopography(2, (5, 3), 15, 5)
    model = TopographicVAE(image_shape=(1, 64, 64), topography=topography, hidden=(8, 8))
    measured = evaluate(model, data, torch.full((1, 64, 64), 0.1), sequences=10, samples=2)
    assert "capcorr" not in measured
    assert measured["roll_prediction"]["outside"]["nll"] > 0
    table = assign_axes(model, data).correlation
    assert table.shape == (5, 2, 2) and (table[:3] == 0).all()
    for name in measured["axes"]:
        assert name in ("posX", "posY") and len(measured["axes"][name]["assigned"]) == 2
    assert len(measures(Experiment(), measured)) == 8 + len(measured["axes"])


def test_recordings_have_rolls_that_follow_the_time():
    films = symgen.data.open(
        np.random.default_rng(0).integers(0, 256, (8, 6, 1, 5, 5), np.uint8), "test"
    )
    held_out = Sequences(films, 2, shuffle=False)
    model = TopographicVAE(image_shape=(1, 5, 5), topography=AxesTopography(2, (3, 4), 6, 3))
    measured = evaluate(model, held_out, torch.full((1, 5, 5), 0.5), samples=2)
    assert set(measured["axes"]) <= {"time"} and "capcorr" not in measured  # noise rolls nowhere
    errors = measured["roll_prediction"]["outside"]
    assert all(value > 0 for value in errors.values())


def test_the_axis_that_follows_the_time_is_found():
    topography = AxesTopography(2, (3, 6), 6, 3)
    model = TopographicVAE(image_shape=(1, 5, 5), topography=topography)
    films = symgen.data.open(np.zeros((8, 6, 1, 5, 5), np.uint8), "test")
    t = torch.randn(len(films), 1, 2, 18).expand(-1, 6, -1, -1)
    moving = topography.roll(t, torch.arange(6)[:, None], axis=1)
    with patch.object(model, "latents", lambda *_, **__: moving):
        assignment = assign_axes(model, Sequences(films, len(films), shuffle=False))
    assert assignment.axes(0) == [1, 1]
    assert assignment.described(films.factor_names)["time"]["assigned"] == [1, 1]


def test_evaluation_reads_digits_that_grow_from_the_scale_that_all_show():
    experiment = Experiment(
        ModelConfig(
            capsules=2, units=9, window=3, boundary="zero", capsule_boundary="zero", hidden=(8, 8)
        ),
        DataConfig(images="digits", mode="growth"),
    )
    model, _ = experiment.build()
    measured = experiment.evaluate(model, items=10, samples=2, seed=0)
    scale = measured["capcorr"]["scale"]
    assert scale["sequences"] == 10  # every sequence has a reading
    assert scale["chance"] is None and scale["circular"] is None
    assert len(measured["roll_prediction_by_frame"]["nll"]) == 12
    assert len(measures(experiment, measured)) == 9


def test_frames_are_unrolled_along_the_axis_of_their_factor():
    topography = AxesTopography(2, (4, 4), 4, 3)
    model = TopographicVAE(image_shape=(1, 4, 4), topography=topography)
    first = torch.randn(2, 2, 16)
    axes = [[0, 1], [1, 0]]
    t = torch.stack(
        [
            torch.stack([model.act(first[n], frame, axes[n]) for frame in range(4)])
            for n in range(2)
        ]
    )
    table = torch.nn.functional.one_hot(torch.tensor(axes), 2).float()
    assignment = AxisAssignment(table)
    still = assignment.unrolled(model, t, torch.arange(2))
    torch.testing.assert_close(still, first[:, None].expand_as(t))
    assert equivariance_error(still, speed=0).max() == 0
    with pytest.raises(ValueError, match="one factor moves"):
        assignment.parts(torch.tensor([0, -1]))
