"""Bouncing digits against their equation, and what closes."""

import jaxtyping
import pytest
import torch

from symgen.data import Batches, BouncingDigits, Source


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    return torch.randint(1, 256, (9, 1, 5, 7), dtype=torch.uint8)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_each_frame_is_the_image_at_its_place(pixels):
    source = BouncingDigits(pixels, frames=6, size=12)
    items = torch.tensor([3, 0, 8])
    batch = source.batch(items, generator())
    assert isinstance(source, Source) and batch.frames.shape == (3, 6, 1, 12, 12)
    for item, frames, factors in zip(items, batch.frames, batch.factors, strict=True):
        for frame, (p, q) in zip(frames[:, 0], factors.tolist(), strict=True):
            x, y = (round(room * (1 - abs(1 - 2 * phase / 6))) for room, phase in ((5, p), (7, q)))
            wanted = torch.zeros(12, 12)
            wanted[y : y + 5, x : x + 7] = pixels[item, 0] / 255
            torch.testing.assert_close(frame, wanted)


def test_factors_advance_and_the_way_closes(pixels):
    source = BouncingDigits(pixels, size=9)
    batch = source.batch(torch.arange(9), generator(1))
    assert (batch.factors.diff(dim=1) % 18 == 1).all()
    assert (batch.moved == -1).all()
    one_more = (batch.factors[:, -1] + 1) % 18
    assert torch.equal(one_more, batch.factors[:, 0])
    assert all(batch.factors[..., k].unique().numel() == 18 for k in (0, 1))


def test_batches_are_a_function_of_the_seed(pixels):
    source = BouncingDigits(pixels)
    first, again, other = (Batches(source, 4, seed=seed).batch(0).frames for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 7}, "size=7: give .*8"),
        ({"size": 5000}, "size=5000: give .*1,?024"),
        ({"frames": 1}, "frames=1: give"),
    ],
)
def test_sizes_are_checked(pixels, options, message):
    with pytest.raises(ValueError, match=message):
        BouncingDigits(pixels, **options)


def test_other_images_are_refused(pixels, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=r"uint8 images .* got \(9, 1, 5, 7\) torch.float32"):
        BouncingDigits(pixels.float())
