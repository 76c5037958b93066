"""Scores of disentanglement find what is there, and nothing where there is nothing."""

import math

import pytest
import torch

from symgen.metrics import dci, mutual_information_gap


def factors_and_codes(count, mixed):
    factors = torch.stack([torch.randint(4, (count,)), torch.randint(6, (count,))], 1)
    codes = factors / torch.tensor([3.0, 5.0]) + 0.01 * torch.randn(count, 2)
    if mixed:
        angle = math.pi / 4
        turn = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        codes = codes @ torch.tensor(turn)
    return torch.cat([codes, torch.randn(count, 1)], 1), factors


def test_codes_along_the_factors_score_best_mixed_ones_less_noise_nothing():
    aligned, mixed = factors_and_codes(1500, False), factors_and_codes(1500, True)
    noise = (torch.randn(1500, 3), aligned[1])
    gaps = [mutual_information_gap(*pair) for pair in (aligned, mixed, noise)]
    assert gaps[0] > 0.95 and gaps[1] < 0.5 * gaps[0] and gaps[2] < 0.02
    scores = []
    for codes, factors in (aligned, mixed, noise):
        half = len(codes) // 2
        scores.append(dci(codes[:half], factors[:half], codes[half:], factors[half:], trees=10))
    for name in ("disentanglement", "completeness", "informativeness"):
        best, less, none = (getattr(score, name) for score in scores)
        assert best > 0.9 and none < 0.35
        assert less < best - 0.02 or name == "informativeness"
    assert scores[1].disentanglement < 0.6


def test_a_constant_factor_is_left_out_and_nothing_but_constants_refused():
    codes, factors = factors_and_codes(500, False)
    constant = torch.cat([factors, torch.full((500, 1), 3)], 1)
    assert mutual_information_gap(codes, constant) == mutual_information_gap(codes, factors)
    with pytest.raises(ValueError, match="none of them varies"):
        mutual_information_gap(codes, constant[:, 2:])
    with pytest.raises(ValueError, match=r"\(500, 1\).*two codes"):
        dci(codes[:, :1], factors, codes[:, :1], factors)


def test_codes_that_never_change_tell_nothing():
    _, factors = factors_and_codes(300, False)
    constant = torch.ones(300, 3)
    score = dci(constant, factors, constant, factors, trees=3)
    assert score.disentanglement == score.completeness == 0
    assert score.informativeness < 0.4
    assert mutual_information_gap(constant, factors) == 0
