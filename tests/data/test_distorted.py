"""Distorted images: what was done to them is undone by what they say was done."""

from typing import Any, get_args

import jaxtyping
import pytest
import torch
import torch.nn.functional as F

from symgen.data import (
    Batches,
    DistortedImages,
    Distortion,
    ImageBatch,
    Images,
    Source,
    TransformingDigits,
    load,
)
from symgen.groups import affine, hue_vector, warp

DISTORTIONS = get_args(Distortion)
SIZE = {"none": 28, "translated": 60, "rts": 42, "tc": 60, "hue": 28}


def made(source: DistortedImages, seed: int = 0) -> ImageBatch:
    """Make all items."""
    return source.batch(torch.arange(len(source)), torch.Generator().manual_seed(seed))


def constant(*values: int, size: int = 28) -> Images:
    """Build images of one value each, which is also their label."""
    pixels = torch.tensor(values, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, size, size)
    return Images(pixels.clone(), torch.tensor(values))


def bytes_of(batch: ImageBatch) -> torch.Tensor:
    return (batch.images * 255).round().long()


def same(a: ImageBatch, b: ImageBatch) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def digits() -> Images:
    return load("digits", split="test")


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("distortion", DISTORTIONS)
def test_every_distortion_keeps_the_contract_of_a_source(distortion, fixed, digits, device):
    images = Images(digits.pixels.to(device), digits.labels)
    source = DistortedImages(images, distortion, fixed=fixed)
    assert isinstance(source, Source)
    assert source.frames == 1
    assert source.classes == 10
    channels = 3 if distortion == "hue" else 1
    assert source.data_shape == (channels, SIZE[distortion], SIZE[distortion])
    items = torch.tensor([5, 0, 5])
    batch = source.batch(items, torch.Generator())
    assert batch.images.shape == (3, *source.data_shape)
    assert batch.pose.shape == (3, 3, 3)
    assert batch.hue.shape == (3,)
    assert {part.device.type for part in batch} == {device.type}
    floats = [torch.float32] * 2
    assert [part.dtype for part in batch] == [floats[0], torch.int64, *floats, torch.int64]
    assert batch.labels.tolist() == digits.labels[items].tolist()
    assert batch.inputs[0] is batch.images
    assert batch.inputs[1] is batch.labels
    assert len(batch.inputs) == 2
    assert batch.images.min() >= 0
    assert batch.images.amax((1, 2, 3)).min() > 0.5


def recovered(images: Images, distortion: Distortion) -> tuple[torch.Tensor, torch.Tensor]:
    """Return batches read through their poses, and what they should be."""
    source = DistortedImages(images, distortion)
    batch = made(source)
    margin = (source.data_shape[1] - 28) // 2
    upright = F.pad(images.pixels.float() / 255, (margin,) * 4)
    return warp(batch.images, batch.pose), upright


def test_the_pose_brings_a_shifted_digit_back_exactly(digits):
    back, upright = recovered(digits, "translated")
    torch.testing.assert_close(back, upright, atol=1e-5, rtol=0)


@pytest.fixture(params=["digits", "mnist"])
def handwriting(request) -> Images:
    if request.param == "digits":
        return request.getfixturevalue("digits")
    mnist = load("mnist", root=request.getfixturevalue("real_data"), split="test")
    return Images(*(part[:1000] for part in mnist))


def test_the_pose_brings_a_turned_digit_back(handwriting):
    back, upright = recovered(handwriting, "rts")
    error = (back - upright).abs().mean()
    assert error < 0.02  # two interpolations blur
    assert error < 0.25 * (back - upright.roll(1, 0)).abs().mean()


def test_the_pose_tells_where_a_dot_went():
    x, y = 8, -6  # from the middle
    pixels = torch.zeros(200, 1, 29, 29, dtype=torch.uint8)
    pixels[:, 0, 14 + y, 14 + x] = 255
    source = DistortedImages(Images(pixels, torch.zeros(200, dtype=torch.int64)), "rts")
    batch = made(source)
    weight = batch.images[:, 0] / batch.images.sum((1, 2, 3))[:, None, None]
    places = torch.arange(source.data_shape[1]) - (source.data_shape[1] - 1) / 2
    found = torch.stack([weight.sum(1) @ places, weight.sum(2) @ places], 1)
    expected = (batch.pose @ torch.tensor([x, y, 1.0]))[:, :2]
    assert (found - expected).abs().max() < 0.75


@pytest.mark.parametrize("distortion", ["translated", "rts"])
def test_no_ink_is_lost(distortion, handwriting):
    batch = made(DistortedImages(handwriting, distortion))
    ink = handwriting.pixels.float().sum((1, 2, 3)) / 255
    area = affine.to_parameters(batch.pose).scale ** 2
    kept = batch.images.sum((1, 2, 3)) / (area * ink)
    assert kept.mean() == pytest.approx(1, abs=0.003)
    assert kept.min() > 0.9


@pytest.mark.parametrize("size", [3, 28])  # at 3 there is no margin and rounding exceeds 1
def test_white_images_stay_within_range(size):
    images = made(DistortedImages(constant(*[255] * 2000, size=size), "rts")).images
    assert images.max() == 1
    assert images.min() == 0


def reaches(values: torch.Tensor, least: float, greatest: float, bins: int = 10) -> None:
    """Check that values lie within bounds, come near both and spread evenly between them."""
    span = greatest - least
    assert least - 1e-5 * span <= values.min() < least + 0.005 * span
    assert greatest - 0.005 * span < values.max() <= greatest + 1e-5 * span
    shares = torch.histc((values - least) / span, bins, 0, 1) / len(values)
    assert (shares - 1 / bins).abs().max() < 0.02


@pytest.mark.parametrize("fixed", [True, False])
def test_turned_digits_span_the_published_ranges(fixed):
    batch = made(DistortedImages(constant(*[1] * 5000), "rts", fixed=fixed))
    angle, scale, shift = affine.to_parameters(batch.pose)
    reaches(angle.rad2deg(), -45, 45)
    reaches(scale, 0.7, 1.2)
    reaches(shift[:, 0], -7, 7)
    reaches(shift[:, 1], -7, 7)
    numbers = torch.stack([angle, scale, *shift.unbind(1)])
    assert (numbers.corrcoef() - torch.eye(4)).abs().max() < 0.06


@pytest.mark.parametrize("distortion", ["translated", "tc"])
def test_shifted_digits_reach_every_whole_pixel_place_and_stay_inside(distortion):
    source = DistortedImages(constant(*[255] * 3000), distortion)
    batch = made(source)
    shift = batch.pose[:, :2, 2]
    for axis in (0, 1):
        values, counts = shift[:, axis].unique(return_counts=True)
        assert values.tolist() == list(range(-16, 17))
        assert counts.min() > 50
    assert torch.equal(batch.pose[:, :2, :2], torch.eye(2).expand(3000, 2, 2))
    assert (batch.images.sum((1, 2, 3)) >= 28 * 28).all()


@pytest.mark.parametrize("distortion", ["translated", "rts", "tc", "hue"])
def test_a_fixed_item_looks_the_same_in_every_batch(distortion, digits):
    source, again = (DistortedImages(digits, distortion, seed=3) for _ in range(2))
    whole = made(source)
    part = again.batch(torch.tensor([7, 300, 7]), torch.Generator().manual_seed(99))
    assert same(part, ImageBatch(*(tensor[[7, 300, 7]] for tensor in whole)))
    first, second = (
        torch.cat([batch.images for batch in Batches(source, size, shuffle=False)])
        for size in (50, 359)
    )
    assert torch.equal(first, second)
    assert not torch.equal(made(DistortedImages(digits, distortion, seed=4)).images, whole.images)


@pytest.mark.parametrize("distortion", ["translated", "rts", "tc", "hue"])
def test_distortions_drawn_afresh_differ_between_epochs_and_repeat_by_seed_and_step(
    distortion, digits
):
    source = DistortedImages(digits, distortion, fixed=False)
    data = Batches(source, len(source), seed=1, shuffle=False)
    first, second = data.batch(0), data.batch(1)
    assert torch.equal(first.labels, second.labels)
    changed = (first.images != second.images).flatten(1).any(1)
    assert changed.float().mean() > 0.98  # a place may come up twice
    assert same(data.batch(0), first)
    assert not same(Batches(source, len(source), seed=2, shuffle=False).batch(0), first)


def test_an_undistorted_image_is_the_image():
    colour = torch.randint(0, 256, (4, 3, 5, 7), dtype=torch.uint8)
    source = DistortedImages(Images(colour, torch.tensor([0, 2, 1, 2])))
    batch = made(source)
    assert torch.equal(batch.images, colour.float() / 255)
    assert torch.equal(batch.pose, torch.eye(3).expand(4, 3, 3))
    assert batch.hue.tolist() == [0] * 4
    assert source.classes == 3
    assert source.data_shape == (3, 5, 7)


@pytest.mark.parametrize("distortion", ["translated", "rts", "tc"])
def test_each_side_has_its_own_margin(distortion):
    pixels = torch.full((1000, 1, 28, 14), 255, dtype=torch.uint8)
    source = DistortedImages(Images(pixels, torch.zeros(1000, dtype=torch.int64)), distortion)
    sides = {"rts": (42, 20)}.get(distortion, (60, 30))
    assert source.data_shape == (1, *sides)
    batch = made(source)
    assert batch.images.shape == (1000, 1, *sides)
    assert (batch.images > 0).any(0).all()
    longest = {"rts": (3, 7)}.get(distortion, (8, 16))
    for axis in (0, 1):
        reaches(batch.pose[:, axis, 2], -longest[axis], longest[axis], bins=1)


def test_clutter_is_laid_over_the_translated_digit(digits):
    plain, cluttered = (made(DistortedImages(digits, name)) for name in ("translated", "tc"))
    assert torch.equal(plain.pose, cluttered.pose)
    assert (cluttered.images >= plain.images).all()
    assert (cluttered.images > plain.images).flatten(1).any(1).float().mean() > 0.95


def test_clutter_is_six_patches_of_six_by_six_anywhere():
    black, white = (torch.full((1, 1, 28, 42), value, dtype=torch.uint8) for value in (0, 200))
    source = DistortedImages(Images(torch.cat([black, white]), torch.arange(2)), "tc", fixed=False)
    lit = bytes_of(source.batch(torch.zeros(4000, dtype=torch.int64), torch.Generator())) == 200
    assert lit.shape == (4000, 1, 60, 90)
    area = lit.sum((1, 2, 3))
    assert area.min() >= 36
    assert area.max() == 6 * 36
    assert (area == 6 * 36).float().mean() > 0.6  # most do not overlap
    assert lit.any(0).all()  # every pixel is reached, the corners too


def test_patches_are_cut_anywhere_and_keep_their_orientation():
    down = torch.arange(1, 29, dtype=torch.uint8)[:, None].expand(28, 28)
    black = torch.zeros(28, 28, dtype=torch.uint8)
    for gradient in (down, down.T):
        images = Images(torch.stack([black, gradient])[:, None], torch.arange(2))
        source = DistortedImages(images, "tc", fixed=False)
        batch = source.batch(torch.zeros(500, dtype=torch.int64), torch.Generator())
        seen = bytes_of(batch)[:, 0]
        assert seen.unique().tolist() == list(range(29))
        whole = seen[(seen > 0).sum((1, 2)) == 6 * 36]  # no overlaps
        assert len(whole) > 200
        whole = whole if gradient is down else whole.mT
        pairs = (whole[:, 1:] > 0) & (whole[:, :-1] > 0)
        assert (whole[:, 1:] - whole[:, :-1])[pairs].eq(1).float().mean() > 0.98
        pairs = (whole[..., 1:] > 0) & (whole[..., :-1] > 0)
        assert (whole[..., 1:] == whole[..., :-1])[pairs].float().mean() > 0.98


def beside_the_digit(batch: ImageBatch) -> set[int]:
    """Return the values of all pixels of clutter and canvas that the digit does not cover."""
    rows, columns = torch.arange(60)[:, None], torch.arange(60)
    x, y = (batch.pose[:, :2, 2] + 16)[..., None, None].unbind(1)
    covered = (rows >= y) & (rows < y + 28) & (columns >= x) & (columns < x + 28)
    return set(bytes_of(batch)[:, 0][~covered].tolist())


@pytest.mark.parametrize("values", [(50, 100), (50, 100, 150, 200)])
def test_clutter_comes_from_all_other_images_and_never_from_the_own(values):
    images = constant(*values)
    fresh = DistortedImages(images, "tc", fixed=False)
    fixed = [DistortedImages(images, "tc", seed=seed) for seed in range(50)]
    for own, value in enumerate(values):
        others = {0, *values} - {value}
        items = torch.full((300,), own)
        assert beside_the_digit(fresh.batch(items, torch.Generator())) == others
        batches = [source.batch(items[:1], torch.Generator()) for source in fixed]
        assert set().union(*map(beside_the_digit, batches)) == others


def test_hue_is_the_colour_of_the_gray_image():
    gray = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(5000, -1, -1, -1)
    batch = made(DistortedImages(Images(gray, torch.zeros(5000, dtype=torch.int64)), "hue"))
    reaches(batch.hue, 0, 360)
    expected = gray[:100] / 255 * hue_vector(batch.hue[:100])[..., None, None]
    torch.testing.assert_close(batch.images[:100], expected)
    assert torch.equal(batch.pose[0], torch.eye(3))


def test_the_representation_tells_what_is_done(digits):
    assert repr(DistortedImages(digits, "rts", seed=5)).startswith(
        "DistortedImages(359 images of 1 x 28 x 28, distortion='rts', fixed, seed=5, fingerprint="
    )
    fresh = repr(DistortedImages(digits, "tc", fixed=False))
    assert "distortion='tc', afresh in each batch, fingerprint=" in fresh


def test_the_representation_tells_data_that_were_swapped_for_others(digits):
    shown = {
        repr(DistortedImages(images)).split("fingerprint=")[1]
        for images in (
            digits,
            Images(digits.pixels.flip(0), digits.labels),
            Images(digits.pixels, digits.labels.flip(0)),
        )
    }
    moved = {repr(TransformingDigits(pixels)) for pixels in (digits.pixels, digits.pixels.flip(0))}
    assert (len(shown), len(moved)) == (3, 2)


COLOUR = Images(torch.zeros(4, 3, 28, 28, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))


@pytest.mark.parametrize(
    ("images", "distortion", "message"),
    [
        (COLOUR, "rtx", "distortion='rtx': choose none, translated, rts, tc or hue"),
        *((COLOUR, name, f"{name!r} is for gray images, got") for name in DISTORTIONS[1:]),
        (Images(COLOUR.pixels.float(), COLOUR.labels), "none", r"\(4, 3, 28, 28\) torch.float32"),
        (Images(COLOUR.pixels[0], COLOUR.labels), "none", r"uint8 .* got \(3, 28, 28\)"),
        (Images(COLOUR.pixels, COLOUR.labels[:3]), "none", r"\(4, 3, 28, 28\) .* and \(3,\)"),
        (Images(*(part[:0] for part in COLOUR)), "none", r"got \(0, 3, 28, 28\)"),
        (constant(9), "tc", "from other images, got .* two images or more"),
        (constant(9, 8, size=5), "tc", r"6 × 6 patches .* got \(2, 1, 5, 5\)"),
    ],
)
def test_what_cannot_be_distorted_is_refused(
    images: Any, distortion: Any, message: str, monkeypatch
):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message):
        DistortedImages(images, distortion)


@pytest.mark.parametrize("item", [-1, 2])
def test_missing_items_are_named(item):
    source = DistortedImages(constant(1, 2))
    with pytest.raises(ValueError, match=f"no item {item}: .* has items 0 to 1"):
        source.batch(torch.tensor([0, item]), torch.Generator())
