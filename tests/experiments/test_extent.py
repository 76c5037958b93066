"""How much of held-out data an evaluation takes, and in which order."""

import itertools

import pytest
import torch

from symgen.data import Batches, SequenceBatch
from symgen.experiments.families import TimeLimit, evenly_spread, first_items


class Numbers:
    """Sequences that hold their own number; a draw shows which generator made them."""

    frames, data_shape = 2, (1,)

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def batch(self, indices, generator):
        frames = indices.float()[:, None, None].expand(-1, 2, 1)
        draws = torch.randint(1_000, (len(indices), 2, 1), generator=generator)
        return SequenceBatch(frames, draws, torch.zeros(len(indices), dtype=torch.int64))


def numbers(batches):
    return [int(number) for batch in batches for number in batch.frames[:, 0, 0]]


def spread(count, size=4):
    return evenly_spread(Batches(Numbers(count), size, seed=3, shuffle=False))


@pytest.mark.parametrize("count", [4, 5, 6, 7, 12, 97, 100, 1_000])
def test_every_item_comes_once(count):
    data = spread(count)
    assert sorted(numbers(first_items(data))) == list(range(count))
    assert len(list(first_items(data))) == len(data)


@pytest.mark.parametrize("count", [97, 100, 1_000, 20_270])
@pytest.mark.parametrize("items", [8, 30, 64])
def test_a_part_is_evenly_spread(count, items):
    chosen = sorted(numbers(first_items(spread(count), items)))
    gaps = [b - a for a, b in itertools.pairwise([*chosen, chosen[0] + count])]
    assert max(gaps) < 2.7 * count / items + 2 and min(gaps) > 0.3 * count / items - 2


def test_a_smaller_part_is_the_beginning_of_a_larger_one():
    small, large = (list(first_items(spread(100), items)) for items in (8, 50))
    for batch, same in zip(small, large, strict=False):
        assert all(a.equal(b) for a, b in zip(batch, same, strict=True))


def test_what_is_drawn_is_that_of_the_same_step_in_order():
    data = Batches(Numbers(50), 4, seed=3, shuffle=False)
    assert evenly_spread(data).batch(2).factors.equal(data.batch(2).factors)


# --- limits ------------------------------------------------------------------------------------


class Clock:
    """A clock of a machine whose first batch takes longer than the others."""

    def __init__(self, first, each):
        self.times = itertools.accumulate(itertools.chain([0.0, first], itertools.repeat(each)))

    def __call__(self):
        return next(self.times)


@pytest.mark.parametrize(
    ("first", "each", "measured"),
    [
        (1.0, 1.0, 60),
        (6.0, 1.0, 55),
        (1.0, 0.001, 100),  # all there are
        (100.0, 1.0, 1),  # at least one
        (59.0, 20.0, 2),
        (25.0, 25.0, 2),
    ],
)
def test_as_many_batches_are_measured_as_a_time_allows(first, each, measured):
    told = []
    limit = TimeLimit(60, Clock(first, each))
    batches = list(first_items(spread(400), None, lambda *now: told.append(now), limit))
    assert abs(len(batches) - measured) <= 1
    assert told[-1] == (len(batches), len(batches))
    assert len({of for _, of in told[3:]}) <= 1  # after the first ones the goal stays


def test_a_limit_is_asked_before_and_after_every_batch():
    asked = []

    def limit(done, batches):
        asked.append((done, batches))
        return 2

    assert len(list(first_items(spread(10), limit=limit))) == 2
    assert asked == [(0, 3), (1, 3), (2, 3)]
