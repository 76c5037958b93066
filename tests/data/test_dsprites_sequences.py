"""Moving sprites: one factor walks, and no walk of the test split is met in training."""

import math

import jaxtyping
import pytest
import torch

from symgen.data import Batches, Source
from symgen.data.dsprites import FACTOR_SIZES, render
from symgen.data.dsprites_sequences import MovingSprites

COUNT = math.prod(FACTOR_SIZES)
SCALE = 1  # column of the factor with five values
STRIDES = torch.tensor([16875, 3375, 225, 15, 1])  # from factors to the start image's number


@pytest.fixture(scope="module")
def sources() -> dict[str, MovingSprites]:
    return {split: MovingSprites(split) for split in ("train", "test", "all")}


SPLITS = pytest.mark.parametrize("split", ["train", "test", "all"])


@SPLITS
def test_one_factor_moves_cyclically(sources: dict[str, MovingSprites], split: str) -> None:
    source = sources[split]
    assert isinstance(source, Source)
    items = torch.randint(len(source), (64,))
    frames, factors, moved = source.batch(items, torch.Generator())
    assert frames.shape == (64, 15, 1, 64, 64)
    assert frames.dtype == torch.float32
    assert source.factor_sizes == (3, 5, 15, 15, 15)
    for walk, mover in zip(factors, moved.tolist(), strict=True):
        assert mover in (1, 2, 3, 4)
        for factor, size in enumerate(source.factor_sizes):
            step = torch.arange(15) * (factor == mover)
            assert walk[:, factor].equal((walk[0, factor] + step) % size)
    if split == "all":
        first = factors[:, 0] @ STRIDES
        assert first.equal(items)


@SPLITS
def test_frames_show_their_factors(sources: dict[str, MovingSprites], split: str) -> None:
    source = sources[split]
    frames, factors, _ = source.batch(torch.randint(len(source), (20,)), torch.Generator())
    latents = factors.flatten(0, 1) * torch.tensor([1, 1, 2, 2, 2])
    latents[:, SCALE] += 1  # the largest five of six
    assert frames.flatten(0, 2).equal(render(latents).float())


def test_the_scale_wraps_around_three_times(sources: dict[str, MovingSprites]) -> None:
    frames, factors, moved = sources["all"].batch(torch.arange(64), torch.Generator())
    frames, factors = frames[moved == SCALE], factors[moved == SCALE]
    assert len(frames)
    assert frames.equal(frames.roll(5, 1))
    assert factors.equal(factors.roll(5, 1))
    assert not frames.equal(frames.roll(1, 1))


def test_a_later_start_is_the_rolled_sequence(sources: dict[str, MovingSprites]) -> None:
    source = sources["test"]
    items = torch.arange(len(source))
    factors, moved = source._walk(items, torch.Generator())
    item = int(torch.randint(len(source), ()))
    after = factors[item, 1]
    follower = (factors[:, 0] == after).all(-1) & (moved == moved[item])
    assert follower.sum() == 1  # an orbit is held out whole
    pair = torch.stack((items[item], items[follower][0]))
    frames, factors, _ = source.batch(pair, torch.Generator())
    assert frames[1].equal(frames[0].roll(-1, 0))
    assert factors[1].equal(factors[0].roll(-1, 0))


def orbits(source: MovingSprites) -> dict[tuple[int, int], int]:
    """Count the items of each orbit, named by the moving factor and the others' values."""
    factors, moved = source._walk(torch.arange(len(source)), torch.Generator())
    still = factors[:, 0].scatter(1, moved[:, None], 0) @ STRIDES
    names, counts = (50625 * moved + still).unique(return_counts=True)
    return {
        divmod(name, 50625): count
        for name, count in zip(names.tolist(), counts.tolist(), strict=True)
    }


@pytest.mark.parametrize(("held_out", "seed"), [(0.1, 0), (0.4, 1)])
def test_no_orbit_is_in_both_splits(held_out: float, seed: int) -> None:
    train = orbits(MovingSprites("train", held_out, seed))
    test = orbits(MovingSprites("test", held_out, seed))
    assert not train.keys() & test.keys()
    whole = {1: 10125, 2: 3375, 3: 3375, 4: 3375}
    for factor, count in whole.items():
        held = sum(orbit[0] == factor for orbit in test)
        assert held == round(held_out * count)
        assert held + sum(orbit[0] == factor for orbit in train) == count
    for orbit, items in (train | test).items():
        assert items == (5 if orbit[0] == SCALE else 15)


def test_orbits_for_a_choice_are_training_orbits_that_nothing_is_trained_on() -> None:
    train, test = (orbits(MovingSprites(split)) for split in ("train", "test"))
    left, chosen = (orbits(MovingSprites(split, validation=True)) for split in ("train", "test"))
    assert left | chosen == train and not left.keys() & chosen.keys()
    assert len(chosen) == len(test) and not chosen.keys() & test.keys()
    with pytest.raises(
        ValueError, match=r"held_out=0\.5 leaves a split empty: .* between 0 and 0\.5"
    ):
        MovingSprites("test", held_out=0.5, validation=True)


def test_the_split_follows_its_seed() -> None:
    first, again, other = (orbits(MovingSprites("test", split_seed=seed)) for seed in (3, 3, 4))
    assert first == again
    assert len(first.keys() & other.keys()) < 0.3 * len(first)  # 10 % by chance


@SPLITS
def test_moving_factors_are_uniform(sources: dict[str, MovingSprites], split: str) -> None:
    source = sources[split]
    count = 8000  # a beginning of the split is as fair as the whole
    _, moved = source._walk(torch.arange(count), torch.Generator().manual_seed(0))
    deviation = math.sqrt(count * 0.25 * 0.75)
    for factor in (1, 2, 3, 4):
        assert abs((moved == factor).sum() - count / 4) < 4 * deviation


@SPLITS
def test_batches_are_a_function_of_seed_and_step(
    sources: dict[str, MovingSprites], split: str
) -> None:
    first, again, other = (Batches(sources[split], 6, seed=seed) for seed in (1, 1, 2))
    for part, same in zip(first.batch(4), again.batch(4), strict=True):
        assert part.equal(same)
    assert not first.batch(4).factors.equal(other.batch(4).factors)
    assert not first.batch(4).factors.equal(first.batch(5).factors)


@pytest.mark.parametrize("held_out", [0.0, 1.0, -0.5, 1e-5, 1 - 1e-5, math.nan, math.inf])
def test_an_empty_split_is_refused(held_out: float) -> None:
    with pytest.raises(ValueError, match=f"held_out={held_out} leaves a split empty"):
        MovingSprites("test", held_out=held_out)


@pytest.mark.parametrize("frames", [1, 6, 40])
def test_a_shorter_or_longer_walk(sources: dict[str, MovingSprites], frames: int) -> None:
    source = MovingSprites("test", frames=frames)
    assert source.frames == frames
    items = torch.arange(0, len(source), 1777)
    walk, cycle = (one.batch(items, torch.Generator()) for one in (source, sources["test"]))
    again = torch.arange(frames) % 15
    assert walk.frames.equal(cycle.frames[:, again])
    assert walk.factors.equal(cycle.factors[:, again])
    assert walk.moved.equal(cycle.moved)


@pytest.mark.parametrize("item", [-1, 20270])
def test_a_missing_item_is_named(sources: dict[str, MovingSprites], item: int) -> None:
    with pytest.raises(ValueError, match=f"no item {item}: .*'test'.* has items 0 to 20269"):
        sources["test"].batch(torch.tensor([0, item]), torch.Generator())


@pytest.mark.parametrize("split", ["train", "test", "all"])
def test_in_position_mode_only_posx_or_posy_moves(split):
    source = MovingSprites(split, mode="position")
    items = torch.arange(0, len(source), 997)
    _, factors, moved = source.batch(items, torch.Generator().manual_seed(0))
    assert set(moved.tolist()) == {3, 4}
    assert (factors[:, :, :3] == factors[:, :1, :3]).all()
    single = MovingSprites(split)
    assert len(source) == len(single) if split == "all" else len(source) < len(single)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "growth"}, "mode='growth': choose single or position"),
        ({"split": "validation"}, "split='validation': choose train, test or all"),
        ({"frames": 0}, "frames=0: give 1 or more"),
    ],
)
def test_unknown_options_are_refused(options, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message):
        MovingSprites(**options)


def test_what_is_drawn_is_judged_by_the_nearest_image() -> None:
    source = MovingSprites("all")
    items = torch.tensor([7, 16_875 + 99, 2 * 16_875 + 5_000])  # a square, an ellipse, a heart
    factors = source._walk(items, torch.Generator())[0][:, 0]
    frames = source.batch(items, torch.Generator()).frames[:, 0]
    assert source.nearest(0.6 * frames + 0.1).equal(factors)
    told = source.told_right(frames, factors)
    assert all(told["shape"]) and all(told["orientation"])
    wrong = factors.clone()
    wrong[:, 0] = (wrong[:, 0] + 1) % 3
    assert not any(source.told_right(frames, wrong)["shape"])
    for steps, right in {1: [True] * 3, 5: [True, False, False], 10: [True, True, False]}.items():
        turned = factors.clone()  # by 18.5°, 92.3° and 184.6°
        turned[:, 2] += steps if steps < 10 else 10
        assert source.told_right(frames, turned)["orientation"].tolist() == right
