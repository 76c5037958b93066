import jaxtyping
import pytest
import torch

from symgen.groups import affine
from symgen.metrics import pose_coordinates, pose_recovery


@pytest.fixture
def poses(device, dtype):
    true = torch.randn(400, 3, device=device, dtype=dtype)
    return true, torch.arange(400, device=device) % 10


def test_statistics_that_are_the_pose_in_other_coordinates_recover_it(poses, device, dtype):
    true, labels = poses
    mixing = torch.randn(3, 5, device=device, dtype=dtype)
    offsets = 10 * torch.randn(10, 5, device=device, dtype=dtype)
    found = pose_recovery(true @ mixing + offsets[labels], true, labels)
    torch.testing.assert_close(found, torch.ones_like(found), rtol=0, atol=1e-4)


def test_an_offset_within_a_class_is_not_forgiven(poses, device, dtype):
    true, labels = poses
    offsets = 10 * torch.randn(400, 3, device=device, dtype=dtype)
    assert (pose_recovery(true + offsets, true, labels) < 0.3).all()


def test_noise_recovers_what_its_degrees_of_freedom_explain(poses):
    true, labels = poses
    found = pose_recovery(torch.randn_like(true), true, labels)
    assert (found - (3 + 9) / 399).abs().max() < 0.04


def test_half_the_variance_recovers_half(device, dtype):
    true = torch.randn(20_000, 1, device=device, dtype=dtype)
    labels = torch.zeros(20_000, dtype=torch.int64, device=device)
    found = pose_recovery(true + torch.randn_like(true), true, labels)
    assert float(found) == pytest.approx(0.5, abs=0.02)


def test_a_parameter_that_never_changes_has_no_number(poses):
    true, labels = poses
    true[:, 1] = 2.5
    assert pose_recovery(true, true, labels).isnan().tolist() == [False, True, False]


def test_a_class_that_is_absent_and_a_constant_statistic_change_nothing(poses):
    true, labels = poses
    noisy = true + torch.randn_like(true)
    padded = torch.cat([noisy, torch.ones_like(noisy[:, :1])], 1)
    sparse = torch.where(labels == 4, 12, labels)
    expected = pose_recovery(noisy, true, labels)
    torch.testing.assert_close(pose_recovery(padded, true, sparse), expected)


def test_too_few_images_and_other_lengths_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="5 examples for a regression on 7 numbers"):
        pose_recovery(torch.rand(5, 2), torch.rand(5, 1), torch.arange(5))
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match="labels"):
        pose_recovery(torch.rand(50, 2), torch.rand(50, 1), torch.arange(49))


def test_perfect_poses_score_1_in_coordinates_and_less_in_generators():
    """The poses of RTS-MNIST, read in a canonical pose of each class."""
    generator = torch.Generator().manual_seed(0)
    uniform = 2 * torch.rand(2000, 4, generator=generator) - 1
    angle, scale = uniform[:, 0] * torch.pi / 4, 0.95 + 0.25 * uniform[:, 1]
    true = affine.from_parameters(angle, scale, 7 * uniform[:, 2:])
    labels = torch.arange(2000) % 10
    generators = torch.tensor([0.1, 0.1, 0.15, 0.15, 0.5, 0.5])
    canonical = affine.exp(generators * torch.randn(10, 6, generator=generator))
    read = true @ canonical[labels]
    parameters = torch.cat([angle[:, None], scale.log()[:, None], 7 * uniform[:, 2:]], 1)
    assert pose_recovery(pose_coordinates(read), parameters, labels).min() > 0.99
    shift = pose_recovery(affine.log(read), parameters, labels)[2:]
    assert shift.min() > 0.9 and shift.max() < 0.96


def test_a_pose_without_logarithm_counts_as_unturned():
    flipped = torch.diag(torch.tensor([-2.0, -0.5, 1.0]))
    flipped[0, 2] = 3.0
    expected = torch.tensor([0.0, 0.0, 0.0, 0.0, 3.0, 0.0])
    torch.testing.assert_close(pose_coordinates(flipped), expected)
