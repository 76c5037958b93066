"""Clusters against classes, and angles against the true ones."""

import pytest
import torch

from symgen.metrics import angle_errors, cluster_scores


def test_clusters_that_are_classes_under_other_numbers_are_perfect():
    true = torch.arange(60) % 4
    assert cluster_scores(torch.tensor([3, 0, 2, 1])[true], true) == (100.0, 100.0, 4)


def test_two_clusters_of_a_class_count_once_or_twice():
    true = torch.zeros(10, dtype=torch.int64)
    found = torch.tensor([0] * 6 + [5] * 4)
    assert cluster_scores(found, true) == (60.0, 100.0, 2)


def test_one_cluster_for_all_is_as_good_as_the_most_frequent_class():
    true = torch.tensor([0, 1, 1, 2])
    assert cluster_scores(torch.full((4,), 7), true) == (50.0, 50.0, 1)
    with pytest.raises(ValueError, match="give one at least"):
        cluster_scores(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))


def test_angles_may_have_an_offset_for_every_class_and_an_object_its_own_symmetry():
    generator = torch.Generator().manual_seed(0)
    true = 360 * torch.rand(300, generator=generator)
    labels = torch.arange(300) % 3
    offset = torch.tensor([170.0, -20.0, 300.0])[labels]
    noise = 4 * torch.randn(300, generator=generator)
    turns = 180 * torch.randint(2, (300,), generator=generator)
    one = torch.ones(300, dtype=torch.int64)
    sure = angle_errors(true + offset + noise, true, labels, one)
    assert float(sure.median()) == pytest.approx(float(noise.abs().median()), abs=1.0)
    turned = true + offset + noise + turns
    assert float(angle_errors(turned, true, labels, 2 * one).median()) < 4
    assert float(angle_errors(turned, true, labels, one).median()) > 20
    with pytest.raises(ValueError, match="symmetry as little as 0"):
        angle_errors(true, true, labels, 0 * one)
