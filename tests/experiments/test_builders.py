"""The options of builders are what their signatures say, and nothing else."""

import inspect
import re
from typing import Literal, get_args, get_origin

import jaxtyping
import pytest

from symgen import TVAE, VAE
from symgen.experiments.builders import BUILDERS, FROM_DATA, builder, complete, options_of, takes

OWN = {  # what no word of a command line can name
    **{name: {"encoder", "decoder"} for name in ("TVAE", "BubbleVAE", "VAE", "TorusVAE")},
    "TopographicVAE": {"encoder", "decoder", "topography"},
    "ACE": set(),
    "Judge": set(),
}
SMALL = {
    "TVAE": {"capsules": 2, "frames": 4},
    "BubbleVAE": {"capsules": 2, "frames": 4},
    "VAE": {"capsules": 2, "frames": 4},
    "TorusVAE": {},
    "ACE": {"classes": 2, "encoder": "residual"},
}
EVERY = [(name, option) for name, kind in BUILDERS.items() for option in options_of(kind)]


@pytest.mark.parametrize("name", BUILDERS)
def test_options_are_the_plain_arguments_of_the_signature_in_their_order(name):
    kind = BUILDERS[name]
    arguments = list(inspect.signature(kind).parameters)
    assert list(options_of(kind)) == [n for n in arguments if n not in {*FROM_DATA, *OWN[name]}]
    assert OWN[name] <= {*arguments} and "data_shape" in arguments


@pytest.mark.parametrize(("name", "option"), EVERY)
def test_every_option_has_its_default_its_type_and_a_text(name, option):
    found = options_of(BUILDERS[name])[option]
    default = inspect.signature(BUILDERS[name]).parameters[option].default
    if default is not inspect.Parameter.empty:
        assert found.default == (tuple(default) if isinstance(default, list) else default)
        assert (default is None) <= (type(None) in get_args(found.type))
    assert len(found.help.split()) > 1 and found.help.endswith(".")


@pytest.mark.parametrize(("name", "option"), [pair for pair in EVERY if pair[0] in SMALL])
def test_choices_are_those_that_the_builder_names(name, option, monkeypatch):
    kind, found = BUILDERS[name], options_of(BUILDERS[name])[option].type
    members = (found,) if get_origin(found) is Literal else get_args(found)
    choices = {c for member in members if get_origin(member) is Literal for c in get_args(member)}
    if not choices:
        return
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    needed = {"likelihood": "gaussian"} if option == "likelihood_scale" else {}
    with pytest.raises(ValueError, match="'other'") as error:
        kind((3, 12, 12), **SMALL[name] | needed | {option: "other"})
    told = str(error.value).rpartition("choose")[2].rpartition(" as ")[2].partition(", or a ")[0]
    words = {*re.findall(r"[\w-]+", told.replace("one of", ""))} - {"or"}
    assert words - {"none", "None", "a", "finite", "number"} == choices - {"none"}


def test_none_is_a_value_unless_a_choice_has_that_name():
    options = options_of(TVAE)
    assert options["window"].allows_none and not options["capsules"].allows_none
    assert not options["normalisation"].allows_none
    assert "none" in get_args(options["normalisation"].type)
    assert options_of(BUILDERS["ACE"])["pose"].allows_none


def test_options_are_completed_by_defaults_and_lists_become_tuples():
    options = complete(BUILDERS["ACE"], {"hidden": [3, 4], "latents": 2})
    assert options["hidden"] == (3, 4) and options["latents"] == 2
    assert options.keys() == options_of(BUILDERS["ACE"]).keys()
    assert options["classifier_channels"] == (32, 64, 128)


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(ValueError, match="TVAE has no option 'windw': did you mean window"):
        complete(TVAE, {"windw": 3})
    with pytest.raises(ValueError, match="VAE has no option 'causal'"):
        complete(VAE, {"causal": True})
    with pytest.raises(ValueError, match="unknown model 'TVEA': did you mean TVAE"):
        builder("TVEA")


def test_what_comes_from_the_data_is_no_option():
    assert takes(TVAE, "frames") and not takes(TVAE, "classes")
    assert takes(BUILDERS["ACE"], "classes") and not takes(BUILDERS["ACE"], "frames")
