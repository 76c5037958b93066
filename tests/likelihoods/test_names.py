"""Likelihoods by name, with their options, and names that are none."""

from typing import get_args

import jaxtyping
import pytest

from symgen.likelihoods import (
    Bernoulli,
    ContinuousBernoulli,
    DiscretisedLogistic,
    Gaussian,
    LikelihoodName,
    Poisson,
    make_likelihood,
)

NAMED = {
    "bernoulli": Bernoulli(),
    "continuous-bernoulli": ContinuousBernoulli(),
    "gaussian": Gaussian("one"),
    "poisson": Poisson(),
    "discretised-logistic": DiscretisedLogistic("value"),
}


def test_every_name_makes_its_likelihood_with_its_own_defaults():
    assert {name: make_likelihood(name) for name in get_args(LikelihoodName)} == NAMED


@pytest.mark.parametrize("scale", [0.2, "one", "channel", "value"])
def test_options_are_passed_on(scale):
    assert make_likelihood("gaussian", scale) == Gaussian(scale)
    assert make_likelihood("discretised-logistic", scale) == DiscretisedLogistic(scale)
    assert make_likelihood("bernoulli", clamp=True) == Bernoulli(clamped=True)


def test_a_likelihood_is_left_as_it_is():
    mine = Gaussian(0.3)
    assert make_likelihood(mine) is mine


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("gausian", "did you mean gaussian?"),
        ("Bernoulli", "did you mean bernoulli, continuous-bernoulli?"),
        ("discretized-logistic", "did you mean discretised-logistic?"),
        ("cauchy", "choose one of bernoulli, continuous-bernoulli, discretised-logistic, gauss"),
        (Gaussian, "choose one of"),  # the class instead of a value of it
    ],
)
def test_an_unknown_name_is_answered_by_the_nearest(name, hint, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError) as error:
        make_likelihood(name)
    assert str(error.value).startswith(f"unknown likelihood {name!r}: ")
    assert hint in str(error.value)


@pytest.mark.parametrize(
    ("likelihood", "options", "message"),
    [
        ("bernoulli", {"scale": 0.1}, "likelihood_scale=0.1.* a scale is for 'gaussian'"),
        ("poisson", {"scale": "one"}, "likelihood='poisson' with likelihood_scale=one"),
        ("gaussian", {"clamp": True}, "clamp_logits=True: .* clamped logits for 'bernoulli'"),
        ("continuous-bernoulli", {"clamp": True}, "clamped logits for 'bernoulli'"),
        (
            Gaussian(0.1),
            {"scale": 0.2},
            r"Gaussian\(scale=0.1\) with likelihood_scale=0.2.*itself",
        ),
        (Bernoulli(), {"clamp": True}, "give these to the likelihood itself"),
        ("gaussian", {"scale": -1.0}, "scale=-1.0: give a positive number"),
    ],
)
def test_options_that_a_likelihood_does_not_have_are_refused(likelihood, options, message):
    with pytest.raises(ValueError, match=message):
        make_likelihood(likelihood, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"likelihood": []}, "unknown likelihood"),
        ({"likelihood": "bernoulli", "clamp": 1}, "clamp=1: give True or False"),
        ({"likelihood": "gaussian", "scale": (-1, 3)}, r"scale=\(-1, 3\): give a positive number"),
        ({"likelihood": "gaussian", "scale": True}, "scale=True: give a positive number"),
    ],
)
def test_options_of_other_kinds_are_refused(options, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message):
        make_likelihood(**options)
