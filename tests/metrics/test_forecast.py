"""Forecasts: rolls, operators, errors."""

import pytest
import torch

from symgen import TVAE
from symgen.metrics import forecast_errors, linear_forecast, roll_forecast


@pytest.fixture
def model():
    torch.manual_seed(0)
    return TVAE(
        image_shape=(1, 8, 8),
        capsules=2,
        units=6,
        frames=6,
        window=3,
        causal=True,
        boundary="zero",
    )


def images(*shape):
    return torch.rand(*shape, 1, 8, 8)


def test_a_roll_forecast_is_the_rolled_last_frame_decoded(model):
    x = images(4, 5)
    t = model.latents(model.encode(x), sampled=False)[:, -1]
    forecast = roll_forecast(model, x, horizon=8)
    for step in range(1, 9):
        expected = model.decode(t.roll(step, -1)).mean
        torch.testing.assert_close(forecast[:, step - 1], expected)


def test_a_roll_forecast_takes_the_operator_of_each_sequence(model):
    x, elements = images(3, 5), torch.tensor([2, 0, -1])
    forecast = roll_forecast(model, x, 4, elements)
    t = model.latents(model.encode(x), sampled=False)[:, -1]
    for row, element in enumerate(elements.tolist()):
        for step in range(1, 5):
            expected = model.decode(t[row].roll(element * step, -1)).mean
            torch.testing.assert_close(forecast[row, step - 1], expected)


def test_a_forecast_depends_on_nothing_that_is_not_given(model):
    x = images(2, 9)
    forecast = roll_forecast(model, x[:, :5], horizon=4)
    x[:, 5:] = 0
    torch.testing.assert_close(roll_forecast(model, x[:, :5], horizon=4), forecast)
    x[:, 4] = 0
    assert not torch.allclose(roll_forecast(model, x[:, :5], horizon=4), forecast)


def test_a_model_that_sees_the_future_is_refused():
    model = TVAE(image_shape=(1, 8, 8), capsules=2, units=6, frames=6, window=3)
    with pytest.raises(ValueError, match="sees the future"):
        roll_forecast(model, torch.rand(1, 6, 1, 8, 8), 2)


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


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: roll_forecast(m, images(1, 3), 0), "horizon=0"),
        (lambda m: linear_forecast(torch.randn(1, 1, 3), 2), r"\(1, 1, 3\).*two frames"),
        (lambda m: linear_forecast(torch.randn(1, 4, 3), 0), "horizon=0"),
        (lambda m: linear_forecast(torch.randn(1, 4, 3), 1, ridge=0.0), r"ridge=0\.0"),
    ],
)
def test_what_cannot_be_forecast_is_refused(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model)
