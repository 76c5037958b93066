import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from symgen.training.lazy_adam import LazyAdam
from symgen.training.optimisation import (
    Training,
    kl_weight,
    learning_rate_factor,
    make_optimizer,
    nearest,
    set_rates,
)


class Offset(nn.Module):
    """A linear layer with an offset mu, and a parameter that is not trained."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.mu = nn.Parameter(torch.tensor(-30.0))
        self.fixed = nn.Parameter(torch.ones(4), requires_grad=False)


class Posed(nn.Module):
    """A net with a pose net; not every name that begins with pose belongs to it."""

    def __init__(self) -> None:
        super().__init__()
        self.pose = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
        self.posed = nn.Linear(2, 2)


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
        {"pose_learning_rate": -1.0},
        {"pose_warmup": -1},
        {"half_life": 0},
        {"decay": -0.1},
        {"decay": 1.0},
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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "half-life"}, "schedule='half-life' with half_life=None"),
        ({"schedule": "cosine", "half_life": 10}, "schedule='cosine' with half_life=10"),
        ({"decay": 0.1}, "decay=0.1 with optimizer='Adam': it needs 'AdamW'"),
        ({"kl_start": {"kl_z": 2.0}}, "kl_start={'kl_z': 2.0} with kl_warmup=0"),
        ({"kl_start": {"nll": 2.0}, "kl_warmup": 8}, "kl_start={'nll': 2.0}"),
        ({"kl_start": {"kl_z": -1.0}, "kl_warmup": 8}, "kl_start={'kl_z': -1.0}"),
        ({"sparse": True, "optimizer": "SGD"}, "sparse=True with optimizer='SGD'"),
        (
            {"decay": 0.1, "optimizer": "AdamW", "optimizer_options": {"weight_decay": 0.1}},
            "decay=0.1 beside weight_decay",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_named(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
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


@pytest.mark.parametrize("warmup", [0, 40])
def test_the_learning_rate_halves_over_every_half_life(warmup: int) -> None:
    training = Training(batch_size=10, warmup=warmup, schedule="half-life", half_life=70)
    factors = [learning_rate_factor(training, step) for step in range(warmup // 10, 40)]
    assert factors[0] == 1.0
    for now, later in zip(factors, factors[7:], strict=False):
        assert math.isclose(later, now / 2)
    ratios = [b / a for a, b in pairwise(factors)]
    assert all(math.isclose(ratio, ratios[0]) for ratio in ratios)  # smoothly


@pytest.mark.parametrize("kl_warmup", [1, 45, 1000])
def test_kl_weight_is_the_part_of_its_warmup_that_has_been_seen(kl_warmup: int) -> None:
    training = Training(batch_size=10, kl_warmup=kl_warmup)
    for step in range(120):
        seen = 0
        for _ in range(step):
            seen += 10
        assert kl_weight(training, step, "kl_z") == min(1.0, seen / kl_warmup)
    assert kl_weight(Training(), 0, "kl_z") == 1.0


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


@pytest.mark.parametrize(("rate", "full"), [(None, 0.5), (2.0, 2.0), (0.0, 0.0)])
def test_the_pose_net_has_a_rate_of_its_own_a_tenth_of_it_at_first(
    rate: float | None, full: float
) -> None:
    training = Training(
        batch_size=10,
        learning_rate=0.5,
        pose_learning_rate=rate,
        pose_warmup=25,
        schedule="half-life",
        half_life=10,
    )
    model = Posed()
    optimizer = make_optimizer(model, training)
    network, pose = optimizer.param_groups
    assert set(network["params"]) == set(model.posed.parameters())
    assert set(pose["params"]) == set(model.pose.parameters())
    for step in range(5):
        assert set_rates(optimizer, training, step, 100) == 0.5**step * 0.5
        assert network["lr"] == 0.5**step * 0.5
        assert pose["lr"] == pytest.approx(0.5**step * full * (0.1 if step < 3 else 1))


@pytest.mark.parametrize("learning_rate", [0.0, 1e-3, 0.7])
def test_the_decay_of_a_step_depends_on_no_rate(learning_rate: float) -> None:
    training = Training(
        batch_size=10,
        optimizer="AdamW",
        learning_rate=learning_rate,
        pose_learning_rate=0.2,
        pose_warmup=20,
        warmup=30,
        schedule="half-life",
        half_life=1,  # after 110 steps the factor is 0.0
        decay=0.3,
    )
    optimizer = make_optimizer(Posed(), training)
    for step in range(0, 120, 7):
        set_rates(optimizer, training, step, 60)
        for group in optimizer.param_groups:
            assert group["lr"] * group["weight_decay"] == pytest.approx(0.05)


def test_without_decay_that_of_the_optimiser_stays() -> None:
    training = Training(optimizer="AdamW", optimizer_options={"weight_decay": 0.25})
    optimizer = make_optimizer(Posed(), training)
    set_rates(optimizer, training, 3, 60)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.25, 0.25]


# Lazy Adam


def make_rows(dtype: torch.dtype, device: torch.device) -> list[nn.Parameter]:
    """Two parameters with rows for five classes, and one without."""
    shapes = ((5, 3, 4), (5,), (5, 2))
    rows = [nn.Parameter(torch.randn(shape, dtype=dtype, device=device)) for shape in shapes]
    for parameter in rows[:2]:
        parameter.per_class = True  # pyright: ignore[reportAttributeAccessIssue]
    return rows


def draw_gradients(parameters: list[nn.Parameter]) -> None:
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)


@pytest.mark.parametrize("fused", [None, True])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_with_every_class_present_lazy_adam_is_adam(
    dtype: torch.dtype, device: torch.device, fused: bool | None, decay: float
) -> None:
    kind = torch.optim.AdamW if decay else torch.optim.Adam
    lazy = make_rows(dtype, device)
    plain = [nn.Parameter(parameter.detach().clone()) for parameter in lazy]
    settings: dict[str, Any] = {"lr": 0.1, "betas": (0.8, 0.95), "weight_decay": decay}
    optimizer, reference = LazyAdam(lazy, **settings, fused=fused), kind(plain, **settings)
    for _ in range(10):
        draw_gradients(lazy)
        for a, b in zip(lazy, plain, strict=True):
            b.grad = a.grad
        optimizer.step(present=torch.arange(5))
        reference.step()
    torch.testing.assert_close(lazy, plain)


def draw_present() -> Tensor:
    """Some of the five classes: the first never, the last always."""
    return (torch.rand(5) < torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0])).nonzero().flatten()


def test_weights_and_moments_of_absent_classes_are_not_touched(
    dtype: torch.dtype, device: torch.device
) -> None:
    parameters = make_rows(dtype, device)
    optimizer = LazyAdam(parameters, lr=0.1, weight_decay=0.1, fused=True)
    draw_gradients(parameters)
    optimizer.step(present=torch.arange(5))
    for _ in range(10):
        present = draw_present()
        absent = [c for c in range(5) if c not in present]
        tensors = [
            tensor
            for parameter in parameters[:2]
            for tensor in (parameter, *optimizer.state[parameter].values())
        ]
        before = [tensor.detach().clone() for tensor in tensors]
        draw_gradients(parameters)
        optimizer.step(present=present)
        for old, new in zip(before, tensors, strict=True):
            assert torch.equal(old[absent], new[absent])
            assert bool((old[present] != new[present]).all())


def test_every_row_lives_as_if_it_were_alone_in_the_batches_that_hold_its_class(
    dtype: torch.dtype, device: torch.device
) -> None:
    settings: dict[str, Any] = {"lr": 0.1, "weight_decay": 0.1}
    parameters = make_rows(dtype, device)
    first, second, shared = parameters
    optimizer = LazyAdam(parameters, **settings, fused=True)
    # A class of None stands for the parameter that all classes share.
    owners = [(p, c) for p in (first, second) for c in range(5)] + [(shared, None)]
    alone = [
        nn.Parameter(p.detach().clone() if c is None else p[c].detach().clone()) for p, c in owners
    ]
    references = [torch.optim.AdamW([row], **settings) for row in alone]
    for _ in range(30):
        present = draw_present()
        draw_gradients(parameters)
        optimizer.step(present=present)
        for (parameter, c), row, reference in zip(owners, alone, references, strict=True):
            gradient = parameter.grad
            assert gradient is not None
            if c is None or c in present:
                row.grad = gradient if c is None else gradient[c]
                reference.step()
    for (parameter, c), row in zip(owners, alone, strict=True):
        torch.testing.assert_close(parameter if c is None else parameter[c], row)


def test_a_parameter_without_a_gradient_rests() -> None:
    first, *rest = make_rows(torch.float32, torch.device("cpu"))
    before = first.detach().clone()
    optimizer = LazyAdam([{"params": [first]}, {"params": rest}])
    draw_gradients(rest)
    optimizer.step(present=torch.arange(5))
    assert torch.equal(first, before)
    assert not optimizer.state[first]


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
        (
            {"sparse": True, "optimizer": "AdamW", "optimizer_options": {"amsgrad": True}},
            "LazyAdam knows no 'amsgrad': choose one of betas, eps, fused, weight_decay",
        ),
        ({"sparse": True, "optimizer": "AdamW"}, "sparse=True but Offset .* leave it False"),
        ({"pose_learning_rate": 0.0}, r"pose_learning_rate=0\.0 but Offset .*: leave it None"),
        ({"pose_warmup": 8}, "pose_warmup=8 but Offset trains no pose: leave it 0"),
    ],
)
def test_what_torch_cannot_do_is_one_clear_error(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_optimizer(Offset(), Training(**settings))


def test_models_that_cannot_be_trained_as_asked_are_refused() -> None:
    with pytest.raises(ValueError, match="Linear trains no mu"):
        make_optimizer(nn.Linear(2, 2), Training(mu_learning_rate=0.1))
    with pytest.raises(ValueError, match="no parameter that needs a gradient"):
        make_optimizer(nn.Linear(2, 2).requires_grad_(False), Training())
