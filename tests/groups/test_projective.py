"""The tilt against the product of 3 x 4 and 4 x 4 matrices that defines it."""

import math

import numpy as np
import pytest
import torch

from symgen.groups import projective

SIZE = 28
DIAGONAL = math.hypot(SIZE, SIZE)


def tilt_by_definition(angle: float) -> np.ndarray:
    """Multiply A2 T (R_y R_z) A1 in pixel indices, the centre being (SIZE / 2, SIZE / 2)."""
    c, s = math.cos(angle), math.sin(angle)
    f = DIAGONAL / (2 * s)
    m = SIZE / 2
    onto_plane = np.array([[1, 0, -m], [0, 1, -m], [0, 0, 1], [0, 0, 1]])
    about_y = np.array([[c, 0, -s, 0], [0, 1, 0, 0], [s, 0, c, 0], [0, 0, 0, 1]])
    about_z = np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    away = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, f], [0, 0, 0, 1]])
    onto_screen = np.array([[f, 0, m, 0], [0, f, m, 0], [0, 0, 1, 0]])
    return onto_screen @ away @ about_y @ about_z @ onto_plane


@pytest.mark.parametrize("degrees", [20, 40, 80, 100, 160, 181, 200, 260, 340])
def test_tilt_is_the_defining_product(degrees, dtype, device):
    angle = math.radians(degrees)
    by_definition = tilt_by_definition(angle)
    shift = np.array([[1, 0, SIZE / 2], [0, 1, SIZE / 2], [0, 0, 1]])
    centred = np.linalg.inv(shift) @ by_definition @ shift
    focal = DIAGONAL / (2 * math.sin(angle))
    tilted = projective.tilt(torch.tensor(angle, dtype=dtype, device=device), DIAGONAL)
    expected = torch.from_numpy(centred / focal).to(tilted)
    torch.testing.assert_close(tilted, expected, atol=1e-4, rtol=1e-4)


def test_tilt_is_the_identity_at_zero_and_continuous_everywhere(dtype, device):
    angles = torch.linspace(0, 2 * math.pi, 20001, dtype=dtype, device=device)
    tilted = projective.tilt(angles, DIAGONAL)
    identity = torch.eye(3, dtype=dtype, device=device)
    torch.testing.assert_close(tilted[0], identity)
    torch.testing.assert_close(tilted[-1], identity, atol=1e-5, rtol=0)
    assert (tilted[1:] - tilted[:-1]).abs().max() < 1e-3


def test_the_plane_is_edge_on_where_the_docstring_says(dtype, device):
    edge_on = math.atan(-DIAGONAL / 2) + math.pi
    around = torch.tensor([edge_on - 0.1, edge_on, edge_on + 0.1], dtype=dtype, device=device)
    before, there, after = torch.linalg.det(projective.tilt(around, DIAGONAL)).tolist()
    assert before > 0.05 > abs(there) < 1e-5
    assert after < -0.05
