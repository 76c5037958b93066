"""Forecasts: rolls, operators, errors."""

import math

import jaxtyping
import pytest
import torch

from symgen import TVAE
from symgen.likelihoods import Gaussian
from symgen.metrics import GRUForecast, forecast_errors, linear_forecast, roll_forecast


def causal(data_shape=(1, 8, 8), **options):
    sizes = {"capsules": 2, "units": 6, "frames": 6, "window": 3, "width": 16}
    return TVAE(data_shape, **sizes, causal=True, boundary="zero", **options)


@pytest.fixture
def model():
    return causal()


def images(*shape):
    return torch.rand(*shape, 1, 8, 8)


@pytest.mark.parametrize("data_shape", [(1, 8, 8), (7,), (2, 3, 4, 5)])
def test_a_roll_forecast_is_the_rolled_last_frame_decoded(data_shape):
    model = causal(data_shape, likelihood="gaussian")
    x = torch.randn(4, 5, *data_shape)
    t = model.latents(x)[:, -1]
    forecast = roll_forecast(model, x, horizon=8)
    for step in range(1, 9):
        expected = model.decode(t.roll(step, -1)).mean
        torch.testing.assert_close(forecast[:, step - 1], expected)


def test_a_roll_forecast_takes_the_operator_of_each_sequence(model):
    x, elements = images(3, 5), torch.tensor([2, 0, -1])
    forecast = roll_forecast(model, x, 4, elements)
    t = model.latents(x)[:, -1]
    for row, element in enumerate(elements.tolist()):
        for step in range(1, 5):
            expected = model.decode(t[row].roll(element * step, -1)).mean
            torch.testing.assert_close(forecast[row, step - 1], expected)


def test_a_forecast_that_is_read_again_goes_on_from_there(model):
    x, elements = images(3, 5), torch.tensor([2, 0, -1])
    forecast = roll_forecast(model, x, 5, elements, autoregressive_every=2)
    for begin, steps in ((0, 2), (2, 2), (4, 1)):
        known = torch.cat([x, forecast[:, :begin]], 1)[:, -5:]
        expected = roll_forecast(model, known, steps, elements)
        torch.testing.assert_close(forecast[:, begin : begin + steps], expected)
    assert not torch.allclose(forecast, roll_forecast(model, x, 5, elements))
    whole = roll_forecast(model, x, 5, autoregressive_every=5)
    torch.testing.assert_close(whole, roll_forecast(model, x, 5))


def test_a_forecast_depends_on_nothing_that_is_not_given(model):
    x = images(2, 9)
    forecast = roll_forecast(model, x[:, :5], horizon=4)
    x[:, 5:] = 0
    torch.testing.assert_close(roll_forecast(model, x[:, :5], horizon=4), forecast)
    x[:, 4] = 0
    assert not torch.allclose(roll_forecast(model, x[:, :5], horizon=4), forecast)


@pytest.mark.parametrize("length", [6, 3, 2, 1])
@pytest.mark.parametrize("window", [3, 4, 6])
def test_where_windows_have_two_sides_a_frame_is_rolled_that_has_seen_both(window, length):
    model = TVAE(
        (1, 8, 8), capsules=2, units=6, frames=6, window=window, boundary="zero", width=16
    )
    x = images(2, 6)
    frame = max(length - 1 - window // 2, (length - 1) // 2)  # of a short context the middle
    t = model.latents(x[:, :length])[:, frame]
    forecast = roll_forecast(model, x[:, :length], 4)
    for step in range(1, 5):
        expected = model.decode(t.roll(length - 1 - frame + step, -1)).mean
        torch.testing.assert_close(forecast[:, step - 1], expected)
    if frame == length - 1 - window // 2:  # whatever comes after the context, t is the same
        torch.testing.assert_close(model.latents(x)[:, frame], t)


def test_in_cyclic_time_the_first_frames_follow_the_last():
    model = TVAE((1, 8, 8), capsules=2, units=6, frames=6, window=3, width=16)
    x = images(2, 6)
    expected = model.decode(model.latents(x)[:, 4].roll(1, -1)).mean  # frame 5
    torch.testing.assert_close(roll_forecast(model, x, 6)[:, 5], expected)
    with pytest.raises(ValueError, match="6"):
        roll_forecast(model, x[:, :5], 2)


@pytest.mark.parametrize("dimensions", [3, 40], ids=["more frames", "more dimensions"])
def test_the_operator_is_the_ridge_solution(dimensions):
    codes = torch.randn(2, 9, dimensions, dtype=torch.float64)
    forecast = linear_forecast(codes, horizon=3, ridge=0.1)
    for sequence, ahead in zip(codes, forecast, strict=True):
        before, after = sequence[:-1], sequence[1:]
        loading = 0.1 * (before @ before.T).diagonal().mean()
        eye = torch.eye(dimensions, dtype=torch.float64)
        operator = after.T @ before @ torch.linalg.inv(before.T @ before + loading * eye)
        code = sequence[-1]
        for step in range(3):
            code = operator @ code
            torch.testing.assert_close(ahead[step], code)


def test_operators_of_the_same_motion_transfer_and_others_do_not():
    turn = torch.linalg.qr(torch.randn(2, 4, 4, dtype=torch.float64)).Q

    def orbits(operator):
        points = [torch.randn(5, 4, dtype=torch.float64)]
        for _ in range(9):
            points.append(points[-1] @ operator.T)
        return torch.stack(points, 1)

    first, second, other = orbits(turn[0]), orbits(turn[0]), orbits(turn[1])
    transferred = linear_forecast(first[:, :7], 3, ridge=1e-9, others=second[:, :7])
    torch.testing.assert_close(transferred, first[:, 7:], atol=1e-4, rtol=1e-4)
    wrong = linear_forecast(first[:, :7], 3, ridge=1e-9, others=other[:, :7])
    assert (wrong - first[:, 7:]).abs().max() > 0.1


def test_errors_are_those_of_bernoulli_pixels():
    predicted, true = torch.rand(2, 3, 1, 2, 2), torch.rand(2, 3, 1, 2, 2).round()
    predicted[0, 0] = true[0, 0]
    errors = forecast_errors(predicted, true)
    assert errors.squared_error[0, 0] == 0
    assert errors.nll[0, 0] == pytest.approx(-4 * torch.tensor(0.999).log().item(), rel=1e-4)
    held = torch.distributions.Bernoulli(probs=predicted.clamp(1e-3, 0.999))
    torch.testing.assert_close(errors.nll, -held.log_prob(true).sum((-3, -2, -1)))


def test_errors_are_those_of_a_likelihood_by_name_or_value():
    predicted, true = torch.randn(2, 3, 5), torch.randn(2, 3, 5)
    known = forecast_errors(predicted, true, Gaussian(scale=0.5))
    squared = (predicted - true).square().sum(-1)
    torch.testing.assert_close(known.squared_error, squared)
    torch.testing.assert_close(known.nll, 2 * squared + 5 * math.log(0.5 * math.sqrt(2 * math.pi)))
    # No scale was learned: each frame's best one.
    best = 5 * (squared / 5).log() / 2 + 5 * (math.log(2 * math.pi) + 1) / 2
    torch.testing.assert_close(forecast_errors(predicted, true, "gaussian").nll, best)
    counts = torch.ones(1, 1, 1, 2, 2, 2)
    assert forecast_errors(counts, counts, "poisson").nll.item() == pytest.approx(8)


# --- a net that forecasts codes -----------------------------------------------------------------


def circles(count, frames=12):
    """Codes that turn by half a radian a frame, from anywhere on a circle."""
    angle = 0.5 * torch.arange(frames) + 2 * torch.pi * torch.rand(count, 1)
    return torch.stack([angle.cos(), angle.sin()], -1)


def test_a_net_learns_to_carry_on_a_turn():
    gru = GRUForecast(2, hidden=16)
    gru.fit((circles(16) for _ in range(80)), context=8, rate=2e-2)
    test = circles(50)
    predicted = gru(test[:, :8], horizon=4)
    assert predicted.shape == (50, 11, 2) and not predicted.requires_grad
    error = (predicted[:, 7:] - test[:, 8:]).square().sum(-1).mean()
    repeated = (test[:, 7:8] - test[:, 8:]).square().sum(-1).mean()
    assert error < 0.02 * repeated
    longer = gru(test[:, :8], horizon=20)
    torch.testing.assert_close(longer[:, :11], predicted)  # the context first, then the forecast


def test_a_net_is_drawn_by_its_seed_alone():
    state = torch.get_rng_state()
    one, same, other = (GRUForecast(2, hidden=4, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(one.readout.weight, same.readout.weight)
    assert not torch.equal(one.readout.weight, other.readout.weight)


# --- errors -------------------------------------------------------------------------------------


def test_frames_of_another_shape_are_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=r"predicted \(2, 3, 4\), true \(2, 3, 5\)"):
        forecast_errors(torch.rand(2, 3, 4), torch.rand(2, 3, 5))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: roll_forecast(m, images(1, 3), 0), "horizon=0"),
        (lambda m: roll_forecast(m, images(1, 0), 2), "give one frame at least"),
        (
            lambda m: roll_forecast(m, images(1, 3), 2, autoregressive_every=0),
            "autoregressive_every=0",
        ),
        (lambda m: linear_forecast(torch.randn(1, 1, 3), 2), r"\(1, 1, 3\).*two frames"),
        (lambda m: linear_forecast(torch.randn(1, 4, 3), 0), "horizon=0"),
        (lambda m: linear_forecast(torch.randn(1, 4, 3), 1, ridge=0.0), r"ridge=0\.0"),
    ],
)
def test_what_cannot_be_forecast_is_refused(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model)
