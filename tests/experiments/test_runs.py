"""Evaluation of runs and of their folders, metrics of one's own, trainings for a given time."""

import json
import re
import warnings
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

import symgen
from symgen import ACE, TVAE
from symgen.experiments import starting
from symgen.experiments.datasets import ImageData, SpritesData
from symgen.experiments.evaluation import model_of
from symgen.experiments.experiment import Experiment
from symgen.experiments.runs import open_run
from symgen.experiments.starting import start_run, within
from symgen.training import Training

MODEL = {"capsules": 2, "units": 4, "frames": 4, "width": 8, "likelihood": "gaussian"}
BRIEF = {"examples": 16, "batch_size": 8}


def clips(count=16):
    return torch.randn(count, 4, 6)


def length(model, batch):
    return batch.inputs[0].flatten(1).norm(dim=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    symgen.fit(TVAE((6,), **MODEL), clips(), **BRIEF, folder=folder)
    return folder


def summary(folder, items=None):
    name = "summary.json" if items is None else f"summary-{items}.json"
    return json.loads((folder / name).read_text())


# --- evaluation --------------------------------------------------------------------------------


def test_what_is_given_is_not_called_held_out(tmp_path):
    films = np.random.default_rng(0).integers(2000, size=(6, 8, 6, 5)).astype(np.uint16)
    np.save(tmp_path / "films.npy", films)
    source = symgen.open(tmp_path / "films.npy", "train", axes="NTYX", length=4)
    model = TVAE((1, 6, 5), **MODEL | {"likelihood": "bernoulli"}, window=3)
    run = symgen.fit(model, source, **BRIEF, folder=tmp_path / "run")
    for given in (run, tmp_path / "run"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            measured = symgen.evaluate(given, source, samples=2)
        assert re.search(r"On \d+ given clips of \d recordings", measured["verdict"][0])
    np.save(tmp_path / "others.npy", films // 16)
    others = symgen.open(tmp_path / "others.npy", "all", axes="NTYX", length=4)
    for use in (symgen.evaluate, symgen.encode):
        with pytest.warns(UserWarning, match=r"of those trained on 0 and 2047: .*\(0, 2047\)"):
            use(run, others)


def test_own_metrics_join_the_evaluation_and_the_summary(folder):
    x = clips(12)
    measured = symgen.evaluate(folder, x, metrics={"length": length}, samples=2)
    assert measured["own"] == {"length": pytest.approx(x.flatten(1).norm(dim=1).mean().item())}
    assert summary(folder, 12)["evaluation"]["own"] == measured["own"]
    assert summary(folder, 12)["evaluation"] == json.loads(json.dumps(measured))
    rows = open_run(folder).family.rows({}, measured)
    assert ("length", f"{measured['own']['length']:.4g}", "your own") in list(rows)
    assert "own" not in symgen.evaluate(folder, x, samples=2)


@pytest.mark.parametrize("value", [torch.zeros(()), torch.zeros(12, 4), 3.0])
def test_a_metric_that_is_not_one_value_an_item_is_refused(folder, value):
    with pytest.raises(ValueError, match=r"'mine' gave \(.*\) for a batch of 12 items"):
        symgen.evaluate(folder, clips(12), metrics={"mine": lambda model, batch: value})


def test_an_evaluation_that_fails_leaves_the_mode_of_the_model_alone():
    def broken(model, batch):
        raise ZeroDivisionError

    run = symgen.fit(TVAE((6,), **MODEL), clips(), **BRIEF)
    for training in (True, False):
        run.model.train(training)
        with pytest.raises(ZeroDivisionError):
            symgen.evaluate(run, clips(), metrics={"mine": broken})
        assert run.model.training == training


@pytest.mark.parametrize("samples", [0, -3])
def test_an_evaluation_without_samples_is_refused(folder, samples):
    with pytest.raises(ValueError, match=f"samples={samples}: take at least one"):
        symgen.evaluate(folder, clips(), samples=samples)


def test_a_folder_in_place_of_a_record_is_refused_before_the_work(folder, tmp_path):
    with pytest.raises(ValueError, match="is a folder: name a file in it"):
        symgen.evaluate(folder, clips(), record=tmp_path, observe=pytest.fail)


@pytest.mark.parametrize(
    "content", ["notes", "", "[]", "{}", '{"evaluation": {}, "name": 1}', None]
)
def test_a_file_that_is_no_record_is_not_replaced_by_one(content, folder, tmp_path):
    path = tmp_path / "r.json"
    path.write_text((folder / "config.json").read_text() if content is None else content)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=rf"record={path}: .* is no record of an evaluation"):
        symgen.evaluate(folder, clips(), record=path, observe=pytest.fail)
    assert path.read_bytes() == before


def test_a_record_is_replaced_by_another(folder, tmp_path):
    path = tmp_path / "r.json"
    for items in (2, 3):
        symgen.evaluate(folder, clips(), items=items, record=path)
        assert json.loads(path.read_text())["evaluation"]["examples"] == items


def test_a_summary_tells_the_run_and_the_evaluation(folder, tmp_path):
    measured = symgen.evaluate(
        folder, clips(), items=9, seed=4, record=tmp_path / "new" / "r.json"
    )
    found = summary(folder, 9)
    assert json.loads((tmp_path / "new" / "r.json").read_text()) == found
    assert found["evaluation"]["examples"] == measured["examples"] == 9
    assert found["evaluation"]["seed"] == 4 and "torch" in found["evaluated"]["hardware"]
    assert found["experiment"]["builder"] == "TVAE" and found["training"]["examples"] == 16
    assert found["experiment"]["model"]["capsules"] == 2
    assert found["experiment"]["model"]["mu"] == -30.0  # a default, told all the same
    assert found["experiment"]["training"]["batch_size"] == 8


def test_a_run_its_folder_and_what_was_opened_measure_the_same(tmp_path):
    run = symgen.fit(TVAE((6,), **MODEL), clips(), **BRIEF, folder=tmp_path)
    x = clips(12)
    whole, named, opened = (
        symgen.evaluate(given, x) for given in (run, str(tmp_path), open_run(tmp_path))
    )
    assert whole == named == opened
    loose = symgen.fit(TVAE((6,), **MODEL), clips(), **BRIEF)
    assert symgen.evaluate(loose, x)["examples"] == 12
    assert symgen.evaluate(run.model, x) == whole


class Wrapped(nn.Module):
    """Has a model, as what torch.compile returns has."""

    def __init__(self, model):
        super().__init__()
        self.model = model


@pytest.mark.parametrize("wrap", [Wrapped, lambda model: None])
def test_what_is_neither_a_run_nor_a_model_is_named(wrap):
    with pytest.raises(ValueError, match=r"a \w+ is no run: .* before it is compiled"):
        model_of(wrap(TVAE((6,), **MODEL)), {})


def test_a_masked_array_is_refused_and_an_empty_mask_is_not():
    model, plain = TVAE((6,), **MODEL), clips()
    x = np.ma.masked_less(plain.numpy(), -9)
    run = symgen.fit(model, x, **BRIEF)
    assert symgen.evaluate(run, x) == symgen.evaluate(run, plain)
    x[0, 0, 0] = x[1, 0, 0] = np.ma.masked
    for use in (symgen.fit, symgen.evaluate, symgen.encode):
        with pytest.raises(ValueError, match=r"masked array, 2 values of [\d,]+ masked: fill"):
            use(model, x)


def test_what_the_run_held_out_is_measured_where_a_file_names_its_data(tmp_path):
    np.save(tmp_path / "films.npy", np.random.default_rng(0).integers(0, 256, (10, 4, 5, 5), "u1"))
    model = TVAE((1, 5, 5), **MODEL)
    films = symgen.open(tmp_path / "films.npy", axes="NTYX", length=4)
    run = symgen.fit(model, films, **BRIEF, folder=tmp_path / "run")
    assert symgen.evaluate(run)["examples"] == 1  # a tenth of the recordings


def test_data_that_cannot_be_measured_on_are_refused(folder, tmp_path):
    with pytest.raises(ValueError, match=r"an array in memory.*--data PATH"):
        symgen.evaluate(folder)
    with pytest.raises(ValueError, match="data=None and no run folder"):
        symgen.evaluate(symgen.fit(TVAE((6,), **MODEL), clips(), **BRIEF))
    with pytest.raises(ValueError, match="DataLoader has no items by number"):
        symgen.evaluate(folder, torch.utils.data.DataLoader(clips(), batch_size=8))
    with pytest.raises(FileNotFoundError, match="is not a run folder"):
        symgen.evaluate(tmp_path)
    for data in (torch.randn(8, 4, 7), torch.randn(8, 6)):
        with pytest.raises(ValueError, match=r"the model takes floats \(4, 6\)"):
            symgen.evaluate(folder, data)


def test_a_model_of_own_parts_is_measured_with_them(tmp_path):
    def own():
        return {"encoder": nn.Linear(6, 32), "decoder": nn.Linear(8, 6)}

    class Shaped(nn.Linear):
        def forward(self, x):
            return super().forward(x)[:, None]

    parts = own() | {"decoder": Shaped(8, 6)}
    run = symgen.fit(TVAE((6,), **MODEL, **parts), clips(), **BRIEF, folder=tmp_path)
    x = clips()
    measured = symgen.evaluate(run, x)
    again = own() | {"decoder": Shaped(8, 6)}
    assert symgen.evaluate(tmp_path, x, **again) == measured
    with pytest.raises(ValueError, match=r"made with parts of one's own, .*: hand them in again"):
        symgen.evaluate(tmp_path, x)


def test_ace_is_measured_on_labelled_items():
    sizes = {"width": 8, "depth": 1, "encoder": "residual", "decoder": "residual"}
    model = ACE((6,), 3, pose=None, classifier="residual", **sizes)
    data = torch.utils.data.TensorDataset(torch.rand(30, 6), torch.arange(30) % 3)
    run = symgen.fit(model, data, **BRIEF)
    measured = symgen.evaluate(run, data, metrics={"label": lambda model, batch: batch.y})
    assert measured["own"]["label"] == 1.0 and 0 <= measured["error"] <= 100


def test_a_model_of_no_family_has_no_evaluation():
    class Terms(NamedTuple):
        nll: torch.Tensor

    class Mine(nn.Linear):
        data_shape = (6,)

        def forward(self, x):
            return Terms(super().forward(x).square())

    run = symgen.fit(Mine(6, 2), torch.randn(16, 6), **BRIEF)
    with pytest.raises(
        ValueError, match="Mine belongs to no family: give a TopographicVAE or ACE"
    ):
        symgen.evaluate(run, torch.randn(16, 6))


# --- summaries ---------------------------------------------------------------------------------


@pytest.fixture
def on_film(tmp_path):
    """A run that held out four recordings of a clip each."""
    films = np.random.default_rng(0).integers(0, 256, (40, 4, 5, 5), "u1")
    np.save(tmp_path / "films.npy", films)
    model = TVAE((1, 5, 5), **MODEL)
    source = symgen.open(tmp_path / "films.npy", axes="NTYX", length=4)
    return symgen.fit(model, source, **BRIEF, folder=tmp_path / "run").folder


def test_a_smaller_evaluation_leaves_the_summary_of_a_larger_one(on_film):
    symgen.evaluate(on_film, items=2)
    symgen.evaluate(on_film, items=4)
    symgen.evaluate(on_film, items=3, seed=1)
    sizes = [summary(on_film, items)["evaluation"]["examples"] for items in (None, 2, 3, 4)]
    assert sizes == [4, 2, 3, 4]
    symgen.evaluate(on_film, seed=2)
    assert summary(on_film)["evaluation"]["seed"] == 2  # the newest of as many


def test_a_summary_is_of_what_the_run_held_out_rather_than_of_other_data(on_film):
    symgen.evaluate(on_film, torch.rand(12, 4, 1, 5, 5))
    assert summary(on_film)["evaluation"]["examples"] == 12
    symgen.evaluate(on_film, items=2)
    symgen.evaluate(on_film, torch.rand(12, 4, 1, 5, 5))
    assert summary(on_film)["evaluation"]["examples"] == 2


def test_a_summary_of_earlier_weights_or_a_damaged_one_gives_way(on_film):
    symgen.evaluate(on_film, items=4)
    earlier = summary(on_film) | {"step": 1}
    for before in (json.dumps(earlier), "", "[]", "{}"):
        (on_film / "summary.json").write_text(before)
        symgen.evaluate(on_film, items=2)
        assert summary(on_film)["evaluation"]["examples"] == 2


def test_a_summary_of_an_earlier_version_is_kept_beside_a_larger_one(on_film):
    symgen.evaluate(on_film, items=2)
    (on_film / "summary-2.json").unlink()
    symgen.evaluate(on_film)
    assert summary(on_film, 2)["evaluation"]["examples"] == 2


def test_a_part_is_spread_over_what_was_held_out(on_film):
    whole, part = (symgen.evaluate(on_film, items=items) for items in (None, 2))
    assert [whole["held_out"], part["held_out"], part["examples"]] == [4, 4, 2]
    names = list(whole["recordings"])
    assert [names.index(name) for name in part["recordings"]] == [0, 2]


# --- a training for a given time ---------------------------------------------------------------


class Timed:
    """`fit` on a machine of a given speed, in examples a second, which warms up first."""

    def __init__(self, speed):
        self.speed, self.trained = speed, []

    def __call__(self, model, data, *, examples, **how):
        assert how["patience"] is None  # it needs data that the trial does without
        self.trained.append(examples)
        return symgen.training.Run(None, model, 1, examples, examples / self.speed, True, ())


@pytest.mark.parametrize(("speed", "examples"), [(10, 600), (0.01, 8), (1e6, 8_000)])
def test_a_training_is_shortened_to_what_the_machine_does(speed, examples, monkeypatch):
    monkeypatch.setattr(starting, "fit", Timed(speed))
    how = Training(examples=8_000, batch_size=8, schedule="cosine", warmup=80, kl_warmup=4_000)
    experiment = Experiment("TVAE", {"capsules": 2, "width": 8}, SpritesData(length=4), how)
    shorter = within(experiment.changed(training={"patience": 3}), 1.0)
    assert shorter.training.patience == 3
    shorter = within(experiment, 1.0)
    ramps = {"warmup": examples // 100, "kl_warmup": examples // 2}
    assert shorter == experiment.changed(training={"examples": examples, **ramps})


def test_clusters_are_dealt_out_evenly_for_the_same_part_of_a_shorter_training(monkeypatch):
    monkeypatch.setattr(starting, "fit", Timed(10))
    how = Training(examples=6_000, batch_size=60, kl_warmup=3_000)
    model = {"balanced": 4_000, "hidden": (4,), "decoder_hidden": (4,), "classifier_hidden": 4}
    data = ImageData(images="digits", labels=0, classes=3)
    shorter = within(Experiment("ACE", model, data, how), 1.0)
    assert shorter.training.examples == 600 and shorter.model["balanced"] == 400


def test_the_measured_speed_is_that_of_real_steps(monkeypatch):
    timed = Timed(100)
    monkeypatch.setattr(starting, "fit", timed)
    how = Training(examples=800, batch_size=8)
    within(Experiment("VAE", {"capsules": 2, "width": 8}, SpritesData(length=4), how), 1.0)
    assert len(timed.trained) > 1 and timed.trained[-1] >= 10 * 8  # what is done once comes first
    assert sum(timed.trained) < 800


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("nan")])
def test_no_time_is_refused(minutes):
    with pytest.raises(ValueError, match=f"minutes={minutes}: give a positive number"):
        within(Experiment("VAE"), minutes)


def test_a_short_experiment_is_trained_as_it_is_even_for_a_minute(tmp_path):
    how = Training(examples=32, batch_size=8)
    experiment = Experiment("VAE", {"capsules": 2, "width": 8}, SpritesData(length=4), how)
    assert within(experiment, 1.0) == experiment
    run = start_run("short", within(experiment, 1e-9), tmp_path, command="words")
    assert run.examples == 8  # a step at least
