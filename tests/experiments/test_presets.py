"""Every preset is a model that can be built, and means what its name says."""

import json

import pytest
import torch

from symgen.experiments.builders import BUILDERS, takes
from symgen.experiments.experiment import Experiment
from symgen.experiments.presets import EDITIONS, preset, presets
from symgen.latents import AxesTopography, Topography
from symgen.models import ACE

EVERY = {found.name: found for found in presets()}
COMPARED = {name: found.compare for name, found in EVERY.items() if found.compare}
FIGURES = [name for name in EVERY if name.startswith("ace-fig")]
SIDES = {"none": 28, "translated": 60, "rts": 42, "tc": 60, "hue": 28}
NARROW = {"width": 8, "classifier_hidden": 4, "pose_hidden": 4}  # widths are free to choose
LAYERS = ("hidden", "decoder_hidden", "classifier_channels", "pose_channels")


def data_shape(data):
    if data.kind in ("recordings", "own-images"):
        return 3, 16, 16
    if data.kind == "sprites":
        return 1, 64, 64
    if data.kind == "bounce":
        return 1, data.size, data.size
    if data.kind == "digits":
        return (1 if data.mode == "still" else 3), 28, 28
    if data.images == "cifar10":
        return 3, 32, 32
    side = SIDES[data.distortion]
    return (3 if data.distortion == "hue" else 1), side, side


def build(experiment: Experiment):
    given = {"frames": experiment.data.frames, "classes": 10}
    given = {name: value for name, value in given.items() if takes(experiment.kind, name)}
    return experiment.kind(data_shape(experiment.data), **given, **experiment.model)


def narrow(experiment: Experiment):
    sizes = {n: v for n, v in NARROW.items() if n in experiment.model}
    sizes |= {n: (4,) * len(v) for n, v in experiment.model.items() if n in LAYERS}
    return experiment.changed(model=sizes)


@pytest.mark.parametrize("name", EVERY)
def test_every_preset_survives_json(name):
    experiment = EVERY[name].experiment
    assert Experiment.from_json(json.loads(json.dumps(experiment.to_json()))) == experiment


@pytest.mark.parametrize("name", EVERY)
def test_every_preset_builds_its_model(name):
    experiment = EVERY[name].experiment
    model = build(narrow(experiment))
    assert type(model) is BUILDERS[experiment.builder]
    if isinstance(model, ACE):
        assert model.variational_pose == experiment.model["variational_pose"]
        reads = experiment.model["pose"] is not None or experiment.model["colour_pose"]
        assert (model.pose is not None) == reads
    elif experiment.data.kind in ("sprites", "digits"):
        latents = 225 if experiment.data.kind == "sprites" else 324
        doubled = getattr(experiment.data, "mode", None) == "position"
        assert model.capsules * model.units == latents * (1 + doubled)


def test_names_say_which_edition_and_texts_what_it_is():
    for name, found in EVERY.items():
        assert found.about and found.about[-1] != "."
        epochs = "epochs" in found.about and "recipe" in found.about
        assert epochs == name.endswith(EDITIONS)
        faithful = found.experiment.training.optimizer == "SGD"
        assert faithful == name.endswith(EDITIONS)


def test_the_first_to_look_at_are_about_a_dozen_of_every_kind_and_explain_themselves():
    first = [found for found in EVERY.values() if found.first]
    assert 8 <= len(first) <= 16
    kinds = {found.experiment.builder for found in first}
    assert kinds == {"TVAE", "BubbleVAE", "VAE", "TorusVAE", "ACE"}
    assert {"demo", "tvae", "ace-digits"} <= {found.name for found in first}
    assert not [found.name for found in first if found.about.startswith("the same")]


@pytest.mark.parametrize("name", [name for name in EVERY if name.endswith("-paper")])
def test_paper_presets_are_what_the_paper_ran(name):
    experiment = EVERY[name].experiment
    assert experiment.training.optimizer == "SGD"
    assert experiment.training.optimizer_options == {"momentum": 0.9}
    assert experiment.training.learning_rate == 1e-4
    model = experiment.model
    assert model["activation"] == "relu" and model["initialisation"] == "reference"
    assert model["output_bias"] == "channel" and model["clamp_logits"]


def test_combined_transformations_and_the_map_have_both_editions():
    for name in ("rotation-hue", "perspective-hue", "generalisation"):
        for edition in EDITIONS:
            found = preset(f"tvae-mnist-{name}-{edition}").experiment
            ours = preset(f"tvae-mnist-{name}").experiment
            assert found.data == ours.data and found.model["window"] == 13
    paper, submission = (preset(f"torus-mnist-{edition}").experiment for edition in EDITIONS)
    assert (paper.model["mu"], submission.model["mu"]) == (-10, -5)
    assert (paper.training.examples, submission.training.examples) == (12_000_000, 4_800_000)


@pytest.mark.parametrize("name", FIGURES)
def test_presets_of_the_figures_of_ace_are_what_its_paper_ran(name):
    found = preset(name).experiment
    model, data, training = found.model, found.data, found.training
    figure = int(name[7])
    assert training.batch_size == 250 and training.schedule == "half-life"
    assert training.learning_rate == (1.5e-3 if figure < 3 else 5e-4)
    assert training.half_life == 50 * (60_000 if figure < 3 else 50_000)
    assert training.kl_warmup == 0 and training.learning_rates == {}
    assert model["latents"] == (1 if figure < 3 else 2)
    assert model["latent"] == ("laplace" if figure == 4 else "gaussian")
    assert (model["pose"] == "matrix") == (figure == 2 or name.endswith("-pose"))
    assert not model["variational_pose"] and model["initialisation"] == "paper"
    assert data.fixed == (data.distortion != "none")


def test_the_published_sizes_of_figure_3():
    model = build(preset("ace-fig3-plain").experiment)
    parts = [p.numel() for n, p in model.named_parameters() if not n.startswith("classifier")]
    # 3072-2048-2048-(2 × 2 × 10)-(2048 × 10)-(2048 × 10)-(3072 × 10), biases included
    encoder = 3073 * 2048 + 2049 * 2048
    decoders = 10 * (3 * 2048 + 2049 * 2048 + 2049 * 3072)
    assert sum(parts) == encoder + 10 * 2049 * 4 + decoders


@pytest.mark.parametrize(("name", "plain"), COMPARED.items())
def test_extensions_and_their_counterparts_have_the_same_data_nets_and_steps(name, plain):
    ours, other = preset(name).experiment, preset(plain).experiment
    assert (ours.data, ours.training) == (other.data, other.training)
    sizes = [e.model["capsules"] * e.model["units"] for e in (ours, other)]
    assert sizes[0] == sizes[1]
    for option in ("window", "width", "depth"):
        assert ours.model[option] == other.model[option]
    assert ours.model != other.model and preset(plain).compare is None


def test_options_reach_the_topography():
    ends = preset("tvae-mnist-growth-ahead").experiment
    model = build(narrow(ends.changed(model={"shift": 0.5})))
    assert model.topography.causal and model.topography.open_ended and model.ahead == 1
    assert model.topography.shift == 0.5
    axes = build(narrow(preset("tvae-sprites-positions-axes").experiment))
    assert axes.topography == AxesTopography(2, (15, 15), 15, 10)
    plain = build(narrow(preset("demo").experiment))
    assert plain.topography == Topography(15, 15, 15, 10)
    assert not torch.equal(plain.topography.matrix(), torch.eye(225))


def test_near_names_are_three_at_most():
    with pytest.raises(ValueError, match=r"unknown preset 'tvae-mnist-fast'") as error:
        preset("tvae-mnist-fast")
    near, _, more = str(error.value).partition("did you mean ")[2].partition("? ")
    named = near.split(", ")
    assert len(named) == 3 and {*named} <= {*EVERY}
    assert more == "symgen presets --all lists every one"
