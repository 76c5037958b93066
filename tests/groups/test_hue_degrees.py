"""The hue that a colour matrix turns by."""

import pytest
import torch

from symgen.groups import colour


@pytest.mark.parametrize("degrees", [0.0, 40.0, 179.0, -120.0])
def test_hues_are_read_off_colour_matrices(degrees, dtype):
    turn = colour.hue_rotation(torch.tensor(degrees, dtype=dtype))
    assert float(colour.hue_degrees(turn)) == pytest.approx(degrees, abs=1e-3)
    assert float(colour.hue_degrees(3 * turn)) == pytest.approx(degrees, abs=1e-3)
