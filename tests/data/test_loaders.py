"""DataLoaders and iterables as batches that a stopped run finds again."""

import re
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from symgen.data.items import Wanted
from symgen.data.loaders import LoaderBatches

WANTED = Wanted((2, 3))
ITEMS = torch.arange(10.0).view(10, 1, 1).expand(10, 2, 3).contiguous()  # each tells its number


class Stream(IterableDataset):
    """An iterable of what is given."""

    def __init__(self, entries: Any) -> None:
        self.entries = entries

    def __iter__(self) -> Iterator[Any]:
        return iter(self.entries)


def shuffled(seed: int = 0) -> LoaderBatches:
    return LoaderBatches(DataLoader(ITEMS, batch_size=4, shuffle=True), 4, WANTED, seed)


def numbers(batch: Any) -> list[int]:
    return batch.x[:, 0, 0].long().tolist()


def epochs(batches: LoaderBatches, many: int) -> list[list[int]]:
    """Return the numbers of the items of the first epochs, two batches each."""
    return [numbers(batches.batch(2 * n)) + numbers(batches.batch(2 * n + 1)) for n in range(many)]


def test_every_epoch_visits_items_once_in_another_order():
    orders = epochs(shuffled(), 4)
    assert all(len(set(order)) == 8 and set(order) <= set(range(10)) for order in orders)
    assert len({*map(tuple, orders)}) == 4


def test_a_batch_depends_on_seed_and_step_only():
    batches = shuffled(seed=3)
    seen = [numbers(batches.batch(step)) for step in range(7)]
    torch.manual_seed(5)
    for step in (6, 2, 3):  # a run that resumes asks for a later one, or goes back
        assert numbers(shuffled(seed=3).batch(step)) == seen[step]
        assert numbers(batches.batch(step)) == seen[step]
    assert epochs(shuffled(seed=4), 1) != epochs(shuffled(seed=3), 1)


def test_nobody_else_s_random_numbers_are_used_up():
    torch.manual_seed(5)
    following = torch.rand(8)
    torch.manual_seed(5)
    batches = shuffled()
    drawn = []
    for step in range(8):
        batches.batch(step)
        drawn.append(torch.rand(1))
    assert torch.cat(drawn).equal(following)


def test_items_that_are_drawn_at_random_are_found_again():
    class Noise(Stream):
        def __iter__(self) -> Iterator[Tensor]:
            return (torch.rand(2, 3) for _ in range(4))

    one, two = (LoaderBatches(Noise(None), 2, WANTED, seed=1) for _ in range(2))
    seen = torch.stack([one.batch(step).x for step in range(6)])
    torch.manual_seed(5)
    assert two.batch(5).x.equal(seen[5])
    assert seen.unique().numel() == seen.numel()


@pytest.mark.parametrize(
    "entries",
    [
        [*ITEMS],
        [*ITEMS.numpy()],
        [(item, "told") for item in ITEMS],
        [{"data": item, "age": 3.0} for item in ITEMS],
        [*ITEMS.split(4)],
        DataLoader(ITEMS, batch_size=4),
        DataLoader(TensorDataset(ITEMS, torch.arange(10)), batch_size=4),
        DataLoader([{"data": item, "name": "a"} for item in ITEMS], batch_size=4),
    ],
    ids=["tensors", "arrays", "tuples", "dictionaries", "batches", "loader", "pairs", "named"],
)
def test_items_are_gathered_and_batches_taken_but_for_a_smaller_last_one(entries):
    batches = LoaderBatches(Stream(entries), 4, WANTED)
    assert epochs(batches, 2) == [[*range(8)]] * 2
    batch = batches.batch(0)
    assert batch.y is None
    assert len(batch.inputs) == 1
    assert batch.inputs[0] is batch.x


@pytest.mark.parametrize("column", [True, False])
@pytest.mark.parametrize("gathered", [True, False])
def test_labels_go_with_their_items(gathered, column):
    labels = torch.arange(10)[:, None] if column else torch.arange(10)
    pairs = TensorDataset(ITEMS, labels)
    entries = Stream(pairs) if gathered else DataLoader(pairs, batch_size=4, shuffle=True)
    batches = LoaderBatches(entries, 4, WANTED._replace(labelled=True))
    for step in range(5):
        batch = batches.batch(step)
        assert batch.y.shape == (4,)
        assert batch.y.tolist() == numbers(batch)
        assert len(batch.inputs) == 2


def test_bytes_become_floats_from_0_to_1():
    pixels = torch.randint(256, (4, 2, 3), dtype=torch.uint8)
    for entries in ([pixels], [*pixels]):
        assert LoaderBatches(entries, 4, WANTED).batch(0).x.equal(pixels / 255)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([4, 3, 4], "entry 1 of Stream is a batch of 3, but batch_size=4: only the last"),
        ([5], "entry 0 of Stream is a batch of 5, but batch_size=4"),
        ([4, 5], "entry 1 of Stream is a batch of 5, but batch_size=4"),
        ([3], "Stream gives no batch of 4 in epoch 0, after 0 batches"),
        ([], "Stream gives no batch of 4 in epoch 0, after 0 batches"),
    ],
)
def test_batches_of_another_size_are_refused_and_not_left_out(sizes, message):
    batches = LoaderBatches(Stream([torch.rand(size, 2, 3) for size in sizes]), 4, WANTED)
    with pytest.raises(ValueError, match=re.escape(message)):
        [batches.batch(step) for step in range(2)]


def test_an_endless_stream_of_another_size_is_refused():
    batches = LoaderBatches(Stream(torch.rand(2, 2, 3) for _ in count()), 4, WANTED)
    with pytest.raises(ValueError, match="entry 0 of Stream is a batch of 2, but batch_size=4"):
        batches.batch(0)


def test_what_can_be_gone_through_only_once_is_refused_when_it_has_ended():
    batches = LoaderBatches((item for item in ITEMS), 4, WANTED)
    assert epochs(batches, 1) == [[*range(8)]]
    with pytest.raises(ValueError, match="generator gives no batch of 4 in epoch 1, after 2 batc"):
        batches.batch(2)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([None], "entry 0 of list is a NoneType: the model takes floats (2, 3)"),
        (["a"], "entry 0 of list is a str: the model takes floats (2, 3)"),
        ([torch.rand(4, 2, 4)], "entry 0 of list is float32 (4, 2, 4): the model takes floats"),
        ([ITEMS[:4].long()], "entry 0 of list is int64 (4, 2, 3): the model takes floats (2, 3)"),
        ([ITEMS[0], ITEMS[1], torch.rand(3, 3)], "entry 2 of list is float32 (3, 3): the model"),
        ([ITEMS[0], None], "entry 1 of list is a NoneType"),
        ([[ITEMS[:4], "a"], [None]], "entry 1 of list holds 0: NoneType: the model takes floats"),
        ([{"a": ITEMS[:4], "b": ITEMS[:4]}], "exactly one such entry"),
    ],
)
def test_what_the_model_does_not_take_is_named(entries, message):
    batches = LoaderBatches(entries, 4, WANTED)
    with pytest.raises(ValueError, match=re.escape(message)):
        [batches.batch(step) for step in range(2)]


def test_an_error_of_the_data_is_its_own():
    def broken() -> Iterator[Tensor]:
        yield ITEMS[:4]
        raise OSError("the disk is gone")

    batches = LoaderBatches(broken(), 4, WANTED)
    assert numbers(batches.batch(0)) == [0, 1, 2, 3]
    with pytest.raises(OSError, match="the disk is gone"):
        batches.batch(1)


def test_the_representation_tells_what_is_taken():
    assert repr(shuffled()) == "DataLoader in batches of 4, floats (2, 3)"
