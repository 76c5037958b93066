"""Sequences of digits against the equations that define them, pixel by pixel."""

import math

import jaxtyping
import numpy as np
import pytest
import torch

from symgen.data import Batches, Source, TransformingDigits, load
from symgen.groups import hue_vector

SCALES = [0.60, 0.64, 0.68, 0.72, 0.76, 0.79, 0.83, 0.87, 0.91]
SCALES += [0.95, 0.99, 1.03, 1.07, 1.11, 1.14, 1.18, 1.22, 1.26]
MODES = ["single", "rotation+hue", "perspective+hue", "growth", "still"]


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    return torch.randint(0, 256, (40, 1, 28, 28), dtype=torch.uint8)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def resample(image: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Read a square image through a 3 x 3 matrix of pixel indices, in plain loops."""
    size = len(image)
    out = np.zeros((size, size))
    for row, column in np.ndindex(size, size):
        x, y, w = source @ (column, row, 1.0)
        x, y = x / w, y / w
        for i in (math.floor(y), math.floor(y) + 1):
            for j in (math.floor(x), math.floor(x) + 1):
                if 0 <= i < size and 0 <= j < size:
                    out[row, column] += image[i, j] * (1 - abs(x - j)) * (1 - abs(y - i))
    return out


def rotation_and_scale(degrees: float, scale: float) -> np.ndarray:
    """Map pixel indices of the original to those of the frame."""
    a = scale * math.cos(math.radians(degrees))
    b = scale * math.sin(math.radians(degrees))
    c = 14.0
    return np.array([[a, b, (1 - a) * c - b * c], [-b, a, b * c + (1 - a) * c], [0, 0, 1]])


def perspective(degrees: float) -> np.ndarray:
    """Map pixel indices of the original to those of the frame."""
    if degrees == 0:
        return np.eye(3)
    angle = math.radians(181 if degrees == 180 else degrees)
    c, s = math.cos(angle), math.sin(angle)
    f = math.hypot(28, 28) / (2 * s)
    a1 = np.array([[1, 0, -14], [0, 1, -14], [0, 0, 1], [0, 0, 1]])
    ry = np.array([[c, 0, -s, 0], [0, 1, 0, 0], [s, 0, c, 0], [0, 0, 0, 1]])
    rz = np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    t = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, f], [0, 0, 0, 1]])
    a2 = np.array([[f, 0, 14, 0], [0, f, 14, 0], [0, 0, 1, 0]])
    return a2 @ t @ ry @ rz @ a1


def frame(mode: str, image: np.ndarray, angle: int, scale: int, hue: int) -> np.ndarray:
    """Make one (channels, 28, 28) frame from indices into the three sets."""
    if mode == "still":
        return image[None]
    if mode == "perspective+hue":
        to_frame = perspective(20 * angle)
    else:
        moving = mode in ("single", "growth")
        to_frame = rotation_and_scale(20 * angle, SCALES[scale] if moving else 1.0)
    gray = resample(image, np.linalg.inv(to_frame))
    colour = hue_vector(torch.tensor(20.0 * hue - 180)).numpy()  # checked in test_colour
    return colour[:, None, None] * gray


@pytest.mark.parametrize("mode", MODES)
def test_frames_are_what_the_equations_say(mode, pixels):
    source = TransformingDigits(pixels, mode)
    items = torch.tensor([3, 0, 31, 7, 3, 12])
    frames, factors, moved = source.batch(items, generator(2))
    if mode == "single":
        assert set(moved.tolist()) == {0, 1, 2}
    for b, s in [(b, s) for b in range(len(items)) for s in range(0, source.frames, 5)]:
        image = pixels[items[b], 0].double().numpy() / 255
        expected = torch.from_numpy(frame(mode, image, *factors[b, s].tolist()))
        torch.testing.assert_close(frames[b, s].double(), expected, atol=1e-4, rtol=0)


def test_every_perspective_frame_of_a_cycle(pixels):
    frames, factors, _ = TransformingDigits(pixels, "perspective+hue").batch(
        torch.tensor([5]), generator()
    )
    image = pixels[5, 0].double().numpy() / 255
    expected = [frame("perspective+hue", image, *step) for step in factors[0].tolist()]
    expected = torch.from_numpy(np.stack(expected))
    # Near the horizon a rounding error of the coordinates is magnified about a hundred times.
    torch.testing.assert_close(frames[0].double(), expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("mode", MODES)
def test_shapes_ranges_and_names(mode, pixels):
    source = TransformingDigits(pixels, mode)
    assert isinstance(source, Source)
    assert source.factor_names == ("angle", "scale", "hue")
    frames, factors, moved = source.batch(torch.arange(30), generator())
    assert frames.shape == (30, source.frames, *source.data_shape)
    assert frames.dtype == torch.float32
    assert frames.is_contiguous()
    assert 0 <= frames.min() < frames.max() <= 1
    assert factors.shape == (30, source.frames, 3)
    assert (factors >= 0).all()
    assert (factors < torch.tensor(source.factor_sizes)).all()
    assert moved.shape == (30,)


@pytest.mark.parametrize(
    ("mode", "sizes", "frames", "channels"),
    [
        ("single", (18, 18, 18), 18, 3),
        ("rotation+hue", (18, 1, 18), 18, 3),
        ("perspective+hue", (18, 1, 18), 18, 3),
        ("growth", (18, 18, 18), 12, 3),
        ("still", (1, 1, 1), 1, 1),
    ],
)
def test_sizes_of_the_modes(mode, sizes, frames, channels, pixels):
    source = TransformingDigits(pixels, mode)
    assert source.factor_sizes == sizes
    assert source.frames == frames
    assert source.data_shape == (channels, 28, 28)


def test_in_single_mode_one_factor_walks_and_the_others_stay(pixels):
    source = TransformingDigits(pixels)
    _, factors, moved = source.batch(torch.arange(40).repeat(50), generator())
    steps = (factors.roll(-1, 1) - factors) % 18  # cyclic: the last frame leads to the first
    moving = moved[:, None, None] == torch.arange(3)
    assert torch.equal(steps, moving.long().expand(-1, 18, -1))


@pytest.mark.parametrize("mode", ["rotation+hue", "perspective+hue"])
def test_in_combined_modes_angle_and_hue_walk_together(mode, pixels):
    _, factors, moved = TransformingDigits(pixels, mode).batch(torch.arange(40), generator())
    steps = (factors.roll(-1, 1) - factors) % 18
    assert torch.equal(steps, torch.tensor([1, 0, 1]).expand(40, 18, 3))
    assert torch.equal(moved, torch.full((40,), -1))
    assert len(((factors[:, 0, 0] - factors[:, 0, 2]) % 18).unique()) > 5  # shifted independently


def test_choices_are_uniform_and_independent(pixels):
    source = TransformingDigits(pixels, frames=1)
    count = 18000
    _, factors, moved = source.batch(torch.zeros(count, dtype=torch.int64), generator())

    def chi_squared(choices: torch.Tensor, values: int) -> float:
        expected = count / values
        return float(((choices.bincount(minlength=values) - expected) ** 2 / expected).sum())

    start = factors[:, 0]
    assert chi_squared(moved, 3) < 14  # 99.9 % quantile of chi-squared with 2 degrees of freedom
    for column in range(3):
        assert chi_squared(start[:, column], 18) < 41  # 17 degrees of freedom
        assert chi_squared(start[:, column] * 3 + moved, 54) < 91  # 53
        assert chi_squared(start[:, column] * 18 + start[:, column - 1], 324) < 408  # 323


def test_every_frame_is_a_colour_times_one_gray_image(pixels):
    frames, factors, moved = TransformingDigits(pixels).batch(torch.arange(40), generator())
    gray = frames.amax(2)  # every saturated colour has a channel of 1
    colour = hue_vector(20.0 * factors[..., 2] - 180)
    assert torch.equal(frames, colour[..., None, None] * gray[:, :, None])
    constant_gray = (gray == gray[:, :1]).flatten(1).all(1)
    assert torch.equal(constant_gray, moved == 2)


def test_still_frames_are_the_images(pixels):
    frames, _, moved = TransformingDigits(pixels, "still").batch(torch.arange(40), generator())
    torch.testing.assert_close(frames[:, 0], pixels / 255, atol=1e-5, rtol=0)
    assert torch.equal(moved, torch.full((40,), -1))


@pytest.mark.parametrize("mode", MODES)
def test_the_generator_decides_everything(mode, pixels):
    source = TransformingDigits(pixels, mode)
    items = torch.arange(12)
    first, again, other = (source.batch(items, generator(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    if mode != "still":
        assert not torch.equal(first.factors, other.factors)
        torch.manual_seed(5)
        assert torch.equal(source.batch(items, generator(1)).frames, first.frames)


@pytest.mark.parametrize("frames", [1, 5, 30])
def test_a_shorter_or_longer_walk(frames, pixels):
    source = TransformingDigits(pixels, frames=frames)
    batch = source.batch(torch.arange(20), generator(4))
    cycle = TransformingDigits(pixels).batch(torch.arange(20), generator(4))
    again = torch.arange(frames) % 18
    assert torch.equal(batch.factors, cycle.factors[:, again])
    torch.testing.assert_close(batch.frames, cycle.frames[:, again])


def test_images_of_another_size_turn_about_half_their_size():
    pixels = torch.zeros(1, 1, 11, 20, dtype=torch.uint8)
    pixels[0, 0, 5, 10] = pixels[0, 0, 6, 10] = 255  # around (x, y) = (10, 5.5)
    frames, _, moved = TransformingDigits(pixels).batch(torch.zeros(30).long(), generator(3))
    assert frames.shape == (30, 18, 3, 11, 20)
    gray = frames[moved == 0].amax(2)
    x = (gray * torch.arange(20.0)).sum((2, 3)) / gray.sum((2, 3))
    y = (gray * torch.arange(11.0)[:, None]).sum((2, 3)) / gray.sum((2, 3))
    assert (x - 10).abs().max() < 0.2
    assert (y - 5.5).abs().max() < 0.2


def test_entropy_floor_of_real_sequences(real_data):
    """The likelihood's ceiling, measured with the authors' pipeline: 124.3 ± 1.3 nats a frame."""
    source = TransformingDigits(load("mnist", root=real_data, split="test").pixels)
    data = Batches(source, batch_size=100, shuffle=False)
    entropy, brightness = [], []
    for step in range(20):  # the first 2,000 images, as measured; standard error 1.3
        frames = data.batch(step).frames
        bits = torch.special.entr(frames) + torch.special.entr(1 - frames)
        entropy.append(bits.sum((2, 3, 4)).mean())
        brightness.append(frames.sum((2, 3, 4)).mean())
    assert abs(torch.stack(entropy).mean() - 124.3) < 5  # 2.7 standard errors of the difference
    assert abs(torch.stack(brightness).mean() - 127.1) < 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "hue"}, "mode='hue': choose single, rotation"),
        ({"frames": 0}, "frames=0"),
        ({"pixels": torch.zeros(5, 28, 28, dtype=torch.uint8)}, r"\(5, 28, 28\) torch.uint8"),
        ({"pixels": torch.zeros(5, 3, 28, 28, dtype=torch.uint8)}, r"\(5, 3, 28, 28\)"),
        ({"pixels": torch.zeros(5, 1, 28, 28)}, "float32"),
    ],
)
def test_bad_input_is_named(arguments, message, pixels, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message):
        TransformingDigits(**{"pixels": pixels} | arguments)


@pytest.mark.parametrize("item", [-1, 40])
def test_items_that_are_not_there_are_named(item, pixels):
    with pytest.raises(ValueError, match=f"no item {item}: .* has items 0 to 39"):
        TransformingDigits(pixels).batch(torch.tensor([0, item]), generator())


@pytest.mark.parametrize("mode", MODES)
def test_every_sequence_shows_the_canonical_value_of_what_moves_once(mode, pixels):
    source = TransformingDigits(pixels, mode)
    _, factors, moved = source.batch(torch.arange(40), generator())
    moved = torch.where(moved < 0, 0, moved)  # the angle, where several move together
    walk = factors.gather(2, moved[:, None, None].expand(-1, source.frames, 1))
    assert ((walk == source.canonical).sum(1) == 1).all()


def test_digits_that_grow_start_small_and_never_come_round(pixels):
    source = TransformingDigits(pixels, "growth")
    frames, factors, moved = source.batch(torch.arange(40).repeat(10), generator())
    assert frames.shape == (400, 12, 3, 28, 28)
    assert (factors[:, 1:, 1] - factors[:, :-1, 1] == 1).all()
    assert (factors[:, :, [0, 2]] == factors[:, :1, [0, 2]]).all()
    assert factors[:, 0, 1].unique().tolist() == list(range(7))
    assert (moved == 1).all()
    with pytest.raises(ValueError, match="frames=19: growth has no more than 18 scales"):
        TransformingDigits(pixels, "growth", frames=19)
