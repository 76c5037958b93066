"""An independent classifier that learns, resumes and counts what it recognises."""

import signal

import pytest
import torch

from symgen.data import load
from symgen.experiments import ImageConfig
from symgen.experiments.reproduce.judge import (
    JUDGE_TRAINING,
    Judge,
    judge_error,
    recognised,
    to_digit_size,
    train_judge,
)
from symgen.experiments.reproduce.plan import Missing, steps_done
from symgen.groups import affine, warp
from symgen.training import TrainingStopped

DIGITS = ImageConfig(images="digits")
SHORT = JUDGE_TRAINING.changed({"sequences": 3_000, "batch_size": 50, "warmup": 300})
TINY = SHORT.changed({"sequences": 200, "warmup": 0})


def train(folder, training=TINY, images=DIGITS, **options) -> Judge:
    return train_judge(folder, images, training, command="python judge", **options)


@pytest.fixture(scope="module")
def judge(tmp_path_factory) -> Judge:
    return train(tmp_path_factory.mktemp("judge") / "run", SHORT)


def test_it_learns_to_tell_digits(judge):
    assert judge_error(judge, DIGITS) < 5


def test_real_digits_are_recognised_and_those_of_the_next_class_are_not(judge):
    images = load("digits", split="test")
    rows = [images.pixels[images.labels == c][:20].float() / 255 for c in range(10)]
    rows = torch.stack(rows)
    assert recognised(judge, rows) > 90
    assert recognised(judge, rows.roll(1, 0)) < 5


def test_a_trained_judge_is_only_loaded(tmp_path):
    first = train(tmp_path)
    told = []
    again = train(tmp_path, observe=told.append)
    assert not told
    weights = again.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in first.state_dict().items())
    assert not again.training


def test_a_stopped_judge_goes_on_to_the_same_weights(tmp_path):
    whole = train(tmp_path / "whole")
    with pytest.raises(TrainingStopped):
        train(tmp_path / "run", observe=lambda now: signal.raise_signal(signal.SIGINT))
    assert steps_done(tmp_path / "run") > 0 or (tmp_path / "run" / "state").is_dir()
    resumed = train(tmp_path / "run")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_without_permission_to_train_it_is_missing(tmp_path):
    with pytest.raises(Missing, match="step 0 of 4"):
        train(tmp_path / "none", train=False)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("distortion", "pool"), [("rts", 1), ("tc", 2)])
def test_the_largest_images_are_looked_at_coarser_and_not_moved(distortion, pool, tmp_path):
    distorted = train(tmp_path, images=ImageConfig(images="digits", distortion=distortion))
    assert distorted.pool == pool and not distorted.wobble


def test_wobble_moves_training_images_and_no_others():
    judge = Judge(image_shape=(1, 28, 28), wobble=True)
    x, y = torch.rand(4, 1, 28, 28), torch.arange(4)
    judge.eval()
    assert torch.equal(judge.elbo(x, y).cross_entropy, judge.elbo(x, y).cross_entropy)
    seen = []
    judge.convolutions.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    judge.train()
    judge.elbo(x, y)
    assert not torch.equal(seen[0], x)
    judge.eval()
    judge.elbo(x, y)
    assert torch.equal(seen[1], x)


def test_cutting_to_digit_size_undoes_shifts():
    digit = load("digits", split="test").pixels[:5].float() / 255
    canvas = torch.nn.functional.pad(digit, (16, 16, 16, 16))
    shift = affine.exp(torch.tensor([0.0, 0.0, 0.0, 0.0, 7.0, -12.0]))
    moved = warp(canvas, affine.inverse(shift))
    assert torch.allclose(to_digit_size(moved), to_digit_size(canvas), atol=1e-4)
    assert to_digit_size(canvas).shape == digit.shape
