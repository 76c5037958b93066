"""Probes find what is there, and nothing where there is nothing."""

import math

import pytest
import torch

from symgen.metrics import linear_probe, phase_r2, phases, pooled_capsules


def clusters(count):
    labels = torch.arange(count) % 4
    centres = 6 * torch.eye(4)
    return centres[labels] + torch.randn(count, 4), labels


def test_separable_classes_are_told_and_shuffled_labels_are_not():
    codes, labels = clusters(800)
    test_codes, test_labels = clusters(400)
    few, all_labels = linear_probe(codes, labels, test_codes, test_labels, (10, None))
    assert few.labels == 10 and few.mean > 0.9 and few.std >= 0
    assert all_labels.labels == 800 and all_labels.mean > 0.98 and math.isnan(all_labels.std)
    shuffled = labels[torch.randperm(800)]
    (chance,) = linear_probe(codes, shuffled, test_codes, test_labels, (None,))
    assert 0.1 < chance.mean < 0.4


def test_draws_hold_every_class_equally_often():
    # One class in a hundred: a draw at random of ten labels would miss it nine times in ten.
    labels = (torch.arange(1000) % 100 == 0).long()
    codes = 10.0 * labels[:, None] + torch.randn(1000, 2)
    (accuracy,) = linear_probe(codes, labels, codes, labels, (10,), draws=3)
    assert accuracy.mean > 0.99


@pytest.mark.parametrize("size", [3, 801])
def test_impossible_numbers_of_labels_are_refused(size):
    codes, labels = clusters(800)
    with pytest.raises(ValueError, match=f"size {size}: there are 800 labels of 4 classes"):
        linear_probe(codes, labels, codes, labels, (size,))


def test_no_roll_changes_pooled_capsules_and_each_turns_the_phase():
    t = torch.randn(5, 3, 7, dtype=torch.float64)
    torch.testing.assert_close(pooled_capsules(t.roll(3, -1)), pooled_capsules(t))
    cosine, sine = phases(t).chunk(2, -1)
    turned_cosine, turned_sine = phases(t.roll(3, -1)).chunk(2, -1)
    angle = 2 * math.pi * 3 / 7
    torch.testing.assert_close(turned_cosine, math.cos(angle) * cosine - math.sin(angle) * sine)
    torch.testing.assert_close(turned_sine, math.sin(angle) * cosine + math.cos(angle) * sine)


def test_rolling_capsules_tell_the_factor_and_noise_does_not():
    base = torch.randn(1, 4, 8)
    factor, test_factor = torch.randint(8, (400,)), torch.randint(8, (200,))

    def rolled(values):
        return torch.cat([base.roll(int(k), -1) for k in values]) + 0.1 * torch.randn(1, 4, 8)

    assert phase_r2(rolled(factor), factor, 8, rolled(test_factor), test_factor) > 0.99
    noise, test_noise = torch.randn(400, 4, 8), torch.randn(200, 4, 8)
    assert abs(phase_r2(noise, factor, 8, test_noise, test_factor)) < 0.1


def test_a_test_factor_that_never_changes_has_no_r2():
    t, factor = torch.randn(60, 2, 6), torch.arange(60) % 6
    assert math.isnan(phase_r2(t, factor, 6, t, torch.full_like(factor, 2)))
