import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from symgen.training.optimisation import (
    Training,
    kl_weight,
    learning_rate_factor,
    make_optimizer,
    nearest,
)


class Offset(nn.Module):
    """A linear layer with an offset mu, and a parameter that is not trained."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.mu = nn.Parameter(torch.tensor(-30.0))
        self.fixed = nn.Parameter(torch.ones(4), requires_grad=False)


@pytest.mark.parametrize("sequences", [1, 31, 32, 33, 1000])
@pytest.mark.parametrize("batch_size", [1, 7, 32])
def test_steps_are_the_least_that_see_all_sequences(sequences: int, batch_size: int) -> None:
    steps = Training(sequences=sequences, batch_size=batch_size).steps
    assert (steps - 1) * batch_size < sequences <= steps * batch_size


@pytest.mark.parametrize(
    "settings",
    [
        {"sequences": 0},
        {"sequences": -5},
        {"batch_size": 0},
        {"learning_rate": -1e-3},
        {"learning_rate": math.nan},
        {"learning_rate": math.inf},
        {"mu_learning_rate": -1.0},
        {"clip_norm": 0.0},
        {"clip_norm": -1.0},
        {"warmup": -1},
        {"kl_warmup": -1},
        {"checkpoint_every": -1.0},
        {"log_every": 0},
    ],
)
def test_numbers_out_of_range_are_named_with_their_value(settings: dict[str, Any]) -> None:
    ((name, value),) = settings.items()
    with pytest.raises(ValueError, match=f"^{name}={value!r}: give"):
        Training(**settings)


def test_unknown_settings_are_refused_with_near_names() -> None:
    with pytest.raises(ValueError, match=r"'learning_rat'.*learning_rate"):
        Training().changed({"learning_rat": 0.1})
    assert Training().changed({"seed": 3}) == Training(seed=3)


def test_nearest_lists_all_names_when_none_is_near() -> None:
    assert nearest("xyz", ["SGD", "Adam"]) == "choose one of Adam, SGD"
    assert nearest("ADAM", ["SGD", "Adam"]) == "did you mean Adam?"


@pytest.mark.parametrize("warmup", [0, 1, 40, 95])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_learning_rate_rises_to_one_and_never_rises_again(warmup: int, schedule: Any) -> None:
    training = Training(sequences=200, batch_size=10, warmup=warmup, schedule=schedule)
    factors = [learning_rate_factor(training, step) for step in range(training.steps + 1)]
    top = max(math.ceil(warmup / 10) - 1, 0)
    assert all(0 < factor <= 1 for factor in factors[:-1])
    assert factors[top] == max(factors) == 1.0
    rises = [b - a for a, b in pairwise(factors[: top + 1])]
    assert all(math.isclose(rise, 1 / math.ceil(warmup / 10)) for rise in rises)
    assert all(b <= a for a, b in pairwise(factors[top:]))
    assert math.isclose(factors[-1], 0.0 if schedule == "cosine" else 1.0, abs_tol=1e-12)


def test_cosine_is_symmetric_about_one_half() -> None:
    training = Training(sequences=160, batch_size=10, warmup=40, schedule="cosine")
    rest = [learning_rate_factor(training, step) for step in range(4, 17)]
    assert all(math.isclose(a + b, 1.0) for a, b in zip(rest, reversed(rest), strict=True))


@pytest.mark.parametrize("kl_warmup", [1, 45, 1000])
def test_kl_weight_is_the_part_of_its_warmup_that_has_been_seen(kl_warmup: int) -> None:
    training = Training(batch_size=10, kl_warmup=kl_warmup)
    for step in range(120):
        seen = 0
        for _ in range(step):
            seen += 10
        assert kl_weight(training, step) == min(1.0, seen / kl_warmup)
    assert kl_weight(Training(), 0) == 1.0


def test_mu_has_a_rate_of_its_own_and_fixed_parameters_are_left_out() -> None:
    model = Offset()
    training = Training(optimizer="SGD", learning_rate=0.5, mu_learning_rate=2.0)
    optimizer = make_optimizer(model, training)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    moved = {name: before[name] - parameter for name, parameter in model.named_parameters()}
    torch.testing.assert_close(moved["mu"], torch.tensor(2.0))
    torch.testing.assert_close(moved["layer.weight"], torch.full((2, 3), 0.5))
    assert not moved["fixed"].any()
    assert [group["initial_lr"] for group in optimizer.param_groups] == [0.5, 2.0]


def test_without_its_own_rate_mu_has_that_of_the_network() -> None:
    groups = make_optimizer(Offset(), Training(learning_rate=0.25)).param_groups
    assert [group["initial_lr"] for group in groups] == [0.25, 0.25]


@pytest.mark.parametrize(
    "name", ["Adam", "AdamW", "SGD", "RMSprop", "NAdam", "RAdam", "Adagrad", "Adamax", "Rprop"]
)
def test_every_optimiser_of_torch_lowers_a_parabola(name: str) -> None:
    model = nn.Linear(4, 1)
    optimizer = make_optimizer(model, Training(optimizer=name, learning_rate=0.01))
    losses = []
    for _ in range(30):
        loss = sum(parameter.square().sum() for parameter in model.parameters())
        assert isinstance(loss, torch.Tensor)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD"])
def test_the_fused_kernel_takes_the_step_of_the_plain_one(name: str) -> None:
    options: dict[str, Any] = {"momentum": 0.9} if name == "SGD" else {}
    ends = []
    for choice in ({}, {"foreach": False}):
        torch.manual_seed(1)
        model = nn.Linear(5, 3)
        training = Training(optimizer=name, learning_rate=0.05, optimizer_options=options | choice)
        optimizer = make_optimizer(model, training)
        assert bool(optimizer.defaults["fused"]) is (not choice)
        for _ in range(5):
            optimizer.zero_grad()
            model(torch.linspace(-1, 1, 10).view(2, 5)).square().sum().backward()
            optimizer.step()
        ends.append(model.weight.detach())
    torch.testing.assert_close(*ends)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "adam"}, "no optimiser 'adam': did you mean Adam"),
        ({"optimizer": "Optimizer"}, "no optimiser 'Optimizer'"),
        ({"optimizer": "LBFGS"}, "no optimiser 'LBFGS'"),
        ({"optimizer_options": {"momentun": 0.9}, "optimizer": "SGD"}, "did you mean momentum"),
        ({"optimizer_options": {"lr": 0.9}}, "give it as learning_rate"),
        ({"optimizer_options": {"betas": (2.0, 0.9)}}, r"Adam refuses .*2\.0"),
        ({"optimizer_options": {"nesterov": True}, "optimizer": "SGD"}, "SGD refuses"),
        ({"optimizer": "Muon"}, "Muon refuses"),
    ],
)
def test_what_torch_cannot_do_is_one_clear_error(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_optimizer(Offset(), Training(**settings))


def test_models_that_cannot_be_trained_as_asked_are_refused() -> None:
    with pytest.raises(ValueError, match="Linear trains no parameter mu"):
        make_optimizer(nn.Linear(2, 2), Training(mu_learning_rate=0.1))
    with pytest.raises(ValueError, match="no parameter that needs a gradient"):
        make_optimizer(nn.Linear(2, 2).requires_grad_(False), Training())
