import json
from pathlib import Path

import pytest

from symgen.experiments import (
    PRESETS,
    ACEExperiment,
    DataConfig,
    Experiment,
    ImageConfig,
    ModelConfig,
    from_json,
    preset,
    to_json,
)
from symgen.experiments.presets.extensions import COMPARISONS
from symgen.latents import AxesTopography
from symgen.models import TVAE, VAE, BubbleVAE, TopographicVAE
from symgen.training import Training

every = pytest.mark.parametrize("name", PRESETS)
topographic = pytest.mark.parametrize(
    "name", [name for name, (_, found) in PRESETS.items() if isinstance(found, Experiment)]
)


@every
def test_every_preset_survives_json(name):
    experiment = preset(name)
    assert from_json(json.loads(json.dumps(to_json(experiment)))) == experiment


@topographic
def test_every_preset_builds_its_model(name):
    experiment = preset(name)
    frames = {"still": 1, "growth": 12}.get(experiment.data.mode, 18)
    size = (frames, (1 if frames == 1 else 3, 28, 28))
    if experiment.data.scene == "sprites":
        size = (15, (1, 64, 64))
    model = experiment.model.build(*size)
    kinds = {"tvae": TVAE, "bubble": BubbleVAE, "vae": VAE, "torus": TopographicVAE}
    kind = TopographicVAE if experiment.model.axes else kinds[experiment.model.kind]
    assert type(model) is kind
    latents = 225 if experiment.data.scene == "sprites" else 324
    assert model.capsules * model.units == latents * (1 + (experiment.data.mode == "position"))


@pytest.mark.parametrize("name", [name for name in PRESETS if name.endswith("-paper")])
def test_paper_presets_are_what_the_paper_ran(name):
    experiment = preset(name)
    assert experiment.training.optimizer == "SGD"
    assert experiment.training.optimizer_options == {"momentum": 0.9}
    assert experiment.model.initialisation == "reference"
    assert experiment.model.output_bias == "channel" and experiment.model.clamp_logits
    assert experiment.training.learning_rate == 1e-4


def test_the_seed_alone_decides_the_initial_weights():
    experiment = Experiment(data=DataConfig(images="digits"), training=Training(seed=4))
    first, second = (experiment.build()[0].decoder.layers[0].weight for _ in range(2))
    other = Experiment(data=DataConfig(images="digits"), training=Training(seed=5)).build()[0]
    assert first.equal(second)
    assert not first.equal(other.decoder.layers[0].weight)


@pytest.mark.parametrize(
    "experiment",
    [
        Experiment(data=DataConfig(root=Path("somewhere"))),
        ACEExperiment(data=ImageConfig(root=Path("somewhere"))),
    ],
)
def test_paths_survive_json(experiment):
    assert from_json(json.loads(json.dumps(to_json(experiment)))) == experiment


def test_the_test_may_show_other_transformations_than_the_training():
    data = DataConfig(images="digits", test_mode="rotation+hue")
    experiment = Experiment(ModelConfig(), data)
    assert set(experiment.test_sequences(8, seed=0).batch(0).moved.tolist()) == {-1}
    assert set(experiment.build()[1].batch(0).moved.tolist()) <= {0, 1, 2}


def test_the_mean_image_is_that_of_the_training_frames():
    image = Experiment(data=DataConfig(images="digits")).mean_image(sequences=100)
    assert image.shape == (3, 28, 28)
    assert 0 < image.mean() < image.max() < 0.6


def test_a_record_without_a_family_is_a_topographic_vae():
    values = to_json(Experiment(ModelConfig(capsules=7)))
    assert values.pop("family") == "topographic"
    assert from_json(values) == Experiment(ModelConfig(capsules=7))


def test_settings_younger_than_a_record_have_their_defaults():
    values = to_json(Experiment(ModelConfig(window=9), training=Training(seed=3)))
    del values["model"]["standardise"], values["training"]["kl_warmup"]
    assert from_json(values) == Experiment(ModelConfig(window=9), training=Training(seed=3))


def test_unknown_settings_are_refused():
    values = to_json(Experiment())
    values["model"]["wings"] = 2
    with pytest.raises(ValueError, match=r"experiment\.model: missing or unknown settings: wings"):
        from_json(values)
    with pytest.raises(ValueError, match="latents"):
        from_json(to_json(ACEExperiment()) | {"family": "topographic"})
    with pytest.raises(ValueError, match="expected a group of settings, got 3"):
        from_json(to_json(Experiment()) | {"data": 3})
    with pytest.raises(
        ValueError, match="family='moth': this version knows topographic, recordings, ace"
    ):
        from_json(to_json(Experiment()) | {"family": "moth"})


@pytest.mark.parametrize(("extension", "plain"), COMPARISONS.items())
def test_extensions_and_their_counterparts_have_the_same_data_nets_and_steps(extension, plain):
    ours, other = preset(extension), preset(plain)
    assert isinstance(ours, Experiment) and isinstance(other, Experiment)
    assert (ours.data, ours.training) == (other.data, other.training)
    assert ours.model.capsules * ours.model.units == other.model.capsules * other.model.units
    assert ours.model != other.model and ours.model.window == other.model.window


@pytest.mark.parametrize(
    "changes", [{"axes": (3, 4)}, {"axes": (2, 9), "reference_window": True}], ids=str
)
def test_axes_that_do_not_fit_are_refused(changes):
    with pytest.raises(ValueError, match="units is the product of the axes"):
        ModelConfig(units=18, **changes).build(18, (1, 8, 8))


def test_a_model_of_ends_and_axes_is_built_from_flat_settings():
    ends = ModelConfig(window=3, boundary="zero", causal=True, ahead=2, shift=0.5)
    model = ends.build(6, (1, 8, 8))
    assert model.topography.causal and model.topography.open_ended and model.ahead == 2
    assert model.topography.shift == 0.5
    axes = ModelConfig(capsules=2, units=18, axes=(6, 3), window=3, neighbourhood=1)
    assert axes.build(6, (1, 8, 8)).topography == AxesTopography(2, (6, 3), 6, 3)
