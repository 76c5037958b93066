"""Options that mean nothing are refused by name, before anything is made of them."""

import math
import re

import jaxtyping
import numpy as np
import pytest
import torch
from ace_helpers import SMALL

from symgen import ACE, TVAE
from symgen.latents import roll
from symgen.models import Stream

TINY = {"capsules": 2, "frames": 4, "width": 8}
WRONG = {
    "normalisation": "weights",
    "output_bias": "channels",
    "initialisation": "fanin",
    "boundary": "zeros",
    "capsule_boundary": "ends",
    "activation": "elu",
    "net": "dens",
    "width": 0,
    "depth": 0,
    "capsules": 0,
    "units": 0,
    "window": 0,
    "neighbourhood": 0,
}
SIZES = (
    *("hidden", "decoder_hidden", "classifier_channels", "classifier_hidden", "classifier_pool"),
    *("pose_channels", "pose_hidden", "pose_pool", "pose_iterations"),
    *("width", "depth", "classifier_window"),
)


@pytest.fixture(autouse=True)
def unchecked(monkeypatch):
    """As for users, whose calls nothing compares with the annotations."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.mark.parametrize(("name", "value"), WRONG.items())
def test_an_option_of_a_tvae_out_of_range_is_named(name, value):
    with pytest.raises(ValueError, match=f"{name}={value!r}"):
        TVAE((5,), **{**TINY, name: value})


@pytest.mark.parametrize("name", ["eps", "mu", "shift"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30])
def test_numbers_that_are_none_are_refused(name, value):
    if (name, value) in (("eps", 1e30), ("mu", 1e30)):  # foolish, but finite
        return
    with pytest.raises(ValueError, match=f"{name}="):
        TVAE((5,), **TINY, **{name: value})


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("value", [0, -1, 2.5, True])
def test_a_size_of_an_ace_is_a_whole_number_of_one_or_more(name, value):
    several = name in ("hidden", "decoder_hidden", "classifier_channels", "pose_channels")
    given = (value,) if several else value
    with pytest.raises(ValueError, match=f"^{name}="):
        ACE((1, 16, 16), **{name: given})


@pytest.mark.parametrize("change", [{"dropout": math.nan}, {"dropout": 1}, {"activation": "elu"}])
def test_other_options_of_an_ace_are_named(change):
    ((name, value),) = change.items()
    with pytest.raises(ValueError, match=f"^{name}={value!r}"):
        ACE((1, 16, 16), **change)


@pytest.mark.parametrize("change", [{"method": "cubic"}, {"boundary": "ends"}])
def test_how_capsules_roll_is_one_of_the_ways_there_are(change):
    ((name, value),) = change.items()
    with pytest.raises(ValueError, match=f"{name}={value!r}"):
        roll(torch.randn(3, 4), 1, **change)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_data_of_another_precision_are_told_apart_from_the_weights(dtype):
    model = TVAE((5,), **TINY, likelihood="gaussian")
    for name, call, shape in (("x", model, (2, 4, 5)), ("t", model.decode, (2, 4, 2, 4))):
        with pytest.raises(
            ValueError, match=f"{name} is of {dtype}, the weights of torch.float32"
        ):
            call(torch.zeros(shape, dtype=dtype))
    assert model.double()(torch.zeros(2, 4, 5).double()).nll.dtype == torch.float64


CAUSAL = {**TINY, "likelihood": "gaussian", "window": 3, "causal": True, "boundary": "zero"}
CALLS = {
    "encode": lambda model, x: model.encode(x),
    "latents": lambda model, x: model.latents(x),
    "forward": lambda model, x: model(x),
    "log_prob": lambda model, x: model.log_prob(x),
    "traverse": lambda model, x: model.traverse(x),
    "decode": lambda model, x: model.decode(x),
    "act": lambda model, x: model.act(x, 1),
    "step": lambda model, x: model.step(x),
    "step of a stream": lambda model, x: Stream(model).step(x),
}
ACE_CALLS = {
    "encode": lambda model, x: model.encode(x),
    "latents": lambda model, x: model.latents(x),
    "forward": lambda model, x: model(x),
    "log_prob": lambda model, x: model.log_prob(x),
    "act": lambda model, x: model.act(x, torch.eye(3)),
    "element": lambda model, x: model.act(torch.zeros(2, 1, 12, 12), x),
    "manifold": lambda model, x: model.manifold(x),
    "label": lambda model, x: model(torch.zeros(2, 1, 12, 12), x),
}


@pytest.mark.parametrize("given", [np.zeros((2, 4, 5)), [[1.0, 2.0]], None])
@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_tensor_is_refused_with_what_makes_one(name, given):
    with pytest.raises(ValueError, match=r"^\w+ is a \w+: give a tensor, such as torch.as_tensor"):
        CALLS[name](TVAE((5,), **CAUSAL), given)


@pytest.mark.parametrize("name", ACE_CALLS)
def test_ace_refuses_what_is_no_tensor_with_what_makes_one(name):
    model = ACE(**SMALL, labelled="none")
    with pytest.raises(
        ValueError, match=r"^\w+ is a ndarray: give a tensor, such as torch.as_ten"
    ):
        ACE_CALLS[name](model, np.zeros((2, 1, 12, 12)))


def test_ace_without_labels_checks_its_data():
    with pytest.raises(ValueError, match=r"^x of shape \(2, 1, 12, 13\)"):
        ACE(**SMALL, labelled="none")(torch.zeros(2, 1, 12, 13))


@pytest.mark.parametrize("steps", [-1, 0, 1.5, True])
def test_a_traversal_has_a_number_of_steps(steps):
    with pytest.raises(ValueError, match=f"^steps={steps}: give a whole number from 1"):
        TVAE((5,), **TINY).traverse(torch.rand(2, 4, 5), steps)


@pytest.mark.parametrize(
    ("element", "told"),
    [
        (math.nan, "element=nan: give a whole number or a finite number"),
        ([1, 2], r"element=\[1, 2\]: give"),
        (torch.tensor([1, 2, 3]), r"element of shape \(3,\) does not broadcast .*\(3, 4\) of t"),
        (torch.tensor(True), "element is of torch.bool"),
    ],
)
def test_an_element_that_does_not_act_is_named(element, told):
    model = TVAE((5,), **TINY)
    with pytest.raises(ValueError, match=f"^{told}"):
        model.act(torch.zeros(3, 4, 2, 4), element)
    with pytest.raises(ValueError, match=r"^t of shape \(3, 2, 3\)"):
        model.act(torch.zeros(3, 2, 3), 1)
    turned = model.act(torch.zeros(3, 4, 2, 4), torch.tensor([[1], [2], [3]]))
    assert turned.shape == (3, 4, 2, 4)


@pytest.mark.parametrize("change", [{"likelihood_scale": 1e-30}, {"likelihood_scale": 1e30}])
def test_a_fixed_scale_is_one_that_a_loss_can_have(change):
    with pytest.raises(ValueError, match=r"^scale=1e.*from 1e-06 to 1,000,000"):
        TVAE((5,), **TINY, likelihood="gaussian", **change)


@pytest.mark.parametrize(("name", "value"), [("spread", -1), ("spread", 1e30), ("ground", -1e30)])
def test_levels_of_images_are_within_bounds(name, value):
    with pytest.raises(ValueError, match=rf"^{name}={re.escape(str(value))}: give a .*1,000,000"):
        ACE(**SMALL, **{name: value})
    assert ACE(**SMALL, likelihood="gaussian", spread=0.0, ground=0.5)
