import pytest
import torch

from symgen.experiments import ACEConfig, ACEExperiment, ImageConfig, preset
from symgen.experiments.presets.ace import PRESETS
from symgen.models import ACE
from symgen.training import Training

SHAPES = {"none": 28, "translated": 60, "rts": 42, "tc": 60, "hue": 28}


def shape(experiment):
    if experiment.data.images == "cifar10":
        return 3, 32, 32
    side = SHAPES[experiment.data.distortion]
    return (3 if experiment.data.distortion == "hue" else 1), side, side


def small(**training):
    data = ImageConfig(images="digits", distortion="rts")
    model = ACEConfig(hidden=(20,), decoder_hidden=(10,), classifier_hidden=20)
    return ACEExperiment(model, data, Training(batch_size=8, **training))


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_builds_its_model(name):
    experiment = preset(name)
    with torch.device("meta"):  # some have a hundred million weights
        model = experiment.model.build(shape(experiment), 10)
    assert isinstance(model, ACE) and model.charged == experiment.model.charged
    reads = experiment.model.pose is not None or experiment.model.colour_pose
    assert (model.pose is not None) == reads


@pytest.mark.parametrize("name", [name for name in PRESETS if name.startswith("ace-fig")])
def test_paper_presets_are_what_the_paper_ran(name):
    model, data, training = (getattr(preset(name), part) for part in ("model", "data", "training"))
    figure = int(name[7])
    assert training.batch_size == 250 and training.schedule == "half-life"
    assert training.learning_rate == (1.5e-3 if figure < 3 else 5e-4)
    assert training.half_life == 50 * (60_000 if figure < 3 else 50_000)
    assert training.kl_warmup == 0 and training.pose_learning_rate is None
    assert model.latents == (1 if figure < 3 else 2)
    assert model.latent == ("laplace" if figure == 4 else "gaussian")
    assert (model.pose == "raw") == (figure == 2 or name.endswith("-pose"))
    assert not model.charged and model.initialisation == "paper"
    assert data.fixed == (data.distortion != "none")


def test_the_published_sizes_of_figure_3():
    experiment = preset("ace-fig3-plain")
    with torch.device("meta"):
        model = experiment.model.build((3, 32, 32), 10)
    parts = [p.numel() for n, p in model.named_parameters() if not n.startswith("classifier")]
    # 3072-2048-2048-(2 × 2 × 10)-(2048 × 10)-(2048 × 10)-(3072 × 10), biases included
    encoder = 3073 * 2048 + 2049 * 2048
    decoders = 10 * (3 * 2048 + 2049 * 2048 + 2049 * 3072)
    assert sum(parts) == encoder + 10 * 2049 * 4 + decoders


def test_the_seed_alone_decides_the_initial_weights():
    torch.manual_seed(99)
    expected = torch.rand(1)
    torch.manual_seed(99)
    first, second, other = (
        small(seed=seed).build()[0].state_dict()["heads.0.weight"] for seed in (4, 4, 5)
    )
    assert first.equal(second) and not first.equal(other)
    assert torch.rand(1).equal(expected)


def test_training_images_are_drawn_afresh_and_test_images_once():
    experiment = small()
    _, data = experiment.build()
    steps = data.steps_per_epoch
    items = torch.arange(4)
    fresh = [data.source.make(items, torch.Generator().manual_seed(n)).images for n in (1, 2)]
    assert not fresh[0].equal(fresh[1])
    first, second = (experiment.test_images().batch(0) for _ in range(2))
    assert first.images.equal(second.images) and steps == 1438 // 8
    assert (
        experiment.test_images()
        .batch(0)
        .labels.equal(experiment.data.source(train=False).images.labels[:250])
    )


def test_fixed_training_images_never_change():
    source = ImageConfig(images="digits", distortion="rts", fixed=True).source(train=True)
    batches = [source.make(torch.arange(4), torch.Generator().manual_seed(n)) for n in (1, 2)]
    assert batches[0].images.equal(batches[1].images)


def test_training_and_test_images_are_different():
    data = ImageConfig(images="digits")
    train, test = (data.source(train=train).images.pixels.flatten(1) for train in (True, False))
    assert not {bytes(row.numpy()) for row in train} & {bytes(row.numpy()) for row in test}


def test_an_experiment_evaluates_its_test_images():
    experiment = small()
    measured = experiment.evaluate(experiment.build()[0], items=30, samples=1, seed=2)
    assert measured["images"] == 30 and measured["seed"] == 2
    assert measured["error"] == pytest.approx(90, abs=30)
