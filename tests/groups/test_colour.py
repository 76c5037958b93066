"""SL(3, R) as a group; hue vectors against a published table and the standard library's HSV."""

import colorsys

import jaxtyping
import pytest
import torch

from symgen.groups import colour, hue_vector

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


@pytest.fixture
def generators(dtype, device) -> torch.Tensor:
    """Coefficients of matrices well inside the domain of the logarithm."""
    return 0.6 * torch.randn(200, 8, dtype=dtype, device=device)


def derivatives(**options) -> torch.Tensor:
    """Generators as matrices: the derivatives of `exp` at 0."""
    zero = torch.zeros(8, **options)
    return torch.autograd.functional.jacobian(colour.exp, zero).movedim(-1, 0)


def test_the_generators_are_an_orthogonal_basis_of_the_traceless_matrices(dtype, device):
    basis = derivatives(dtype=dtype, device=device)
    gram = torch.einsum("aij,bij->ab", basis, basis)
    torch.testing.assert_close(gram, 2 * torch.eye(8).to(basis))
    trace = basis.diagonal(dim1=-2, dim2=-1).sum(-1)
    torch.testing.assert_close(trace, torch.zeros_like(trace))


def test_the_generators_are_what_the_names_say(dtype, device):
    basis = derivatives(dtype=dtype, device=device)
    torch.testing.assert_close(basis[:3].mT, -basis[:3])
    torch.testing.assert_close(basis[3:].mT, basis[3:])
    axes = torch.tensor([[1, 1, 1], [2, -1, -1], [0, 1, -1]]).to(basis)
    grey, red, green = axes
    zero = torch.zeros_like(axes)
    torch.testing.assert_close(torch.einsum("aij,aj->ai", basis[:3], axes), zero)  # its own axis
    assert (basis[0] @ red)[1] > 0  # red turns towards green
    saturated = basis[3] @ axes.mT
    ratio = torch.tensor([-2.0, 1.0, 1.0]).to(basis) / 3**0.5
    torch.testing.assert_close(saturated, axes.mT * ratio)
    torch.testing.assert_close(basis[4] @ axes.mT, axes.mT * torch.tensor([0, 1, -1]).to(basis))
    for generator, fixed in zip(basis[5:], (grey, green, red), strict=True):
        torch.testing.assert_close(generator @ fixed, zero[0])


def test_exp_is_a_homomorphism_on_lines_into_determinant_one(generators):
    matrix = colour.exp(generators)
    identity = torch.eye(3).to(matrix)
    one = torch.ones(200).to(matrix)
    torch.testing.assert_close(torch.linalg.det(matrix), one, rtol=0, atol=1e-5)
    torch.testing.assert_close(
        colour.exp(0.3 * generators) @ colour.exp(0.7 * generators), matrix, rtol=1e-5, atol=1e-5
    )
    torch.testing.assert_close(
        colour.exp(-generators), colour.inverse(matrix), rtol=1e-4, atol=1e-4
    )
    assert torch.equal(colour.exp(torch.zeros(2, 8).to(matrix)), identity.expand(2, 3, 3))


def test_the_inverse_undoes_any_matrix(dtype, device):
    matrix = torch.randn(50, 3, 3, dtype=dtype, device=device) + 3 * torch.eye(3).to(device, dtype)
    identity = torch.eye(3).to(matrix).expand(50, 3, 3)
    torch.testing.assert_close(colour.inverse(matrix) @ matrix, identity, rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [0.0, 0.5])
def test_gradients_of_exp(size, device):
    g = size * torch.randn(8, dtype=torch.float64, device=device)
    assert torch.autograd.gradcheck(colour.exp, g.requires_grad_())


def test_hue_rotations_are_exp_of_the_first_generator(dtype, device):
    degrees = torch.linspace(-400, 400, 33, dtype=dtype, device=device).unflatten(0, (3, 11))
    g = torch.deg2rad(degrees)[..., None] * torch.eye(8, dtype=dtype, device=device)[0]
    torch.testing.assert_close(colour.hue_rotation(degrees), colour.exp(g), rtol=0, atol=1e-6)


def test_hue_rotations_keep_grey_and_permute_the_primaries_as_hue_vectors_do(dtype, device):
    third = colour.hue_rotation(torch.tensor(120.0, dtype=dtype, device=device))
    primaries = hue_vector(torch.tensor([0.0, 120.0, 240.0], dtype=dtype, device=device))
    torch.testing.assert_close(primaries @ third.mT, primaries.roll(-1, 0), rtol=0, atol=1e-6)
    grey = torch.ones(3, dtype=dtype, device=device)
    any_turn = colour.hue_rotation(torch.tensor(17.0, dtype=dtype, device=device))
    torch.testing.assert_close(any_turn @ grey, grey)


def test_the_action_mixes_channels_and_composes(generators):
    left, right = colour.exp(generators[:4]), colour.exp(generators[4:8])
    images = torch.rand(4, 3, 5, 6).to(left)
    once = colour.act(images, right)
    torch.testing.assert_close(once[1, :, 2, 3], right[1] @ images[1, :, 2, 3])
    close = {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(colour.act(once, left), colour.act(images, left @ right), **close)
    torch.testing.assert_close(colour.act(once, colour.inverse(right)), images, **close)


def test_the_action_broadcasts(generators):
    matrix = colour.exp(generators[:4])
    images = torch.rand(4, 3, 5, 6).to(matrix)
    one_by_one = torch.stack([torch.stack([colour.act(x, m) for m in matrix]) for x in images])
    torch.testing.assert_close(colour.act(images[:, None], matrix), one_by_one)
    torch.testing.assert_close(colour.act(images[0], matrix), one_by_one[0])
    torch.testing.assert_close(colour.act(images, matrix[0]), one_by_one[:, 0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: colour.exp(torch.zeros(4, 6)), r"shape \(4, 6\)"),
        (lambda: colour.inverse(torch.zeros(8)), r"shape \(8,\)"),
        (lambda: colour.act(torch.zeros(3, 4, 5), torch.eye(2)), r"shape \(2, 2\)"),
        (lambda: colour.act(torch.zeros(1, 4, 5), torch.eye(3)), r"images \(1, 4, 5\)"),
        (
            lambda: colour.act(torch.zeros(2, 3, 4, 5), torch.zeros(3, 3, 3)),
            r"\(2, 3, 4, 5\).*do not broadcast",
        ),
    ],
)
def test_wrong_shapes_are_named(call, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message):
        call()
