"""Six raw numbers as an affine map whose determinant is kept within bounds."""

import pytest
import torch

from symgen.groups import affine


def raw_numbers(count: int, spread: float, **options) -> torch.Tensor:
    """Draw numbers whose maps have determinants far below, inside and above the bounds."""
    return spread * torch.randn(count, 6, **options)


def determinants(matrix: torch.Tensor) -> torch.Tensor:
    a, b, c, d = matrix[..., :2, :2].flatten(-2).unbind(-1)
    return a * d - b * c


def test_raw_numbers_inside_the_bounds_are_added_to_the_identity(dtype, device):
    raw = raw_numbers(2000, 0.5, dtype=dtype, device=device)
    expected = torch.eye(3, dtype=dtype, device=device).repeat(2000, 1, 1)
    expected[:, :2, :2] += raw[:, :4].unflatten(-1, (2, 2))
    expected[:, :2, 2] = raw[:, 4:]
    inside = (determinants(expected) >= 0.2) & (determinants(expected) <= 5)
    assert 500 < inside.sum() < 1900
    guarded = affine.from_raw(raw)
    assert torch.equal(guarded[inside], expected[inside])
    assert (guarded[~inside] != expected[~inside]).flatten(1).any(1).all()
    assert torch.equal(affine.from_raw(torch.zeros_like(raw[0])), torch.eye(3).to(raw))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("spread", [0.3, 2.0, 20.0])
@pytest.mark.parametrize("bounds", [(0.2, 5.0), (0.5, 1.0), (1.0, 1.0)], ids=str)
def test_the_guard_keeps_the_determinant_in_bounds(spread, bounds, dtype, device):
    raw = raw_numbers(2000, spread, dtype=dtype, device=device)
    determinant = determinants(affine.from_raw(raw, *bounds))
    rounding = 10 * torch.finfo(dtype).eps * (1 + raw.abs().amax()).square()
    assert determinant.min() > bounds[0] - rounding
    assert determinant.max() < bounds[1] + rounding


def test_the_guard_keeps_the_anti_conformal_part_and_the_angle(dtype, device):
    raw = raw_numbers(500, 1.0, dtype=dtype, device=device)
    before = torch.eye(2).to(raw) + raw[:, :4].unflatten(-1, (2, 2))
    after = affine.from_raw(raw)[:, :2, :2]

    def parts(a: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        angle = torch.atan2(a[:, 0, 1] - a[:, 1, 0], a[:, 0, 0] + a[:, 1, 1])
        return angle, a[:, 0, 0] - a[:, 1, 1], a[:, 0, 1] + a[:, 1, 0]

    torch.testing.assert_close(parts(after), parts(before))


def test_the_guard_is_continuous_across_its_bounds(device):
    """Along lines through the bounds, det 0 and reflections, a small step moves the map little."""
    options = {"dtype": torch.float64, "device": device}
    steps = torch.linspace(0, 3, 30_001, **options)[:, None]
    ends = torch.tensor([[-1.0, 0.2, 0.1, 0.3], [1.0, 0.5, -0.2, 1.0], [-0.1, 1.0, 1.0, 0.1]])
    for end in ends.to(**options):
        raw = torch.cat([steps * end, torch.zeros(len(steps), 2, **options)], -1)
        unguarded = determinants(torch.eye(2, **options) + raw[:, :4].unflatten(-1, (2, 2)))
        assert unguarded.min() < 0.2 or unguarded.max() > 5
        assert affine.from_raw(raw).diff(dim=0).abs().max() < 2e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "linear",
    [
        (0.0, 0.0, 0.0, 0.0),  # identity, where singular values are equal
        (-1.0, 0.0, 0.0, -1.0),  # A = 0
        (-1.0, 0.0, 0.0, 0.0),  # det 0
        (-2.0, 0.0, 0.0, 0.0),  # reflection: no conformal part
        (-2.0, 1e-5, 0.0, 0.0),  # almost so
        (-1.0, 1.0, 1.0, -1.0),  # reflection in a diagonal
        (-2.0, 0.0, 0.0, -2.0),  # half turn
        (-0.8, 0.0, 0.0, 0.0),  # on a bound
        (30.0, -40.0, 25.0, 50.0),
    ],
    ids=str,
)
def test_the_guard_has_finite_gradients_everywhere(linear, dtype, device):
    raw = torch.tensor([*linear, 1.0, 2.0], dtype=dtype, device=device, requires_grad=True)
    matrix = affine.from_raw(raw)
    assert matrix.isfinite().all()
    for entry in matrix[:2].flatten():
        (gradient,) = torch.autograd.grad(entry, raw, retain_graph=True)
        assert gradient.isfinite().all() and gradient.abs().max() < 1e4


@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0])
def test_the_gradients_of_the_guard_are_right(spread, device):
    raw = raw_numbers(6, spread, dtype=torch.float64, device=device)
    assert torch.autograd.gradcheck(affine.from_raw, raw.requires_grad_())


@pytest.mark.parametrize("bounds", [(0.0, 5.0), (1.1, 5.0), (0.2, 0.9), (-1.0, 2.0)], ids=str)
def test_bounds_must_enclose_the_identity(bounds):
    with pytest.raises(ValueError, match=f"bounds {bounds[0]} and {bounds[1]}"):
        affine.from_raw(torch.zeros(6), *bounds)
