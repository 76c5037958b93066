"""An experiment is a value: it builds the same model everywhere, and survives JSON."""

import json
from pathlib import Path

import pytest
import torch

from symgen import ACE, TVAE
from symgen.experiments.datasets import DigitsData, ImageData, RecordingData, SpritesData
from symgen.experiments.experiment import Experiment
from symgen.training import Training

DIGITS = DigitsData(images="digits")
SMALL = {"hidden": (20,), "decoder_hidden": (10,), "classifier_hidden": 20}


def experiment(kind: str, **training) -> Experiment:
    if kind == "ACE":
        data = ImageData(images="digits", distortion="rts")
        return Experiment("ACE", SMALL, data, Training(batch_size=8, **training))
    return Experiment("TVAE", {"capsules": 2, "width": 8}, DIGITS, Training(**training))


@pytest.mark.parametrize("kind", ["TVAE", "ACE"])
def test_the_seed_alone_decides_the_initial_weights(kind):
    torch.manual_seed(99)
    expected = torch.rand(1)
    torch.manual_seed(99)
    first, second, other = (
        experiment(kind, seed=seed).build()[0].state_dict() for seed in (4, 4, 5)
    )
    assert torch.rand(1).equal(expected)
    drawn = [name for name, weight in first.items() if not weight.equal(other[name])]
    assert len(drawn) > 4
    assert all(weight.equal(second[name]) for name, weight in first.items())


def test_a_model_fits_its_data():
    model, batches = experiment("TVAE").build()
    assert isinstance(model, TVAE) and (model.frames, model.data_shape) == (18, (3, 28, 28))
    assert model(*batches.batch(0).inputs).loss.isfinite()
    model, batches = experiment("ACE").build()
    assert isinstance(model, ACE) and (model.classes, model.data_shape) == (10, (1, 42, 42))
    assert batches.batch_size == 8 and batches.steps_per_epoch == 1438 // 8
    longer, _ = Experiment("TVAE", {"width": 8}, SpritesData(length=6)).build()
    assert (longer.frames, longer.units) == (6, 6)


def test_the_order_of_the_data_has_the_seed_of_the_training():
    labels = [experiment("ACE", seed=seed).build()[1].batch(0).labels for seed in (1, 1, 2)]
    assert labels[0].equal(labels[1]) and not labels[0].equal(labels[2])


@pytest.mark.parametrize(
    "given",
    [
        Experiment(
            "TVAE", {"capsule_axes": [6, 3], "units": None}, DigitsData(root=Path("somewhere"))
        ),
        Experiment("ACE", SMALL, ImageData(root=Path("somewhere"), validation=3)),
        Experiment("VAE", {}, SpritesData("position", 8), Training(learning_rates={"mu": 1e-3})),
        Experiment(
            "BubbleVAE",
            {"units": 7, "window": None},
            RecordingData(Path("films"), length=5, size=(8, 9), rate=12.5, cache=Path("cache")),
            Training(kl_start={"kl_z": 20.0}, kl_warmup=10),
        ),
    ],
    ids=lambda given: given.builder,
)
def test_every_kind_survives_json(given):
    assert Experiment.from_json(json.loads(json.dumps(given.to_json()))) == given


def test_settings_younger_than_a_record_have_their_defaults():
    given = Experiment("TVAE", {"window": 9}, training=Training(seed=3))
    values = given.to_json()
    del values["model"]["standardise"], values["training"]["kl_warmup"], values["data"]["mode"]
    assert Experiment.from_json(values) == given


def test_changes_replace_what_they_name_and_nothing_else(tmp_path):
    given = experiment("TVAE")
    changed = given.changed(
        {"window": 5}, {"mode": "growth"}, {"seed": 2, "examples": 7}, place=tmp_path
    )
    assert changed.model == given.model | {"window": 5}
    assert changed.data == DigitsData(images="digits", mode="growth", root=tmp_path)
    assert changed.training == Training(seed=2, examples=7)
    assert given.changed() == given and given.changed({"window": 5}) != given


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"wings": 2}}, "TVAE has no option 'wings'"),
        ({"data": {"mdoe": "still"}}, "data of kind 'digits' have no 'mdoe': did you mean mode"),
        ({"data": {"kind": "moths"}}, "data of kind 'moths': this version knows digits, "),
        ({"training": {"exmaples": 2}}, "unknown setting 'exmaples': did you mean examples"),
    ],
)
def test_unknown_settings_are_refused(changes, message):
    values = experiment("TVAE").to_json()
    part, change = next(iter(changes.items()))
    with pytest.raises(ValueError, match=message):
        Experiment.from_json(values | {part: values[part] | change})
    with pytest.raises(ValueError, match=message):
        experiment("TVAE").changed(**changes)


def test_what_is_no_experiment_is_refused():
    values = experiment("TVAE").to_json()
    del values["training"]
    with pytest.raises(ValueError, match="no experiment, it lacks 'training'"):
        Experiment.from_json(values)
    with pytest.raises(ValueError, match="unknown model 'Moth'"):
        Experiment("Moth")
    with pytest.raises(ValueError, match="no experiment, settings are 3: give them by name"):
        Experiment.from_json(Experiment("VAE").to_json() | {"data": 3})


@pytest.mark.parametrize("axes", [(3, 4), (2, 9)])
def test_axes_that_do_not_fit_are_refused(axes):
    model = {"units": 18, "capsule_axes": axes, "reference_window": axes == (2, 9)}
    with pytest.raises(ValueError, match="units is the product of the axes"):
        Experiment("TVAE", model, DIGITS).build()
