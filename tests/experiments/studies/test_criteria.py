"""What a record decides about the claims of ACE's paper, and what it leaves open."""

import json
import math
import re

import pytest

from symgen.experiments.studies import criteria as module
from symgen.experiments.studies import study
from symgen.experiments.studies.criteria import Limit, criteria, judged
from symgen.experiments.studies.measures import MEASURES
from symgen.experiments.studies.values import at, formula, mean_and_std

LIMITS = [(name, text) for name, told in criteria().items() for text in told["limits"]]


def places(told):
    """The values that a formula is made of."""
    if isinstance(told, str):
        return [told]
    names = told if isinstance(told, list) else next(iter(told.values()))
    return [name.removeprefix("-") for name in names]


# --- as written --------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "text"), LIMITS)
def test_every_limit_is_read_as_it_is_written(name, text):
    limit = Limit.read(text)
    number = re.search(r" [<≤>≥] (\S+?)(,|$)", text).group(1)
    again = f"{limit.value} {limit.relation} {number}" + ", every seed" * limit.every
    assert again == text and limit.bound == float(number)


@pytest.mark.parametrize(("name", "text"), LIMITS)
def test_every_limit_is_on_a_value_that_is_computed(name, text):
    values = criteria()[name]["values"]
    assert Limit.read(text).value in values or "*" in values


@pytest.mark.parametrize("name", criteria())
def test_every_value_is_measured_by_a_line_of_the_study(name):
    lines = {line.preset: line for line in study("ace").lines(study("ace").budgets["laptop"])}
    for told in criteria()[name]["values"].values():
        for place in places(told):
            run, _, value = place.partition(": ")
            line = lines[run.partition("@")[0]]
            measure = value.partition(".")[0]
            assert measure in line.measures and measure in MEASURES
            assert (line.seeds == 1) == run.endswith("@0")  # of one run all seeds take the first


def test_thresholds_are_those_agreed_on():
    text = {name: told["limits"] for name, told in criteria().items()}
    assert list(text) == [f"E{number}" for number in range(1, 16)]
    bounds = {name: [Limit.read(limit)[1:] for limit in limits] for name, limits in text.items()}
    assert bounds["E4"] == [("≥", 50, False), (">", 0, True)]
    assert bounds["E5"] == [("≥", 80, False), ("≤", 420, False)]
    assert bounds["E10"] == [
        (r, b, False) for r, b in zip("≤≤≤<", (0.7, 0.8, 3.5, 0), strict=True)
    ]
    projected = {name for name, told in criteria().items() if told.get("projected")}
    assert projected == {"E1", "E2", "E6", "E8"}


@pytest.mark.parametrize("text", ["gain 50", "gain = 50", "≥ 50", "gain ≥ fifty", "gain ≥"])
def test_what_is_no_limit_is_refused(text):
    with pytest.raises(ValueError, match=r"no limit|could not convert"):
        Limit.read(text)


# --- decisions ---------------------------------------------------------------------------------


@pytest.fixture
def decide(monkeypatch):
    """Decide a criterion on what the seeds of a run have measured; None: there is no such run."""

    def decided(*limits, seeds=(1.0, 3.0), smoke=False, values=None, **told):
        values = values or {"value": "run: measure.value"}
        one = {"claim": "claim", "limits": list(limits), "values": values, **told}
        monkeypatch.setattr(module, "criteria", lambda: {"E0": one})
        entries = [
            {"preset": "run", "seed": seed, "measured": {"measure": {"value": value}}}
            for seed, value in enumerate(seeds)
            if value is not None
        ]
        (found,) = judged(entries, len(seeds), smoke)
        json.dumps(found, allow_nan=False)
        return found

    return decided


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [
        ("value ≥ 2", "passed"),
        ("value > 2", "failed"),
        ("value ≤ 2", "passed"),
        ("value < 2", "failed"),
        ("value ≥ 2, every seed", "failed"),
        ("value ≥ 1, every seed", "passed"),
        ("unheard of ≥ 1", "open"),
    ],
)
def test_a_limit_is_on_the_mean_or_on_every_seed(decide, limit, verdict):
    found = decide(limit)
    assert found["verdict"] == verdict
    assert found["passed"] == {"passed": True, "failed": False}.get(verdict)


def test_one_limit_that_fails_fails_the_criterion_even_if_another_is_not_measured(decide):
    assert decide("value > 9", "none > 0")["passed"] is False
    assert decide("value > 0", "none > 0")["verdict"] == "open"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_no_number_decides_nothing(decide, value):
    found = decide("value > 0", seeds=(1.0, value))
    assert found["verdict"] == "open" and found["passed"] is None
    assert found["values"]["value"]["seeds"] == [1.0, None]


def test_a_missing_seed_leaves_it_open_with_the_reason(decide):
    found = decide("value > 0", seeds=(1.0, None))
    assert found["verdict"] == "open" and found["passed"] is None
    assert "run-1 has no measure.value on record" in found["note"]
    assert found["values"]["value"]["seeds"] == [1.0, None]


def test_without_its_runs_it_is_not_run_and_never_passed(decide):
    found = decide("value > 0", seeds=(None, None))
    assert found["verdict"] == "not run" and found["passed"] is None
    assert found["values"] == {} and "run-0 has no measure.value" in found["note"]


def test_a_smoke_run_measures_and_claims_nothing(decide):
    for limit in ("value > 0", "value > 9"):
        found = decide(limit, smoke=True)
        assert found["verdict"] == "smoke" and found["passed"] is None
        assert found["limits"][0]["mean"] == 2.0
    assert decide("value > 0", smoke=True, seeds=(None,))["verdict"] == "not run"


def test_mean_and_deviation_are_over_seeds(decide):
    values = decide("value > 0")["values"]["value"]
    assert values == {"seeds": [1.0, 3.0], "mean": 2.0, "std": pytest.approx(math.sqrt(2))}


def test_a_failure_tells_what_was_tried(decide):
    assert "longer training" in decide("value > 9", tried="longer training")["note"]
    assert "longer training" not in decide("value > 0", tried="longer training")["note"]
    assert "nothing else" in decide("value > 9")["note"]


def test_a_run_of_one_seed_is_compared_with_every_seed_of_another(decide):
    values = {"more": ["run: measure.value", "-run@0: measure.value"]}
    found = decide("more ≥ 0, every seed", values=values)
    assert found["values"]["more"]["seeds"] == [0.0, 2.0] and found["verdict"] == "passed"


def test_an_asterisk_takes_all_that_a_measure_gave(decide):
    found = decide("value ≥ 1, every seed", values={"*": "run: measure"})
    assert found["values"]["value"]["mean"] == 2.0 and found["verdict"] == "passed"


# --- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "value"),
    [
        ("a", 1.0),
        (["a", "-b", "c"], 2.0),
        (["-a"], -1.0),
        ({"ratio": ["a", "b"]}, 0.25),
        ({"ratio": ["a", "b"], "times": 100}, 25.0),
        ({"sum": ["a", "b"], "times": 0.5}, 2.5),
        ({"least": ["b", "a", "c"]}, 1.0),
        ({"distance": ["a", "b"]}, 3.0),
        ({"distance": ["b", "a"]}, 3.0),
    ],
)
def test_a_formula_joins_values(told, value):
    known = {"a": 1.0, "b": 4.0, "c": 5.0}
    assert formula(told, known.get) == value
    for missing in {name.removeprefix("-") for name in places(told)}:
        assert formula(told, {**known, missing: None}.get) is None


def test_a_ratio_to_nothing_is_not_a_number():
    assert math.isnan(formula({"ratio": ["a", "b"]}, {"a": 1.0, "b": 0.0}.get))


def test_values_are_found_by_their_place():
    measured = {"a": {"b": [{"c": 1}, 2]}, "none": None}
    assert at(measured, "a.b.0.c") == 1 and at(measured, "a.b.1") == 2
    for place in ("a.b.7", "a.x.y", "none.x", "x"):
        assert at(measured, place) is None


def test_of_several_seeds_those_count_that_are_known():
    assert mean_and_std([1.0, None, 3.0]) == {"mean": 2.0, "std": pytest.approx(math.sqrt(2))}
    assert mean_and_std([1.0, None]) == {"mean": 1.0, "std": None}
    assert mean_and_std([]) == {"mean": None, "std": None}
