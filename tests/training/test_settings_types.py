"""Settings in the types of their annotations, or refused by name."""

import json
import math
import re
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import jaxtyping
import numpy as np
import pytest

from symgen._typed import Range, typed
from symgen.training import Training


@pytest.fixture(autouse=True)
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for users, whose calls nothing compares with the annotations."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 2.5),
        ("batch_size", True),
        ("batch_size", "32"),
        ("batch_size", [32]),
        ("examples", 10**30),
        ("warmup", 1e30),
        ("learning_rate", "1e-3"),
        ("learning_rate", True),
        ("learning_rate", [1e-3]),
        ("learning_rate", 10**400),
        ("clip_norm", math.nan),
        ("optimizer", None),
        ("optimizer_options", [0.9]),
        ("optimizer_options", {"fused": "yes"}),
        ("learning_rates", {"mu": True}),
        ("kl_start", "0.5"),
        ("schedule", "cosin"),
        ("precision", 16),
        ("log_every", 10**12),
        ("seed", 2**70),
        ("seed", 1e3),
    ],
)
def test_a_setting_of_another_type_is_refused_by_name(name: str, value: Any) -> None:
    given = repr(value)[:50]
    with pytest.raises(ValueError, match=f"^{name}={re.escape(given)}.*: (give|choose) ") as error:
        Training().changed({name: value})
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


@pytest.mark.parametrize("name", [entry.name for entry in fields(Training)])
def test_no_setting_is_of_any_type(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}=<object"):
        Training(**{name: object()})


def test_numbers_of_numpy_and_lists_of_json_become_what_is_asked_for() -> None:
    options = {"betas": [0.9, 0.99]}
    training = Training(examples=np.int64(64), beta=np.float32(2), optimizer_options=options)
    assert training.optimizer_options == {"betas": (0.9, 0.99)}
    read = Training().changed(json.loads(json.dumps(asdict(training))))
    assert read == training and type(read.examples) is type(training.examples) is int


@pytest.mark.parametrize(
    ("value", "kind", "told"),
    [
        (3, str, "a text"),
        ("yes", bool, "True or False"),
        (1.5, int | None, "a whole number or None"),
        ((1,), tuple[int, int], "(a whole number, a whole number)"),
        ((1, "2"), tuple[int, ...], "several, each a whole number"),
        (0, Annotated[float, Range(1)], "a finite number of 1 or more"),
        (3, Annotated[int, Range(-1, 2)], "a whole number from -1 to 2"),
        (3, Path | None, "a path or None"),
        ({1: 2}, dict[str, int], "by name a whole number"),
    ],
)
def test_the_mend_says_what_is_wanted(value: Any, kind: Any, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"option={value!r}: give {told}") + "$"):
        typed("option", value, kind)


def test_a_choice_is_listed_and_a_long_value_cut() -> None:
    with pytest.raises(ValueError, match=r"^option='c': choose a, b or None$"):
        typed("option", "c", Literal["a", "b"] | None)
    with pytest.raises(ValueError, match=r"^option=.{200}…: give a whole number$"):
        typed("option", 1000 * "x", int)
