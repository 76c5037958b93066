"""Augmentation: one change for all frames of a training clip, and none anywhere else."""

import re
import signal
from typing import Any

import numpy as np
import pytest
import torch
from recording_helpers import square_film
from torch import Tensor
from training_helpers import assert_same_weights, without_times

import symgen
from symgen import TVAE
from symgen.data import Batches, SequenceBatch
from symgen.data.recordings import Augmented, Change
from symgen.groups import centroid
from symgen.training import Run, TrainingStopped
from symgen.training.draws import SharedDraws

WARPS: tuple[Change, ...] = ("shift", "rotate", "scale", "shear")
ALL: tuple[Change, ...] = (*WARPS, "mirror", "flip", "reverse", "brightness")
CLIP = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(1))


def opened(films: Any, *augment: str, length: int = 6, **options: Any) -> Any:
    return symgen.open(
        films, "all", augment=augment, length=length, frozen=0, scale=(0, 1), **options
    )


def copies(clip: Tensor, *augment: str, count: int = 60, seed: int = 0) -> Tensor:
    """Return so many changes of one clip."""
    return changed(opened([clip], *augment), [0] * count, seed).frames


def changed(source: Any, items: list[int], seed: int = 0) -> SequenceBatch:
    generator = torch.Generator().manual_seed(seed)
    return source.augmented().batch(torch.tensor(items), generator)


def blob(side: int = 33, width: float = 3.0) -> Tensor:
    """Return a still clip (6, 1, side, side) of a bell in the middle, dark at the edges."""
    place = torch.arange(side) - (side - 1) / 2
    return torch.exp(-(place**2 + place[:, None] ** 2) / (2 * width**2)).expand(6, 1, -1, -1)


@pytest.mark.parametrize("name", [*WARPS, "mirror", "flip", "brightness"])
def test_all_frames_of_a_clip_are_changed_alike_and_clips_differently(name):
    still = CLIP[:1].expand(6, -1, -1, -1)
    frames = copies(still, name)
    assert (frames == frames[:, :1]).all()
    assert not (frames[0] == frames).flatten(1).all(1).all()


@pytest.mark.parametrize(("name", "axis"), [("mirror", -1), ("flip", -2), ("reverse", 0)])
def test_half_of_the_clips_are_turned_around_exactly(name, axis):
    frames = copies(CLIP, name, count=400)
    as_is, turned = ((frames == clip).flatten(1).all(1) for clip in (CLIP, CLIP.flip(axis)))
    assert (as_is ^ turned).all() and 160 < turned.sum() < 240


@pytest.mark.parametrize(("name", "axis"), [("mirror", -1), ("flip", -2)])
def test_a_clip_is_turned_around_before_it_is_warped(name, axis):
    warped, plain, turned = (
        copies(clip, *WARPS, *names)
        for clip, names in ((CLIP, (name,)), (CLIP, ()), (CLIP.flip(axis), ()))
    )
    as_is, other = ((warped - each).abs().flatten(1).amax(1) < 1e-4 for each in (plain, turned))
    assert (as_is ^ other).all() and 15 < other.sum() < 45


def test_factors_run_backwards_with_their_frames(tmp_path):
    films = np.stack([square_film(40, start) for start in range(2)])
    np.savez(tmp_path / "films.npz", films=films, time=np.arange(40))
    options: Any = {"factors": "time", "length": 6, "axes": "NTYX"}
    source = symgen.open(tmp_path / "films.npz", "all", augment=("reverse",), **options)
    plain = source.batch(torch.zeros(40).long(), torch.Generator())
    batch = changed(source, [0] * 40)
    backwards = batch.factors[:, 0, 0] > batch.factors[:, -1, 0]
    assert 0 < backwards.sum() < 40 and (batch.moved == plain.moved).all()
    for name in ("frames", "factors"):
        found, whole = getattr(batch, name), getattr(plain, name)
        assert torch.equal(found[backwards], whole[backwards].flip(1))
        assert torch.equal(found[~backwards], whole[~backwards])


def test_brightness_is_a_gamma_of_each_clip():
    frames = copies(CLIP.clamp(0.1, 0.9), "brightness", count=500)
    gamma = frames.log() / CLIP.clamp(0.1, 0.9).log()
    assert torch.allclose(gamma, gamma[:, :1, :1, :1, :1].expand_as(gamma), rtol=1e-4)
    logarithm = gamma[:, 0, 0, 0, 0].log()
    assert abs(logarithm.mean()) < 0.05 and abs(logarithm.std() - 0.3) < 0.03
    ends = copies(torch.tensor([0.0, 1.0]).repeat(6, 1, 16, 8), "brightness")
    assert (ends == ends[:1]).all()


def test_warps_have_the_spread_that_is_written_down():
    clip = torch.nn.functional.pad(blob(25), (20, 0, 4, 4))  # 33 × 45, the bell 10 to the right
    shift = centroid(copies(clip, "shift", count=500)[:, 0]) - centroid(clip[0])
    assert torch.allclose(shift.std(0) / torch.tensor([45, 33]), torch.tensor(0.04), atol=0.004)
    arm = centroid(copies(clip, "rotate", count=500)[:, 0])
    assert torch.allclose(arm.norm(dim=1), torch.tensor(10.0), atol=0.2)
    assert abs(torch.atan2(arm[:, 1], arm[:, 0]).std() - 0.3) < 0.03
    mass = copies(blob(), "scale", count=500)[:, 0].sum((1, 2, 3)).log() / 2  # of the area
    assert abs(mass.std() - 0.15) < 0.015
    assert centroid(copies(blob(), "rotate", "scale", "shear")).abs().max() < 1e-2


def test_the_ground_of_the_clip_lies_beyond_its_edges():
    clip = torch.full((6, 2, 16, 16), 0.5)
    clip[:, 1] = 0.75
    clip[:, :, 4:12, :6] = 0.25  # cut off by the left edge
    frames = copies(clip, *WARPS, count=200)
    assert frames.min() >= 0.25 and (frames.amax((0, 1, 3, 4)) == torch.tensor([0.5, 0.75])).all()
    right, rest = frames[..., -1], torch.tensor([0.5, 0.75])[:, None]
    assert ((right == rest).float().mean() > 0.9).item()
    leftmost = frames[:, 0, 0, :, 0]  # a continued edge would be dark wherever the thing is cut
    assert (leftmost[:, 6:10] > 0.4).any()


def test_a_change_does_not_depend_on_which_others_are_made():
    alone, both = (copies(CLIP, *names) for names in (("mirror",), ("brightness", "mirror")))
    again = copies(CLIP, "mirror", "brightness")
    assert torch.equal(both, again)
    brightest = [each.flatten(1).argmax(1) for each in (alone, both)]
    assert torch.equal(*brightest) and len(brightest[0].unique()) == 2


def test_batches_follow_from_seed_and_step_and_rows_from_the_whole():
    source = opened([CLIP, CLIP.flip(0), 1 - CLIP], *ALL)
    data = Batches(source, batch_size=3, seed=4).to_train_on()
    assert torch.equal(data.batch(7).frames, data.batch(7).frames)
    assert not torch.equal(data.batch(7).frames, data.batch(8).frames)
    items = [0, 1, 2, 0, 1, 2]
    whole = changed(source, items)
    for share in range(3):
        rows = slice(2 * share, 2 * share + 2)
        with SharedDraws(share, shares=3, examples=2):
            mine = changed(source, items[rows])
        assert torch.equal(mine.frames, whole.frames[rows])


def test_without_changes_clips_are_as_they_are():
    plain = opened([CLIP, 1 - CLIP])
    assert plain.augmented() is plain and "augment" not in repr(plain)
    source = opened([CLIP, 1 - CLIP], "shift")
    assert repr(source) == repr(plain)[:-1] + ", augment='shift')"
    items = torch.arange(2)
    frames = [each.batch(items, torch.Generator()).frames for each in (plain, source)]
    assert torch.equal(*frames) and not torch.equal(frames[0], changed(source, [0, 1]).frames)


# Training


def model() -> TVAE:
    torch.manual_seed(0)
    return TVAE((1, 16, 16), capsules=2, frames=6, width=8)


def films(*augment: str) -> Any:
    return opened([CLIP, 1 - CLIP, CLIP.flip(0), CLIP.flip(-1)], *augment)


def test_only_what_is_trained_on_is_changed():
    originals = films().batch(torch.arange(4), torch.Generator()).frames
    seen: dict[bool, list[bool]] = {True: [], False: []}

    def look(module: Any, inputs: tuple[Tensor]) -> None:
        for clip in inputs[0]:
            seen[module.training].append(bool((clip == originals).flatten(1).all(1).any()))

    watched = model()
    watched.register_forward_pre_hook(look)
    source = films("rotate", "brightness")
    options: Any = {"examples": 12, "batch_size": 4, "validate_every": 1, "progress": False}
    run = symgen.fit(watched, source, validation=source, **options)
    assert len(seen[True]) == 12 and not any(seen[True])
    assert seen[False].count(False) == 4  # the last batch, which has to give finite numbers
    assert len(seen[False]) > 12
    plain = symgen.evaluate(run, films())
    assert symgen.evaluate(run, source) == plain


def test_a_run_goes_on_bit_for_bit_with_the_same_changes_only(tmp_path):
    def train(*augment: str, **options: Any) -> Run:
        given: Any = {"examples": 40, "batch_size": 4, "log_every": 1, "progress": False}
        return symgen.fit(model(), films(*augment), **given, **options)

    whole = train(*ALL, folder=tmp_path / "whole")

    def stop(_: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    folder = tmp_path / "stopped"
    with pytest.raises(TrainingStopped):
        train(*ALL, folder=folder, observe=stop)
    with pytest.raises(ValueError, match="augment='shift'"):
        train("shift", folder=folder, resume=True)
    resumed = train(*ALL, folder=folder, resume=True)
    assert_same_weights(whole.model, resumed.model)
    assert without_times(whole.records) == without_times(resumed.records)
    assert whole.records[-1]["loss"] != train().records[-1]["loss"]


# What is refused


@pytest.mark.parametrize(
    ("data", "options", "told"),
    [
        (torch.rand(3, 20, 5), {"axes": "NTF"}, "augment='mirror' of frames of shape (5,): it is"),
        (torch.rand(3, 9, 4, 4, 4), {"axes": "NTZYX"}, "of frames of shape (1, 4, 4, 4): it is"),
        (torch.rand(3, 9, 4, 4), {"axes": "NTYX", "augment": ["warp"]}, "augment='warp': choose"),
        (
            torch.rand(3, 9, 4, 4),
            {"axes": "NTYX", "augment": "mirrow"},
            "augment='mirrow': choose",
        ),
        (
            torch.rand(3, 9, 4, 4),
            {"axes": "NTYX", "augment": ["flip", "flip"]},
            "augment='flip flip': give each change once",
        ),
        (
            torch.randn(3, 9, 4, 4),
            {"axes": "NTYX", "augment": ["brightness"], "scale": "none"},
            "augment='brightness' of values that are left as they are: it is for values in",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(data, options, told):
    with pytest.raises(ValueError, match=re.escape(told)) as caught:
        symgen.open(data, "all", **{"augment": "mirror", "length": 4} | options)
    assert "\n" not in str(caught.value)


def test_numbers_as_they_are_can_be_warped():
    film = 100 * CLIP - 300
    source = symgen.open([film], "all", augment=ALL[:-1], length=6, scale="none")
    frames = Augmented(source, ALL[:-1]).batch(torch.zeros(50).long(), torch.Generator()).frames
    assert film.min() <= frames.min() and frames.max() <= film.max()
    assert len(frames.flatten(1).unique(dim=0)) == 50
