"""What studies measure beyond the papers: forecasts, probes."""

from types import SimpleNamespace

import pytest
import torch

from symgen import TVAE, VAE
from symgen.data import Batches, MovingSprites
from symgen.experiments.studies.forecast import forecast
from symgen.experiments.studies.probes import _one_of_each_orbit, probes
from symgen.metrics import forecast_errors, roll_forecast
from symgen.training import Training

SIZE = {"capsules": 2, "units": 15, "frames": 15, "width": 4}
COUNT = 12


def run(model, items, **training):
    return SimpleNamespace(
        model=model.eval(),
        seed=0,
        budget=SimpleNamespace(items=items),
        experiment=SimpleNamespace(training=Training(examples=64, **training)),
    )


@pytest.fixture(scope="module")
def x():
    return Batches(MovingSprites("test"), COUNT, shuffle=False).batch(0).frames


@torch.no_grad()
def forecasts(model):
    return forecast(run(model, COUNT))


# --- forecasts ---------------------------------------------------------------------------------


def test_rolled_capsules_are_forecast_beside_what_learns_nothing(x):
    model = TVAE((1, 64, 64), **SIZE, window=8, causal=True, boundary="zero")
    found = forecasts(model)
    assert found["sequences"] == COUNT
    assert {*found["rows"]} == {"repeat last frame", "mean frame", "rolled"}
    repeated = x[:, 7:8].expand(-1, 7, -1, -1, -1)
    errors = forecast_errors(repeated, x[:, 8:]).squared_error.mean(0)
    assert found["rows"]["repeat last frame"]["squared_error"] == pytest.approx(errors.tolist())
    for errors in found["rows"].values():
        assert len(errors["squared_error"]) == len(errors["nll"]) == 7


def test_what_comes_round_again_is_forecast_without_an_error_after_a_cycle(x):
    """Orbits have 15 frames, so that the last seen frame is right again 15 frames later."""
    model = TVAE((1, 64, 64), **SIZE, window=8, causal=True, boundary="zero")
    found = forecasts(model)["length"]
    errors = found["repeat last frame"]["squared_error"]
    assert len(errors) == len(found["rolled"]["squared_error"]) == 32
    assert [step for step, error in enumerate(errors, start=1) if error == 0] == [15, 30]


@pytest.mark.parametrize(
    ("options", "training", "reach"),
    [({"ahead": 1}, {}, 1), ({}, {"rolled": 0.5}, 3), ({"frames": 15}, {"rolled": 0.5}, None)],
)
@torch.no_grad()
def test_what_was_trained_to_roll_by_less_reads_its_forecast_again(x, options, training, reach):
    sizes = SIZE | {"frames": 8} | options
    window = 5 if sizes["frames"] == 8 else 8
    model = TVAE((1, 64, 64), **sizes, window=window, causal=True, boundary="zero")
    found = forecast(run(model, COUNT, **training))
    for part in (found["rows"], found["length"]):
        assert ("autoregressive" in part) == (reach is not None)
    if reach:
        again = roll_forecast(model, x[:, :8], 7, autoregressive_every=reach)
        errors = forecast_errors(again, x[:, 8:]).squared_error.mean(0)
        assert found["rows"]["autoregressive"]["squared_error"] == pytest.approx(errors.tolist())


def test_codes_of_single_frames_are_carried_on_by_an_operator_and_by_a_net():
    torch.manual_seed(3)
    expected = torch.rand(1)
    model = VAE((1, 64, 64), **SIZE)
    torch.manual_seed(3)
    found = forecasts(model)
    assert {*found["rows"]} == {"repeat last frame", "mean frame", "linear operator", "GRU"}
    assert found["length"] is None and {*found["transfer"]} == {"linear operator"}
    assert torch.equal(torch.rand(1), expected)
    assert forecasts(model) == found


def test_the_operator_of_a_model_that_does_not_move_is_that_of_every_sequence(monkeypatch):
    model = TVAE((1, 64, 64), **SIZE, window=8, causal=True, boundary="zero")
    moving = torch.randn(1, 1, 2, 15)
    rolled = torch.cat([moving.roll(step, -1) for step in range(8)], 1)
    monkeypatch.setattr(model, "latents", lambda x: rolled.expand(len(x), -1, -1, -1))
    assert forecasts(model)["transfer"]["rolled"] == 1.0


# --- probes ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def probed():
    with torch.no_grad():
        return probes(run(TVAE((1, 64, 64), **SIZE, window=10), 40))


def test_probes_tell_the_shape_from_latents_lengths_and_pixels(probed):
    assert probed["frames"] > 100 and probed["frames"] % 2 == 0
    for codes in ("t", "pooled", "pixels"):
        assert list(probed[codes]) == ["10", "100", str(probed["frames"] // 2)]
        assert all(0 <= accuracy["mean"] <= 1 for accuracy in probed[codes].values())
        assert probed[codes][str(probed["frames"] // 2)]["std"] is None  # one draw of all
    assert probed["pixels"]["100"]["mean"] > probed["pooled"]["100"]["mean"]


def test_probes_find_the_factors_and_score_the_codes(probed):
    assert {*probed["phase_r2"]} == {"scale", "orientation", "posX", "posY"}
    assert all(value <= 1 for value in probed["phase_r2"].values())
    assert 0 <= probed["mig"] <= 1
    assert {*probed["dci"]} == {"disentanglement", "completeness", "informativeness"}


def test_no_two_sequences_of_the_probes_walk_the_same_orbit():
    batch = Batches(MovingSprites("test"), 300, seed=1).batch(0)
    kept = _one_of_each_orbit(batch.factors, batch.moved)
    frames = [
        frozenset(map(tuple, sequence.tolist())) | {("moves", int(moved))}
        for sequence, moved in zip(batch.factors[kept], batch.moved[kept], strict=True)
    ]
    assert len({*frames}) == len(frames) and 0 < len(frames) < 300
