"""Latents of recordings of any length: those of clips wherever clips know as much."""

import pytest
import torch
from torch import Tensor

from symgen import TVAE, VAE, TopographicVAE, TorusVAE
from symgen.latents import Topographic
from symgen.models import SlidingLatents

SIZE = {"data_shape": (7,), "capsules": 3, "units": 6, "frames": 6, "likelihood": "gaussian"}
SIZE |= {"width": 8, "depth": 1}
MODELS = {
    "odd": lambda: TVAE(**SIZE, window=3),
    "even": lambda: TVAE(**SIZE, window=4, neighbourhood=3),
    "one frame": lambda: TVAE(**SIZE, window=1, neighbourhood=3, eps=1e-3),
    "whole clip": lambda: TVAE(**SIZE, window=6),
    "reference": lambda: TVAE(**SIZE, window=4, neighbourhood=3, reference_window=True),
    "open": lambda: TVAE(**SIZE, window=5, boundary="zero"),
    "causal": lambda: TVAE(**SIZE, window=3, boundary="zero", causal=True),
    "causal in a circle": lambda: TVAE(**SIZE, window=3, causal=True),
    "half speed": lambda: TVAE(**SIZE, window=3, shift=0.5),
    "ends": lambda: TVAE(**SIZE, window=3, boundary="zero", capsule_boundary="zero"),
    "odd speed": lambda: TVAE(**SIZE, window=4, shift=0.7),
    "axes": lambda: TVAE(**SIZE | {"units": None}, window=3, capsule_axes=(2, 3)),
    "plain": lambda: VAE(**SIZE),
}
LENGTHS = [6, 3, 20, 1, 11, 6]


@pytest.fixture(params=MODELS.values(), ids=MODELS.keys())
def model(request: pytest.FixtureRequest) -> TopographicVAE:
    return request.param().double()


def slid(
    model: TopographicVAE, x: Tensor, lengths: list[int], part: int = 7, **options: bool
) -> dict[str, Tensor]:
    sliding = SlidingLatents(model, lengths, **options)
    found = [sliding.push(frames) for frames in x.split(part)]
    return {name: torch.cat([each[name] for each in found]) for name in found[0]}


def clips(model: TopographicVAE, x: Tensor) -> Tensor:
    """t of all clips of S frames, (starts, S, C, D)."""
    return model.latents(x.unfold(0, model.frames, 1).movedim(-1, 1))


@pytest.mark.parametrize("part", [2, 5, 100])
def test_parts_do_not_matter(model: TopographicVAE, part: int) -> None:
    x = torch.randn(sum(LENGTHS), 7).double()
    expected = slid(model, x, LENGTHS)
    found = slid(model, x, LENGTHS, part)
    assert torch.equal(found["inside"], expected["inside"])
    torch.testing.assert_close(found["t"], expected["t"], rtol=1e-9, atol=1e-9)


def test_a_recording_of_one_clip_is_that_clip(model: TopographicVAE) -> None:
    x = torch.randn(sum(LENGTHS), 7).double()
    t = slid(model, x, LENGTHS)["t"]
    for begin in (0, sum(LENGTHS) - 6):
        expected = model.latents(x[None, begin : begin + 6])[0]
        torch.testing.assert_close(t[begin : begin + 6], expected, rtol=1e-9, atol=1e-9)


def test_a_frame_inside_is_that_of_every_clip_in_which_its_window_does_not_wrap(
    model: TopographicVAE,
) -> None:
    x = torch.randn(20, 7).double()
    found, of_clips = slid(model, x, [20]), clips(model, x)
    back = int(found["inside"].int().argmax())
    ahead = int(found["inside"].flip(0).int().argmax())
    assert int(found["inside"].sum()) == 20 - back - ahead
    for start in range(20 - 6 + 1):
        whole = slice(back, 6 - ahead)
        of_frames = found["t"][start : start + 6][whole]
        torch.testing.assert_close(of_frames, of_clips[start][whole], rtol=1e-9, atol=1e-9)


def test_at_the_ends_time_goes_on_as_in_training(model: TopographicVAE) -> None:
    x = torch.randn(20, 7).double()
    t = slid(model, x, [20])["t"]
    if model.topography.open_ended:
        torch.testing.assert_close(t, model.latents(x[None])[0], rtol=1e-9, atol=1e-9)
        return
    of_clips, half = clips(model, x), model.frames // 2
    torch.testing.assert_close(t[:half], of_clips[0][:half], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(t[-half:], of_clips[-1][-half:], rtol=1e-9, atol=1e-9)


def test_a_recording_does_not_see_its_neighbours(model: TopographicVAE) -> None:
    x = torch.randn(sum(LENGTHS), 7).double()
    t = slid(model, x, LENGTHS)["t"]
    alone = [slid(model, part, [len(part)])["t"] for part in x.split(LENGTHS)]
    torch.testing.assert_close(t, torch.cat(alone), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["odd", "whole clip", "causal in a circle", "odd speed", "axes"])
def test_a_clip_of_cyclic_time_that_begins_later_has_latents_that_begin_later(name: str) -> None:
    model = MODELS[name]().double()
    x = torch.randn(6, 7).double()
    t, later = (slid(model, each, [6])["t"] for each in (x, x.roll(2, 0)))
    torch.testing.assert_close(later, t.roll(2, 0), rtol=1e-9, atol=1e-9)


def test_a_closed_recording_may_begin_anywhere_and_is_all_inside(model: TopographicVAE) -> None:
    x = torch.randn(15, 7).double()
    found = slid(model, x, [15], closed=True)
    later = slid(model, x.roll(4, 0), [15], closed=True)
    torch.testing.assert_close(later["t"], found["t"].roll(4, 0), rtol=1e-9, atol=1e-9)
    assert bool(found["inside"].all())
    opened = slid(model, torch.cat([x, x, x]), [45])["t"][15:30]
    torch.testing.assert_close(found["t"], opened, rtol=1e-9, atol=1e-9)


def test_missing_frames_of_a_clip_are_padding_variables() -> None:
    model = MODELS["odd"]().double()
    x = torch.randn(4, 7).double()
    t = slid(model, x, [4])["t"]
    posterior = model.encode(torch.cat([x, torch.zeros(2, 7).double()])[None])
    z, u = (part for part in posterior)
    assert u is not None
    energy, variance = u.second_moment(), u.square_variance()
    energy[:, 4:], variance[:, 4:] = 1.0, 0.0
    scale = model.topography.expected_inverse_scale(energy, variance, model.eps)
    torch.testing.assert_close(t, ((z.mean - model.mu) * scale)[0, :4], rtol=1e-9, atol=1e-9)


def test_posteriors_and_what_is_known_come_with_their_frames(model: TopographicVAE) -> None:
    x = torch.randn(25, 7).double()
    sliding = SlidingLatents(model, [20, 5], posterior=True)
    numbers = torch.arange(25).split(4)
    pairs = zip(x.split(4), numbers, strict=True)
    parts = [sliding.push(part, {"number": number}) for part, number in pairs]
    found = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    assert torch.equal(found["number"], torch.arange(25))
    z, u = model.posterior(model.encoder(x))
    torch.testing.assert_close(found["z_mean"], z.mean)
    torch.testing.assert_close(found["z_std"], z.std)
    assert ("u_mean" in found) == (u is not None)
    if u is not None:
        torch.testing.assert_close(found["u_mean"], u.mean)
        torch.testing.assert_close(found["u_std"], u.std)


class Halves(Topographic):
    """Frames of the first half of a clip share energy, and so do those of the second half."""

    capsules, units, frames, window = 3, 6, 6, 6

    def inverse_scale(self, energy: Tensor, eps: float) -> Tensor:
        halves = energy.unflatten(-3, (2, 3))
        shared = halves.sum(-3, keepdim=True).expand_as(halves).flatten(-4, -3)
        return (shared + eps).rsqrt()


def test_recordings_of_a_topography_of_ones_own_are_cut_into_clips() -> None:
    made = TVAE(**SIZE, window=3)
    parts = {"encoder": made.encoder, "decoder": made.decoder, "likelihood": "gaussian"}
    model = TopographicVAE((7,), topography=Halves(), **parts).double()
    x = torch.randn(20, 7).double()
    found = slid(model, x, [14, 6], part=3)
    starts = [0, 6, 8]  # the last clip ends with its recording
    first, second, last = (model.latents(x[None, start : start + 6])[0] for start in starts)
    expected = torch.cat([first, second, last[-2:], model.latents(x[None, 14:])[0]])
    torch.testing.assert_close(found["t"], expected, rtol=1e-9, atol=1e-9)
    assert not found["inside"].any()
    assert slid(model, x[:4], [4])["t"].shape == (4, 3, 6)


def test_images_of_a_torus_are_all_inside() -> None:
    model = TorusVAE((1, 4, 4), capsules=3, units=4, neighbourhood=3, width=8)
    x = torch.rand(5, 1, 4, 4)
    found = slid(model, x, [1] * 5, part=2)
    torch.testing.assert_close(found["t"], model.latents(x[:, None])[:, 0])
    assert bool(found["inside"].all())


def test_what_is_kept_does_not_grow_with_the_recording() -> None:
    model, kept = MODELS["even"](), set()
    sliding = SlidingLatents(model, [1_000])
    for _ in range(30):
        sliding.push(torch.randn(16, 7))
        kept.add(len(sliding._kept["z_mean"]))
    assert max(kept) < 2 * model.frames


@pytest.mark.parametrize("lengths", [[], [5, 0], [-1]])
def test_recordings_without_frames_are_refused(lengths: list[int]) -> None:
    with pytest.raises(ValueError, match="give recordings of one frame or more"):
        SlidingLatents(MODELS["odd"](), lengths)


def test_frames_that_do_not_fit_or_were_not_announced_are_refused() -> None:
    sliding = SlidingLatents(MODELS["odd"](), [5])
    with pytest.raises(ValueError, match=r"frames of shape \(2, 8\)"):
        sliding.push(torch.zeros(2, 8))
    sliding.push(torch.zeros(4, 7))
    with pytest.raises(ValueError, match="6 frames, but lengths announce 5"):
        sliding.push(torch.zeros(2, 7))
