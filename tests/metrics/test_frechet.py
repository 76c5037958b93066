"""The Fréchet distance against closed forms."""

import jaxtyping
import pytest
import torch

from symgen.metrics import frechet_distance


def test_commuting_gaussians_have_the_distance_of_their_deviations() -> None:
    torch.manual_seed(0)
    features = torch.randn(200, 4, dtype=torch.float64)
    features = features - features.mean(0)
    vectors = torch.linalg.eigh(features.T.cov()).eigenvectors
    features = features @ vectors  # without correlations, so that scaling axes commutes
    scale = torch.tensor([0.5, 1.0, 2.0, 3.0], dtype=torch.float64)
    expected = (features.std(0) * (scale - 1)).square().sum() + 4 * 0.25
    assert frechet_distance(features, features * scale + 0.5) == pytest.approx(float(expected))


def test_covariances_that_do_not_commute_agree_with_the_root_of_their_product() -> None:
    generator = torch.Generator().manual_seed(1)
    one, two = (
        torch.randn(500, 3, generator=generator, dtype=torch.float64)
        @ torch.randn(3, 3, generator=generator, dtype=torch.float64)
        for _ in range(2)
    )
    first, second = one.T.cov(), two.T.cov()
    root = torch.linalg.eigvals(first @ second).real.sqrt().sum()
    expected = (
        (one.mean(0) - two.mean(0)).square().sum() + first.trace() + second.trace() - 2 * root
    )
    assert frechet_distance(one, two) == pytest.approx(float(expected))
    assert frechet_distance(two, one) == pytest.approx(float(expected))


def test_features_that_do_not_vary_and_a_single_one() -> None:
    constant = torch.ones(5, 2)
    assert frechet_distance(constant, constant) == 0
    assert frechet_distance(torch.zeros(3, 1), torch.full((4, 1), 2.0)) == 4


def test_a_single_image_has_no_covariance() -> None:
    with pytest.raises(ValueError, match="sets of 1 and 5 images: give at least two"):
        frechet_distance(torch.zeros(1, 3), torch.zeros(5, 3))


def test_sets_with_other_features_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=r"got first \(4, 3\), second \(5, 2\)"):
        frechet_distance(torch.zeros(4, 3), torch.zeros(5, 2))
