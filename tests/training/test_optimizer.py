"""The optimiser of a training: the rates of its parts, its decay, what it refuses."""

from typing import Any

import pytest
import torch
from torch import nn

from symgen.training import Training
from symgen.training.optimizer import make_optimizer, set_rates


class Net(nn.Module):
    """A net of parts, one a lone number, one fixed; not every name like pose belongs to pose."""

    def __init__(self) -> None:
        super().__init__()
        self.pose = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
        self.posed = nn.Linear(2, 2)
        self.rest = nn.Linear(2, 2)
        self.mu = nn.Parameter(torch.tensor(-30.0))
        self.fixed = nn.Parameter(torch.ones(4), requires_grad=False)


RATES = [
    {},
    {"mu": 2.0},
    {"pose": 2.0},
    {"pose": 0.0, "mu": 3.0},
    {"mu": 3.0, "pose": 0.0, "rest": 4.0},
    {"posed": 0.25},
]


# Rates of parts


@pytest.mark.parametrize("rates", RATES)
def test_every_part_moves_at_its_rate_and_what_is_fixed_does_not(rates: dict[str, float]) -> None:
    model = Net()
    training = Training(optimizer="SGD", learning_rate=0.5, learning_rates=rates)
    optimizer = make_optimizer(model, training)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    for name, parameter in model.named_parameters():
        rate = 0.0 if name == "fixed" else rates.get(name.split(".")[0], 0.5)
        moved = before[name] - parameter
        torch.testing.assert_close(moved, torch.full_like(moved, rate), msg=name)


@pytest.mark.parametrize("rates", RATES)
def test_the_schedule_scales_the_rates_of_all_parts(rates: dict[str, float]) -> None:
    training = Training(
        batch_size=10,
        learning_rate=0.5,
        learning_rates=rates,
        warmup=20,
        schedule="half-life",
        half_life=10,
    )
    optimizer = make_optimizer(Net(), training)
    for step, factor in enumerate((0.5, 1, 1, 0.5, 0.25)):
        assert set_rates(optimizer, training, step, 100) == factor * 0.5
        for group in optimizer.param_groups:
            assert group["lr"] == factor * rates.get(group["part"], 0.5)


def test_the_order_in_which_rates_are_given_changes_nothing() -> None:
    """So that a state fits to a resumed run, whose rates come from a file."""
    rates = {"pose": 0.5, "mu": 3.0, "posed": 2.0}
    one, other = ({name: rates[name] for name in order} for order in (rates, sorted(rates)))
    model = Net()
    groups = [
        make_optimizer(model, Training(learning_rates=given)).param_groups
        for given in (one, other)
    ]
    for a, b in zip(*groups, strict=True):
        assert a["part"] == b["part"]
        assert all(p is q for p, q in zip(a["params"], b["params"], strict=True))


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("mw", "but Net trains no 'mw': did you mean mu"),
        ("Pose", "but Net trains no 'Pose': did you mean pose"),
        ("pose.0", "but Net trains no 'pose.0': did you mean pose"),
        ("fixed", "but Net trains no 'fixed': choose one of mu, pose, posed, rest"),
        ("", "but Net trains no '': choose one of mu, pose, posed, rest"),
    ],
)
def test_the_rate_of_a_part_that_is_not_trained_is_refused_with_near_names(
    part: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        make_optimizer(Net(), Training(learning_rates={"mu": 0.5, part: 0.1}))
    assert repr({"mu": 0.5, part: 0.1}) in str(caught.value)


# Decay


@pytest.mark.parametrize("learning_rate", [0.0, 1e-3, 0.7])
def test_the_decay_of_a_step_depends_on_no_rate(learning_rate: float) -> None:
    training = Training(
        batch_size=10,
        optimizer="AdamW",
        learning_rate=learning_rate,
        learning_rates={"pose": 0.2, "mu": 0.0},
        warmup=30,
        schedule="half-life",
        half_life=1,  # after 110 steps the factor is 0.0
        decay=0.3,
    )
    optimizer = make_optimizer(Net(), training)
    for step in range(0, 120, 7):
        set_rates(optimizer, training, step, 60)
        for group in optimizer.param_groups:
            assert group["lr"] * group["weight_decay"] == pytest.approx(0.05)


def test_without_decay_that_of_the_optimiser_stays() -> None:
    training = Training(
        optimizer="AdamW",
        optimizer_options={"weight_decay": 0.25},
        learning_rates={"pose": 0.2},
    )
    optimizer = make_optimizer(Net(), training)
    set_rates(optimizer, training, 3, 60)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.25, 0.25]


# Optimisers of torch


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
        make_optimizer(Net(), Training(**settings))


def test_a_model_without_anything_to_train_is_refused() -> None:
    with pytest.raises(ValueError, match="Linear has no parameter that needs a gradient"):
        make_optimizer(nn.Linear(2, 2).requires_grad_(False), Training())
    with pytest.raises(ValueError, match="Linear has no parameter that needs a gradient"):
        make_optimizer(nn.Linear(2, 2).requires_grad_(False), Training(learning_rates={"a": 1.0}))
