"""Aff(2, R) as a group, and its logarithm and exponential as inverses of one another."""

import jaxtyping
import pytest
import torch

from symgen.groups import affine

NAMES = ("rotation", "scale", "stretch", "shear", "x", "y")


def random_generators(count: int, **options) -> torch.Tensor:
    """Draw coefficients whose maps turn by less than π and stay well conditioned."""
    spread = torch.tensor([1.2, 0.4, 0.4, 0.4, 10.0, 10.0], **options)
    return (2 * torch.rand(count, 6, **options) - 1) * spread


@pytest.fixture
def maps(dtype, device) -> torch.Tensor:
    return affine.exp(random_generators(50, dtype=dtype, device=device))


def points(matrix: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    return torch.einsum("...ij,pj->...pi", matrix[..., :2, :2], at) + matrix[..., None, :2, 2]


def test_compose_is_a_group(maps):
    a, b, c = maps[:16], maps[16:32], maps[32:48]
    identity = torch.eye(3).to(maps).expand(16, 3, 3)
    compose = affine.compose
    torch.testing.assert_close(compose(compose(a, b), c), compose(a, compose(b, c)))
    torch.testing.assert_close(compose(a, identity), a)
    torch.testing.assert_close(compose(a, affine.inverse(a)), identity)
    torch.testing.assert_close(compose(affine.inverse(a), a), identity)
    torch.testing.assert_close(
        affine.inverse(compose(a, b)), compose(affine.inverse(b), affine.inverse(a))
    )
    assert compose(a[:, None], b[:5]).shape == (16, 5, 3, 3)


def test_compose_acts_with_the_right_map_first(maps, dtype, device):
    at = torch.randn(7, 2, dtype=dtype, device=device)
    a, b = maps[0], maps[1]
    torch.testing.assert_close(points(affine.compose(a, b), at), points(a, points(b, at)))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_inverse_undoes_the_map_on_coordinates(dtype, tolerance, device):
    matrix = affine.exp(random_generators(200, dtype=dtype, device=device))
    at = torch.cartesian_prod(*[torch.linspace(-1, 1, 5, dtype=dtype, device=device)] * 2)
    torch.testing.assert_close(
        torch.stack(
            [points(g, points(h, at)) for g, h in zip(affine.inverse(matrix), matrix, strict=True)]
        ),
        at.expand(200, 25, 2),
        atol=tolerance,
        rtol=0,
    )
    # [A⁻¹ | -A⁻¹ b], not [A⁻¹ | -b]
    b = matrix[:, :2, 2:]
    torch.testing.assert_close(
        affine.inverse(matrix)[:, :2, 2:],
        -torch.linalg.solve(matrix[:, :2, :2], b),
        atol=100 * tolerance,
        rtol=0,
    )


@pytest.mark.parametrize("name", NAMES)
def test_each_generator_makes_a_one_parameter_group(name, dtype, device):
    g = torch.zeros(6, dtype=dtype, device=device)
    g[NAMES.index(name)] = 1.0
    within = {"atol": 100 * torch.finfo(dtype).eps, "rtol": 0}
    torch.testing.assert_close(
        affine.compose(affine.exp(0.3 * g), affine.exp(0.5 * g)), affine.exp(0.8 * g), **within
    )
    torch.testing.assert_close(affine.inverse(affine.exp(0.7 * g)), affine.exp(-0.7 * g), **within)


@pytest.mark.parametrize("size", [0.0, 1e-6, 0.02, 0.1, 0.5, 2.0, 6.0])
@pytest.mark.parametrize("kind", ["any", "rotation", "one direction", "almost", "nilpotent"])
def test_exp_is_the_matrix_exponential(size, kind, device):
    """Also where eigenvalues meet each other, or zero: there closed forms divide 0 by 0."""
    g = torch.randn(300, 6, dtype=torch.float64, device=device)
    rotation, scale, stretch, shear = g[:, :4].unbind(-1)
    if kind == "rotation":
        g[:, 2:4] = 0
    elif kind == "one direction":  # eigenvalues 0 and 2 · scale
        g[:, 0], g[:, 2], g[:, 3] = 0, scale, 0
    elif kind == "almost":
        g[:, 0], g[:, 2], g[:, 3] = 0, scale + 1e-7 * stretch, 1e-7 * shear
    elif kind == "nilpotent":  # equal eigenvalues, not diagonal
        g[:, 2], g[:, 3] = 0, rotation
    g[:, :4] *= size
    rotation, scale, stretch, shear, x, y = g.unbind(-1)
    top = torch.stack([scale + stretch, shear + rotation, x], -1)
    middle = torch.stack([shear - rotation, scale - stretch, y], -1)
    reference = torch.linalg.matrix_exp(torch.stack([top, middle, torch.zeros_like(top)], -2))
    error = (affine.exp(g) - reference).abs().amax((1, 2)) / reference.abs().amax((1, 2))
    assert error.max() < 1e-12
    assert torch.autograd.gradcheck(affine.exp, g[:3].requires_grad_(), eps=1e-5)


def test_exp_of_named_generators_is_what_the_names_say(dtype, device):
    options = {"dtype": dtype, "device": device}
    angle, size = torch.tensor(0.7, **options), torch.tensor(1.3, **options)
    similarity = affine.exp(torch.tensor([0.7, torch.log(size), 0, 0, 0, 0], **options))
    torch.testing.assert_close(similarity, affine.from_parameters(angle, size))
    maps = random_generators(20, **options)
    determinant = torch.linalg.det(affine.exp(maps)[:, :2, :2])
    torch.testing.assert_close(determinant, torch.exp(2 * maps[:, 1]))
    stretch = affine.exp(torch.tensor([0, 0, 0.5, 0, 0, 0], **options))
    assert stretch[0, 0] > 1 > stretch[1, 1]


@pytest.mark.parametrize("size", [1.0, 1e-2, 1e-4, 1e-8, 0.0])
def test_log_inverts_exp(size, dtype, device):
    g = size * random_generators(500, dtype=dtype, device=device)
    torch.testing.assert_close(affine.log(affine.exp(g)), g)


@pytest.mark.parametrize("angle", [-3.14, -1.6, 0.0, 0.02, 0.04, 1.6, 3.1, 3.14])
@pytest.mark.parametrize("shear", [0.0, 1e-3, 0.5])
def test_log_inverts_exp_for_rotations_below_half_a_turn(angle, shear, dtype, device):
    g = torch.tensor([angle, 0.2, -0.7 * shear, shear, 3.0, -2.0], dtype=dtype, device=device)
    if shear < 0.1 or abs(angle) < 3:  # |angle|² - |shear|² keeps the eigenvalues below iπ
        # Rounding errors are divided by the distance to half a turn, the end of the domain.
        within = 100 * torch.finfo(dtype).eps / (torch.pi - abs(angle))
        torch.testing.assert_close(affine.log(affine.exp(g)), g, rtol=0, atol=within)


def test_exp_inverts_log_on_its_whole_domain(dtype, device):
    matrix = torch.eye(3, dtype=dtype, device=device).repeat(5000, 1, 1)
    matrix[:, :2] += torch.randn(5000, 2, 3, dtype=dtype, device=device)
    determinant = torch.linalg.det(matrix[:, :2, :2])
    trace = matrix[:, 0, 0] + matrix[:, 1, 1]
    inside = (determinant > 0.05) & (trace > -1.9 * determinant.clamp(min=0).sqrt())
    assert inside.sum() > 1000
    matrix = matrix[inside]
    torch.testing.assert_close(affine.exp(affine.log(matrix)), matrix, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("angle", [0.0, 0.5, 3.0])
def test_gradients_of_exp_and_log(angle, device):
    g = torch.tensor([angle, 0.1, 0.0, 0.0, 1.0, 2.0], dtype=torch.float64, device=device)
    assert torch.autograd.gradcheck(affine.exp, g.requires_grad_())
    matrix = affine.exp(g.detach()).requires_grad_()
    assert torch.autograd.gradcheck(affine.log, matrix)


@pytest.mark.parametrize(
    "diagonal", [(1.0, -1.0), (-1.0, -1.0), (-2.0, -0.5), (0.0, 1.0)], ids=str
)
def test_log_refuses_maps_outside_its_domain(diagonal):
    outside = torch.diag(torch.tensor([*diagonal, 1.0]))
    with pytest.raises(ValueError, match="1 of 2 affine maps have no principal logarithm"):
        affine.log(torch.stack([torch.eye(3), outside]))


def test_generators_compose_as_the_maps_do(dtype, device):
    left, right = (random_generators(200, dtype=dtype, device=device) for _ in range(2))
    product = affine.exp(left) @ affine.exp(right)
    inside = affine.has_log(product)
    composed = affine.compose_generators(left, right)
    assert 0 < inside.sum() <= len(inside)
    torch.testing.assert_close(affine.exp(composed)[inside], product[inside], rtol=1e-4, atol=1e-4)
    assert torch.equal(composed[~inside], left[~inside])


def test_generators_whose_product_has_no_logarithm_stay_and_pass_gradients(device):
    turn = torch.tensor([[3.1, 0, 0, 0, 3, 0], [0.0] * 6], device=device, requires_grad=True)
    stretch = torch.tensor([0, 0, 0.5, 0, 1, 0], device=device)
    composed = affine.compose_generators(turn, stretch.expand(2, 6))
    assert torch.equal(composed[0], turn[0])
    torch.testing.assert_close(composed[1], stretch)
    composed.sum().backward()
    assert turn.grad is not None and turn.grad.isfinite().all()
    assert torch.equal(turn.grad[0], torch.ones_like(turn[0]))


def test_gradients_of_composed_generators(device):
    pair = [
        (0.3 * torch.randn(1, 6, dtype=torch.float64, device=device)).requires_grad_()
        for _ in range(2)
    ]
    assert torch.autograd.gradcheck(affine.compose_generators, pair)


def test_parameters_round_trip(dtype, device):
    options = {"dtype": dtype, "device": device}
    angle = torch.linspace(-3.1, 3.1, 30, **options)
    scale = torch.rand(30, **options) + 0.3
    shift = torch.randn(30, 2, **options)
    read = affine.to_parameters(affine.from_parameters(angle, scale, shift))
    torch.testing.assert_close(tuple(read), (angle, scale, shift))
    assert affine.from_parameters(angle[:, None], scale[:4]).shape == (30, 4, 3, 3)


def test_parameters_of_any_map_are_those_of_its_polar_decomposition(dtype, device):
    matrix = affine.exp(random_generators(30, dtype=dtype, device=device))
    angle, scale, _ = affine.to_parameters(matrix)
    symmetric = affine.compose(affine.inverse(affine.from_parameters(angle, scale)), matrix)
    torch.testing.assert_close(symmetric[:, 0, 1], symmetric[:, 1, 0])
    torch.testing.assert_close(
        torch.linalg.det(symmetric), torch.ones(30, dtype=dtype, device=device)
    )


def test_positive_angles_turn_counter_clockwise_on_the_screen(dtype, device):
    quarter = affine.from_parameters(
        torch.tensor(torch.pi / 2, dtype=dtype, device=device),
        torch.tensor(2.0, dtype=dtype, device=device),
    )
    right, up = torch.tensor([[1.0, 0.0], [0.0, -1.0]], dtype=dtype, device=device)  # y is down
    torch.testing.assert_close(points(quarter, right[None])[0], 2 * up)


@pytest.mark.parametrize(
    "function",
    [affine.exp, affine.from_raw, lambda g: affine.exp(affine.compose_generators(g, g))],
)
def test_nothing_branches_on_values(function):
    """Tensors without values pass through, so the function compiles to one graph."""
    raw = torch.zeros(5, 6, device="meta", requires_grad=True)
    matrix = function(raw)
    matrix.sum().backward()
    assert matrix.shape == (5, 3, 3)
    assert raw.grad is not None


def test_poses_that_are_invertible_pass_the_check(maps):
    affine.check_pose(maps)
    affine.check_pose(maps[0])


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ((1, 1), 0.0, r"\[1.0, 0.0, 0.0\].*singular"),
        ((0, 2), float("nan"), "nan.*not finite"),
        ((1, 0), float("inf"), "inf.*not finite"),
        ((2, 0), 0.25, r"\[0.25, 0.0, 1.0\].*last row"),
    ],
)
def test_a_pose_that_is_not_an_invertible_affine_map_is_quoted(
    entry, value, message, dtype, device
):
    poses = torch.eye(3, dtype=dtype, device=device).repeat(2, 2, 1, 1)
    poses[1, 0][entry] = value
    with pytest.raises(ValueError, match=message):
        affine.check_pose(poses)


@pytest.mark.parametrize(
    "call",
    [
        lambda: affine.check_pose(torch.zeros(4, 2, 2)),
        lambda: affine.from_raw(torch.zeros(4, 5)),
        lambda: affine.inverse(torch.zeros(4, 2, 2)),
        lambda: affine.log(torch.zeros(4, 2, 2)),
        lambda: affine.to_parameters(torch.zeros(4, 2, 2)),
        lambda: affine.compose(torch.eye(3), torch.zeros(4, 2, 2)),
        lambda: affine.exp(torch.zeros(4, 5)),
    ],
)
def test_wrong_shapes_are_named(call, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=r"shape.* \(4, (2, 2|5)\)"):
        call()
