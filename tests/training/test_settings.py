"""The settings of a training: their ranges, how they go together, the schedules they give."""

import inspect
import math
from dataclasses import MISSING, fields
from itertools import pairwise
from typing import Any

import pytest

from symgen._errors import nearest
from symgen.training import Training, fit
from symgen.training.settings import kl_weight, learning_rate_factor, require_kl_terms

# The settings


def test_fit_takes_every_setting_by_its_name_and_with_its_default() -> None:
    parameters = inspect.signature(fit).parameters
    taken = [name for name in parameters if name in {entry.name for entry in fields(Training)}]
    assert taken == [entry.name for entry in fields(Training)]
    for entry in fields(Training):
        parameter = parameters[entry.name]
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        if entry.default is MISSING or entry.name == "batch_size":  # a dictionary, or the data's
            assert parameter.default is None, entry.name
        else:
            assert parameter.default == entry.default, entry.name


def test_fit_says_what_each_of_its_arguments_does() -> None:
    told = inspect.getdoc(fit)
    assert told is not None
    for name in inspect.signature(fit).parameters:
        assert f"\n    {name}: " in told, name


@pytest.mark.parametrize("examples", [1, 31, 32, 33, 1000])
@pytest.mark.parametrize("batch_size", [1, 7, 32])
def test_steps_are_the_least_that_see_all_examples(examples: int, batch_size: int) -> None:
    steps = Training(examples=examples, batch_size=batch_size).steps
    assert (steps - 1) * batch_size < examples <= steps * batch_size


@pytest.mark.parametrize(
    "settings",
    [
        {"examples": 0},
        {"examples": -5},
        {"batch_size": 0},
        {"learning_rate": -1e-3},
        {"learning_rate": math.nan},
        {"learning_rate": math.inf},
        {"half_life": 0},
        {"decay": -0.1},
        {"decay": 1.0},
        {"clip_norm": 0.0},
        {"clip_norm": -1.0},
        {"warmup": -1},
        {"kl_warmup": -1},
        {"beta": -1.0},
        {"rolled": -0.5},
        {"rolled": 1.5},
        {"rolled": math.nan},
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
        ({"decay": 0.1}, "decay=0.1 with optimizer='Adam': give 'AdamW'"),
        (
            {"learning_rates": {"mu": -1.0}},
            r"learning_rates={'mu': -1\.0}: give by name a finite number of 0 or more",
        ),
        (
            {"learning_rates": {"a": 1.0, "pose": math.nan}},
            "learning_rates={'a': 1.0, 'pose': nan}: give",
        ),
        ({"kl_start": {"kl_z": 2.0}}, "kl_start={'kl_z': 2.0} with kl_warmup=0"),
        ({"kl_start": 0.05}, "kl_start=0.05 with kl_warmup=0"),
        ({"kl_start": -1.0, "kl_warmup": 8}, "kl_start=-1.0"),
        ({"kl_start": math.inf, "kl_warmup": 8}, "kl_start=inf"),
        ({"kl_start": {"nll": 2.0}, "kl_warmup": 8}, "kl_start={'nll': 2.0}"),
        ({"kl_start": {"kl_z": -1.0}, "kl_warmup": 8}, "kl_start={'kl_z': -1.0}"),
        (
            {"decay": 0.1, "optimizer": "AdamW", "optimizer_options": {"weight_decay": 0.1}},
            "decay=0.1 and weight_decay",
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


def test_names_are_listed_when_none_is_near() -> None:
    assert nearest("xyz", ["SGD", "Adam"]) == "choose one of Adam, SGD"
    assert nearest("ADAM", ["SGD", "Adam"]) == "did you mean Adam?"
    assert nearest("xyz", map(str, range(100, 115))).endswith("110, 111 and 3 more")


# Schedules


@pytest.mark.parametrize("warmup", [0, 1, 40, 95])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_learning_rate_rises_to_one_and_never_rises_again(warmup: int, schedule: Any) -> None:
    training = Training(examples=200, batch_size=10, warmup=warmup, schedule=schedule)
    factors = [learning_rate_factor(training, step) for step in range(training.steps + 1)]
    top = max(math.ceil(warmup / 10) - 1, 0)
    assert all(0 < factor <= 1 for factor in factors[:-1])
    assert factors[top] == max(factors) == 1.0
    rises = [b - a for a, b in pairwise(factors[: top + 1])]
    assert all(math.isclose(rise, 1 / math.ceil(warmup / 10)) for rise in rises)
    assert all(b <= a for a, b in pairwise(factors[top:]))
    assert math.isclose(factors[-1], 0.0 if schedule == "cosine" else 1.0, abs_tol=1e-12)


def test_cosine_is_symmetric_about_one_half() -> None:
    training = Training(examples=160, batch_size=10, warmup=40, schedule="cosine")
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
        assert kl_weight(training, step, "kl_z") == min(1.0, step * 10 / kl_warmup)
    assert kl_weight(Training(), 0, "kl_z") == 1.0


@pytest.mark.parametrize("beta", [1.0, 4.0])
@pytest.mark.parametrize(
    ("kl_start", "starts"),
    [
        (0.05, {"kl_z": 0.05, "kl_pose": 0.05}),
        (1.0, {"kl_z": 1.0, "kl_pose": 1.0}),
        ({}, {"kl_z": 0.0, "kl_pose": 0.0}),
        ({"kl_z": 20.0}, {"kl_z": 20.0, "kl_pose": 0.0}),
        ({"kl_z": 0.05, "kl_pose": 3.0}, {"kl_z": 0.05, "kl_pose": 3.0}),
    ],
)
def test_kl_weights_go_in_a_line_from_their_start_to_beta(
    kl_start: Any, starts: dict[str, float], beta: float
) -> None:
    training = Training(batch_size=10, kl_warmup=80, kl_start=kl_start, beta=beta)
    for name, start in starts.items():
        weights = [kl_weight(training, step, name) for step in range(12)]
        assert weights[0] == beta * start
        assert weights[8:] == [beta] * 4
        slopes = [b - a for a, b in pairwise(weights[:9])]
        assert slopes == pytest.approx([beta * (1 - start) / 8] * 8)
    for name in ("nll", "cross_entropy"):
        assert [kl_weight(training, step, name) for step in range(12)] == [1.0] * 12


@pytest.mark.parametrize(
    ("kl_start", "terms", "mend"),
    [
        ({"kl_z": 2.0, "kl_pos": 2.0}, ["nll", "kl_z", "kl_pose"], "'kl_pos': did you mean kl_po"),
        ({"kl_ab": 1.0}, ["nll", "kl_z"], "'kl_ab': did you mean kl_z"),
        ({"kl_z": 1.0}, ["nll"], "'kl_z': it has no KL terms"),
    ],
)
def test_a_start_of_a_term_that_the_loss_does_not_have_is_refused(
    kl_start: dict[str, float], terms: list[str], mend: str
) -> None:
    training = Training(kl_warmup=8, kl_start=kl_start)
    with pytest.raises(ValueError, match=f"{kl_start} but the loss has no {mend}"):
        require_kl_terms(training, terms)
    require_kl_terms(training, [*terms, *kl_start])
    require_kl_terms(Training(kl_warmup=8, kl_start=0.5), terms)
