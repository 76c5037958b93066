"""Bounds of eq. 4.1 against each other and against a mixture that can be summed."""

import math

import jaxtyping
import pytest
import torch

from symgen.metrics import mixture_bounds


@pytest.fixture
def classes(device, dtype):
    """Bounds of seven classes for many images, and what a classifier says."""
    bounds = 100 + 20 * torch.randn(200, 7, device=device, dtype=dtype)
    scores = 3 * torch.randn(200, 7, device=device, dtype=dtype)
    return bounds, scores.log_softmax(1)


def test_the_three_bounds_keep_their_order(classes):
    paper, valid, tight = mixture_bounds(*classes)
    slack = 1e-4
    assert (tight <= valid + slack).all()
    assert (paper <= valid + slack).all()
    assert (valid <= paper + math.log(7) + slack).all()


def test_tight_is_the_mixture_itself_where_every_class_is_known(device, dtype):
    densities = torch.rand(50, 4, device=device, dtype=dtype) + 0.01
    found = mixture_bounds(-densities.log(), torch.zeros_like(densities).log_softmax(1))
    torch.testing.assert_close(found.tight, -densities.mean(1).log())


def test_valid_reaches_tight_with_the_best_classifier_and_no_other(classes):
    bounds, class_log_probs = classes
    best = mixture_bounds(bounds, (-bounds).log_softmax(1))
    torch.testing.assert_close(best.valid, best.tight)
    other = mixture_bounds(bounds, class_log_probs)
    assert (other.valid > other.tight + 1e-3).all()


def test_a_sure_classifier_leaves_the_bound_of_its_class(classes):
    bounds, _ = classes
    sure = torch.full_like(bounds, -torch.inf)
    sure[:, 3] = 0
    bounds[:, 5] = torch.inf  # a class that is impossible does not matter
    paper, valid, _ = mixture_bounds(bounds, sure)
    torch.testing.assert_close(paper, bounds[:, 3])
    torch.testing.assert_close(valid, bounds[:, 3] + math.log(7))


def test_the_paper_is_below_the_mixture_where_classes_agree(device, dtype):
    """Equal classes, a sure classifier: p(x) is that of any class, and so is the paper's bound.

    Where only one class knows the image, p(x) is its density over C, and the paper's is none.
    """
    bounds = torch.tensor([[50.0, 50.0], [50.0, 5000.0]], device=device, dtype=dtype)
    sure = torch.tensor([[0.0, -200.0]] * 2, device=device, dtype=dtype)
    paper, _, tight = mixture_bounds(bounds, sure)
    torch.testing.assert_close(tight - paper, tight.new_tensor([0.0, math.log(2)]))


def test_other_shapes_are_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=r"class_log_probs"):
        mixture_bounds(torch.zeros(3, 10), torch.zeros(3, 9))
