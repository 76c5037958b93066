"""Batches as a pure function of (seed, step)."""

from typing import NamedTuple

import pytest
import torch

from symgen.data import Batch, Batches, SequenceBatch, Source
from symgen.data.batches import factor_names, fitting


class Draws(NamedTuple):
    numbers: torch.Tensor
    draws: torch.Tensor

    @property
    def inputs(self) -> tuple[torch.Tensor]:
        return (self.draws,)


class Recorder:
    """A source whose batches tell the numbers of the items and what the generator gave."""

    frames = 1
    data_shape = (1, 1, 1)

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def batch(self, indices: torch.Tensor, generator: torch.Generator) -> Draws:
        return Draws(indices, torch.rand(len(indices), 3, generator=generator))

    def __repr__(self) -> str:
        return f"Recorder({self.size})"


class Walks(Recorder):
    """A source of sequences whose one factor is the item's number."""

    factor_names = ("item",)
    factor_sizes = (10,)
    frames = 3

    def batch(self, indices: torch.Tensor, generator: torch.Generator) -> SequenceBatch:
        draws = torch.rand(len(indices), 3, 1, 1, 1, generator=generator)
        return SequenceBatch(draws, indices.view(-1, 1, 1).expand(-1, 3, 1), indices * 0)


def numbers(batch: Draws) -> list[int]:
    return batch.numbers.tolist()


def test_a_batch_is_of_the_type_that_the_source_makes():
    batch = Batches(Recorder(10), 3).batch(0)
    assert type(batch) is Draws
    assert isinstance(batch, Batch)
    assert isinstance(Recorder(10), Source)
    assert batch.inputs[0] is batch.draws


def test_a_source_may_name_its_factors():
    assert isinstance(Walks(10), Source)
    assert factor_names(Walks(10)) == ("item",)
    assert factor_names(Recorder(10)) == ()


def test_a_model_of_sequences_takes_their_frames():
    batch = Batches(Walks(10), 3).batch(0)
    assert type(batch) is SequenceBatch
    assert len(batch.inputs) == 1
    assert batch.inputs[0] is batch.frames


def test_a_batch_depends_on_seed_and_step_only():
    first, second = (Batches(Recorder(10), 3, seed=4) for _ in range(2))
    list(second)  # what was drawn before does not matter, nor does the global generator
    torch.manual_seed(1)
    for step in (17, 0, 3):
        a, b = first.batch(step), second.batch(step)
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_the_stream_is_frozen():
    """What a seed stands for never changes, or old runs could not be resumed or repeated."""
    batch = Batches(Recorder(10), 3, seed=4).batch(17)
    assert numbers(batch) == [2, 8, 7]
    assert batch.draws[0].tolist() == pytest.approx([0.0931008458, 0.9025058150, 0.9579164386])


def test_seeds_and_steps_share_no_draws():
    draws = [
        Batches(Recorder(100), 100, seed=seed).batch(step).draws
        for seed in range(4)
        for step in range(4)
    ]
    assert torch.cat(draws).unique().numel() > 0.999 * torch.cat(draws).numel()


def test_a_shuffled_epoch_visits_items_once_and_drops_the_rest():
    data = Batches(Recorder(10), 3, seed=1)
    assert len(data) == data.steps_per_epoch == 3
    orders = [
        [item for step in range(3 * epoch, 3 * epoch + 3) for item in numbers(data.batch(step))]
        for epoch in range(4)
    ]
    for order in orders:
        assert len(set(order)) == 9
        assert set(order) <= set(range(10))
    assert len({tuple(order) for order in orders}) == 4
    assert [item for batch in data for item in numbers(batch)] == orders[0]


def test_without_shuffling_the_order_is_the_source_s():
    data = Batches(Recorder(10), 4, shuffle=False)
    assert [numbers(batch) for batch in data] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert numbers(data.batch(3)) == [0, 1, 2, 3]
    assert not torch.equal(data.batch(0).draws, data.batch(3).draws)  # transformed anew
    assert len(Batches(Recorder(8), 4, shuffle=False)) == 2


@pytest.mark.parametrize(("size", "batch", "shuffle"), [(5, 6, True), (5, 0, True), (5, 0, False)])
def test_sources_that_cannot_fill_a_batch_are_refused(size, batch, shuffle):
    with pytest.raises(ValueError, match=f"a source of {size} items .* a batch of {batch}"):
        Batches(Recorder(size), batch, shuffle=shuffle)


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_empty_source_is_refused(shuffle):
    with pytest.raises(ValueError, match="a source of 0 items fills no batch"):
        Batches(Recorder(0), 1, shuffle=shuffle)


def test_an_unshuffled_source_may_be_smaller_than_a_batch():
    assert numbers(Batches(Recorder(2), 4, shuffle=False).batch(0)) == [0, 1]


@pytest.mark.parametrize("kind", [Recorder, Walks])
def test_the_batch_goes_to_the_device(kind, device):
    batch = Batches(kind(10), 3, device=device).batch(0)
    assert {part.device.type for part in batch} == {device.type}


def test_the_representation_tells_what_the_batches_depend_on():
    assert repr(Batches(Recorder(10), 3, seed=2)) == (
        "Batches(Recorder(10), batch_size=3, seed=2, shuffled)"
    )
    assert repr(Batches(Recorder(10), 3, shuffle=False)).endswith("seed=0, in order)")


@pytest.mark.parametrize(
    ("length", "shape", "items"),
    [(16, (3, 64, 64), 50), (16, (1024,), 50), (4, (1, 4096, 4096), 1)],
)
def test_a_batch_of_large_items_has_fewer(length, shape, items):
    class Large:
        frames, data_shape = length, shape

        def __len__(self):
            return 1000

        def batch(self, indices, generator):
            raise NotImplementedError

    assert fitting(Large(), 50) == items


def test_the_items_of_a_batch_are_known_before_it_is_made():
    for shuffle in (True, False):
        batches = Batches(Recorder(10), 4, seed=3, shuffle=shuffle)
        for step in range(5):
            assert torch.equal(batches.indices(step), batches.batch(step).numbers)
