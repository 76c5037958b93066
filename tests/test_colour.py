"""Hue vectors against the published table and against the standard library's HSV."""

import colorsys

import pytest
import torch

from symgen.groups import hue_vector

THIRD, TWO_THIRDS = 1 / 3, 2 / 3
TABLE = {  # entry of the hue set, which is 180 degrees more than the offset from red
    0: (0, 1, 1),
    20: (0, TWO_THIRDS, 1),
    40: (0, THIRD, 1),
    60: (0, 0, 1),
    80: (THIRD, 0, 1),
    100: (TWO_THIRDS, 0, 1),
    120: (1, 0, 1),
    140: (1, 0, TWO_THIRDS),
    160: (1, 0, THIRD),
    180: (1, 0, 0),
    200: (1, THIRD, 0),
    220: (1, TWO_THIRDS, 0),
    240: (1, 1, 0),
    260: (TWO_THIRDS, 1, 0),
    280: (THIRD, 1, 0),
    300: (0, 1, 0),
    320: (0, 1, THIRD),
    340: (0, 1, TWO_THIRDS),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_published_table_holds_exactly(dtype, device):
    offsets = torch.tensor([entry - 180 for entry in TABLE], dtype=dtype, device=device)
    table = torch.tensor(list(TABLE.values()), dtype=torch.float64).to(device, dtype)
    assert torch.equal(hue_vector(offsets), table)


def test_it_is_what_turning_the_hue_of_pure_red_does(dtype, device):
    degrees = 1000 * torch.rand(200, dtype=dtype, device=device) - 500
    brightness = torch.rand(200, dtype=dtype, device=device)
    expected = []
    for offset, value in zip(degrees.tolist(), brightness.tolist(), strict=True):
        hue, saturation, level = colorsys.rgb_to_hsv(value, 0.0, 0.0)
        expected.append(colorsys.hsv_to_rgb((hue + offset / 360) % 1, saturation, level))
    expected = torch.tensor(expected, dtype=dtype, device=device)
    colour = brightness[:, None] * hue_vector(degrees)
    torch.testing.assert_close(
        colour, expected, atol=1e-4 if dtype == torch.float32 else 1e-10, rtol=0
    )


def test_it_keeps_batch_dimensions(dtype, device):
    assert hue_vector(torch.zeros(2, 3, dtype=dtype, device=device)).shape == (2, 3, 3)
