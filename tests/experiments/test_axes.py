"""Evaluation of capsules with several axes and with ends: what each axis follows."""

import numpy as np
import torch

import symgen
from symgen import TVAE
from symgen.data import Batches, MovingSprites
from symgen.experiments.datasets import DigitsData
from symgen.experiments.experiment import Experiment
from symgen.experiments.families import TopographicFamily
from symgen.experiments.runs import held_out

FAMILY = TopographicFamily()


def films(frames=6, *data_shape):
    """A few recordings of noise, whose frames have a mean as those of any data."""
    shape = (8, frames, *(data_shape or (1, 5, 5)))
    array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return Batches(symgen.open(array, "all"), 4, shuffle=False)


def awake(model):
    """Let latents follow the data, which they hardly do before training."""
    with torch.no_grad():
        model.mu.zero_()
        for parameter in model.encoder.parameters():
            parameter.mul_(3 if parameter.ndim > 1 else 0)
    return model


def test_evaluation_reports_the_axis_of_every_capsule():
    data = Batches(MovingSprites("test", mode="position"), 6, shuffle=False)
    model = awake(TVAE((1, 64, 64), capsules=2, capsule_axes=(5, 3), frames=15, window=5, width=8))
    measured = FAMILY.evaluate(model, data, films(15, 1, 64, 64), items=10, samples=2)
    assert "capcorr" not in measured
    assert measured["roll_prediction"]["outside"]["nll"] > 0
    table = FAMILY.prepare(model, data, films(15, 1, 64, 64)).axes.correlation
    assert table.shape == (5, 2, 2) and (table[:3] == 0).all()
    assert measured["axes"] and measured["axes"].keys() <= {"posX", "posY"}
    for found in measured["axes"].values():
        assert len(found["assigned"]) == 2
    rows = [row for row in FAMILY.rows({}, measured) if row[0].startswith("rolls along")]
    assert len(rows) == len(measured["axes"])


def test_recordings_have_rolls_that_follow_the_time():
    model = awake(TVAE((1, 5, 5), capsules=2, capsule_axes=(3, 4), frames=6, window=3, width=8))
    measured = FAMILY.evaluate(model, films(), films(), samples=2)
    assert list(measured["axes"]) == ["time"] and "capcorr" not in measured
    assert abs(measured["axes"]["time"]["mean"]) < 0.3  # noise rolls nowhere
    errors = measured["roll_prediction"]["outside"]
    assert all(value > 0 for value in errors.values())


def test_the_axis_that_follows_the_time_is_found(monkeypatch):
    model = TVAE((1, 5, 5), capsules=2, capsule_axes=(3, 6), frames=6, window=3, width=8)
    first = torch.randn(4, 1, 2, 18).expand(-1, 6, -1, -1)
    moving = model.topography.roll(first, torch.arange(6)[:, None], axis=1)
    monkeypatch.setattr(model, "latents", lambda x: moving)
    assignment = FAMILY.prepare(model, films(), films()).axes
    assert assignment.axes(0) == [1, 1]
    assert assignment.described(())["time"]["assigned"] == [1, 1]


def test_evaluation_measures_digits_that_grow_from_the_scale_that_all_show():
    ends = {"window": 3, "boundary": "zero", "capsule_boundary": "zero", "standardise": False}
    data = DigitsData(images="digits", mode="growth")
    experiment = Experiment("TVAE", {"capsules": 2, "units": 9, "width": 8, **ends}, data)
    model, train = experiment.build()
    few = films(train.source.frames, *train.source.data_shape)
    test = held_out(data.source(train=False), FAMILY)
    measured = FAMILY.evaluate(model, test, few, items=10, samples=2)
    scale = measured["capcorr"]["scale"]
    assert scale["sequences"] == 10  # every sequence has a roll to observe
    assert scale["chance"] is None and scale["circular"] is None
    assert len(measured["roll_prediction_by_frame"]["nll"]) == model.frames == 12
    rows = list(FAMILY.rows(experiment.model, measured))
    assert ("CapCorr scale", f"{scale['value']:.2f}", "chance undefined; circular undefined") in (
        rows
    )
