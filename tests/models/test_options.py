"""Options that mean nothing are refused by name, before anything is made of them."""

import math

import jaxtyping
import pytest
import torch

from symgen import ACE, TVAE
from symgen.latents import roll

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
