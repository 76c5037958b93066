"""An independent classifier that learns, and looks at images as it was told."""

import pytest
import torch

import symgen
from symgen.data import DistortedImages, load
from symgen.metrics import recognised
from symgen.models import Judge


@pytest.fixture(scope="module")
def judge():
    torch.manual_seed(0)
    judge = Judge((1, 28, 28), wobble=True)
    how = {"optimizer": "AdamW", "optimizer_options": {"weight_decay": 1e-2}, "batch_size": 50}
    how |= {"learning_rate": 3e-3, "warmup": 300, "schedule": "cosine"}
    symgen.fit(judge, DistortedImages(load("digits"), "none"), examples=3_000, **how)
    return judge.eval()


@torch.no_grad()
def test_it_learns_to_tell_digits(judge):
    images = load("digits", split="test")
    found = judge.scores(images.pixels.float() / 255).argmax(1)
    assert (found != images.labels).double().mean() < 0.05


def test_real_digits_are_recognised_and_those_of_the_next_class_are_not(judge):
    images = load("digits", split="test")
    rows = [images.pixels[images.labels == c][:20].float() / 255 for c in range(10)]
    rows = torch.stack(rows)
    assert recognised(judge.scores, rows) > 90
    assert recognised(judge.scores, rows.roll(1, 0)) < 5


def test_scores_are_of_the_features_and_of_a_coarser_image():
    judge = Judge((1, 12, 12), classes=3, pool=2).eval()
    x = torch.rand(4, 1, 12, 12)
    torch.testing.assert_close(judge.head(judge.features(x)), judge.scores(x))
    blocks = x.unfold(2, 2, 2).unfold(3, 2, 2)
    same = blocks.flip(-1).permute(0, 1, 2, 4, 3, 5).reshape_as(x)  # the same in blocks of 2 × 2
    torch.testing.assert_close(judge.scores(same), judge.scores(x))
    assert not torch.allclose(judge.scores(x.flip(-1)), judge.scores(x))


def test_wobble_moves_training_images_and_no_others():
    judge = Judge((1, 28, 28), wobble=True).eval()
    x, y = torch.rand(4, 1, 28, 28), torch.arange(4)
    assert torch.equal(judge(x, y).cross_entropy, judge(x, y).cross_entropy)
    seen = []
    judge.convolutions.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    judge.train()
    judge(x, y)
    judge.eval()
    judge(x, y)
    judge.train()
    judge.wobble = False
    judge(x, y)
    assert not torch.equal(seen[0], x)
    assert torch.equal(seen[1], x) and torch.equal(seen[2], x)


def test_weights_are_read_back_with_their_batch_normalisation(judge, tmp_path):
    judge.save_pretrained(tmp_path)
    again = Judge.from_pretrained(tmp_path)
    x = torch.rand(4, 1, 28, 28)
    torch.testing.assert_close(again.eval().scores(x), judge.scores(x))
