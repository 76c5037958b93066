import math

import pytest
import torch

from symgen import TVAE, VAE
from symgen.data import Sequences, TransformingDigits, load
from symgen.experiments import evaluate
from symgen.metrics import entropy_floor, equivariance_error, log_likelihood

SIZE = {"image_shape": (3, 28, 28), "capsules": 3, "units": 18, "frames": 18}
MEAN = torch.full((3, 28, 28), 0.1)


@pytest.fixture(scope="module")
def digits():
    return TransformingDigits(load("digits", split="test").pixels)


def test_averages_weight_every_sequence_equally_whatever_the_batches(digits):
    model = VAE(**SIZE)
    data = Sequences(digits, 4, seed=3, shuffle=False)
    measured = evaluate(model, data, MEAN, sequences=10)
    frames = torch.cat([data.batch(step).frames for step in range(3)])[:10]
    assert measured["entropy_floor"] == pytest.approx(float(entropy_floor(frames).mean()), 1e-5)
    assert measured["sequences"] == 10


def test_the_same_seed_gives_the_same_numbers(digits):
    model = VAE(**SIZE)
    first, second = (
        evaluate(model, Sequences(digits, 10, seed=3, shuffle=False), MEAN, sequences=10)
        for _ in range(2)
    )
    assert first == second


def test_numbers_are_those_of_the_metrics(digits):
    model = TVAE(**SIZE, window=13)
    data = Sequences(digits, 8, seed=1, shuffle=False)
    measured = evaluate(model, data, MEAN, sequences=8, samples=4, seed=5)
    x = data.batch(0).frames
    torch.manual_seed(5)
    t = model.latents(model.encode(x))
    assert measured["e_eq"] == pytest.approx(equivariance_error(t).mean().item(), rel=1e-5)
    bound = torch.stack([log_likelihood(model, x, 4) for _ in range(20)]).mean()
    assert measured["log_p_bound"] == pytest.approx(float(bound), rel=0.05)
    assert measured["log_p_bound"] < measured["log_p_paper"]
    assert measured["elbo"] == pytest.approx(
        -(measured["nll"] + measured["kl_z"] + measured["kl_u"]), rel=1e-6
    )


def test_evaluation_leaves_the_generator_and_the_mode_alone(digits):
    model = TVAE(**SIZE, window=5)
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    evaluate(model, Sequences(digits, 4, shuffle=False), MEAN, sequences=4)
    assert torch.equal(torch.rand(1), expected) and model.training


def test_an_untrained_full_window_looks_perfect_to_capcorr_and_predicts_nothing(digits):
    """The trap of the printed metrics: t is mostly 1/√v, which rolls by construction."""
    model = TVAE(**SIZE | {"capsules": 18}, window=18, neighbourhood=3)
    measured = evaluate(model, Sequences(digits, 40, shuffle=False), MEAN, sequences=40)
    assert all(values["value"] > 0.99 for values in measured["capcorr"].values())
    assert measured["e_eq_percent_of_chance"] < 10
    assert measured["e_eq_centred_percent_of_chance"] > 30
    assert measured["roll_prediction"]["outside"]["nll"] is None
    inside = measured["roll_prediction"]["inside"]
    assert inside["squared_error"] > inside["mean_squared_error"]


def test_a_vae_scores_chance(digits):
    model = VAE(**SIZE | {"capsules": 18})
    measured = evaluate(model, Sequences(digits, 60, shuffle=False), MEAN, sequences=300)
    assert measured["e_eq_percent_of_chance"] == pytest.approx(100, abs=2)
    for values in measured["capcorr"].values():
        assert abs(values["value"] - values["chance"]) < 0.35
        assert not math.isnan(values["value"])


def test_combined_factors_have_no_capcorr(digits):
    combined = TransformingDigits(digits.pixels, "rotation+hue")
    measured = evaluate(
        VAE(**SIZE), Sequences(combined, 8, shuffle=False), MEAN, sequences=8, samples=1
    )
    assert measured["capcorr"] == {}


def test_too_many_sequences_are_refused(digits):
    with pytest.raises(ValueError, match="sequences=100000"):
        evaluate(VAE(**SIZE), Sequences(digits, 8, shuffle=False), MEAN, sequences=100_000)
