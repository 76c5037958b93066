"""What counts as data in [0, 1]."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from symgen.data import require_unit_range


@given(st.lists(st.floats(width=32), max_size=6))
def test_floats_are_refused_just_if_one_is_outside(values):
    inside = all(0 <= value <= 1 for value in values)
    try:
        require_unit_range("x", torch.tensor(values, dtype=torch.float32))
    except ValueError:
        assert not inside
    else:
        assert inside


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_precision_and_shape_is_fine(kind):
    for shape in ((), (0, 3), (2, 3, 4)):
        require_unit_range("x", torch.rand(shape, dtype=kind, requires_grad=True))
    require_unit_range("x", torch.tensor([0.0, 1.0], dtype=kind))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.5, 255.0], "^frames reaches from 0.5 to 255: scale or clamp it to .0, 1., or take"),
        ([-0.25, 0.5], "^frames reaches from -0.25 to 0.5"),
        ([0.5, float("nan")], "^frames reaches from nan to nan"),
        ([0.5, float("inf")], "^frames reaches from 0.5 to inf"),
        ([0, 1], "^frames is torch.int64: divide by 255"),
        ([False, True], "^frames is torch.bool"),
    ],
)
def test_what_is_outside_is_named(values, message):
    with pytest.raises(ValueError, match=message):
        require_unit_range("frames", torch.tensor(values))
