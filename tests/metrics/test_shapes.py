"""What is said of tensors that do not fit together."""

import pytest
import torch

from symgen.metrics.shapes import require_shapes


def required(axes, shapes):
    require_shapes(*((name, torch.zeros(shapes[name]), names) for name, names in axes.items()))


@pytest.mark.parametrize(
    "shapes",
    [
        ((4, 5, 2), (4, 5, 3), (4,)),
        ((4, 5, 2, 6), (4, 6, 3), (4,)),
        ((4, 5, 2, 6), (4, 5, 3), (3,)),
    ],
)
def test_shapes_that_do_not_fit_are_named(shapes):
    axes = {"t": "B S C D", "factors": "B S F", "moved": "B"}
    with pytest.raises(ValueError, match="shapes do not fit") as raised:
        required(axes, dict(zip(axes, shapes, strict=True)))
    assert str(raised.value).endswith(
        f"got t {shapes[0]}, factors {shapes[1]}, moved {shapes[2]}; "
        "expected t (B, S, C, D), factors (B, S, F), moved (B)"
    )


DATA = {"x": "B S *data", "mean_frame": "*data"}


@pytest.mark.parametrize("data", [(7,), (3, 8, 8), (1, 4, 8, 8)])
def test_a_star_stands_for_data_of_any_shape(data):
    required(DATA, {"x": (2, 5, *data), "mean_frame": data})


@pytest.mark.parametrize(
    ("x", "mean_frame"),
    [((2, 5, 7), (8,)), ((2, 5, 3, 8, 8), (8, 8)), ((2, 5, 7), (1, 7)), ((2, 5), ())],
)
def test_a_star_stands_for_the_same_axes_everywhere_and_at_least_one(x, mean_frame):
    with pytest.raises(ValueError, match=r"expected x \(B, S, \*data\), mean_frame \(\*data\)"):
        required(DATA, {"x": x, "mean_frame": mean_frame})
