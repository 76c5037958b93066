"""Batches as a pure function of (seed, step)."""

import pytest
import torch

from symgen.data import SequenceBatch, Sequences


class Recorder:
    """A source whose frames carry the item's number and a draw from the generator."""

    factor_names = ("item",)
    factor_sizes = (10,)
    frames = 3
    image_shape = (1, 1, 1)

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def make(self, items: torch.Tensor, generator: torch.Generator) -> SequenceBatch:
        draws = torch.rand(len(items), 3, 1, 1, 1, generator=generator)
        return SequenceBatch(draws, items.view(-1, 1, 1).expand(-1, 3, 1), items * 0)


def items(batch: SequenceBatch) -> list[int]:
    return batch.factors[:, 0, 0].tolist()


def test_a_batch_depends_on_seed_and_step_only():
    first, second = (Sequences(Recorder(10), 3, seed=4) for _ in range(2))
    list(second)  # what was drawn before does not matter, nor does the global generator
    torch.manual_seed(1)
    for step in (17, 0, 3):
        a, b = first.batch(step), second.batch(step)
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_seeds_and_steps_share_no_draws():
    draws = [
        Sequences(Recorder(100), 100, seed=seed).batch(step).frames
        for seed in range(4)
        for step in range(4)
    ]
    assert torch.cat(draws).unique().numel() > 0.999 * torch.cat(draws).numel()


def test_a_shuffled_epoch_visits_items_once_and_drops_the_rest():
    data = Sequences(Recorder(10), 3, seed=1)
    assert len(data) == data.steps_per_epoch == 3
    orders = [
        [item for step in range(3 * epoch, 3 * epoch + 3) for item in items(data.batch(step))]
        for epoch in range(4)
    ]
    for order in orders:
        assert len(set(order)) == 9
        assert set(order) <= set(range(10))
    assert len({tuple(order) for order in orders}) == 4
    assert [item for batch in data for item in items(batch)] == orders[0]


def test_without_shuffling_the_order_is_the_source_s():
    data = Sequences(Recorder(10), 4, shuffle=False)
    assert [items(batch) for batch in data] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert items(data.batch(3)) == [0, 1, 2, 3]
    assert not torch.equal(data.batch(0).frames, data.batch(3).frames)  # transformed anew
    assert len(Sequences(Recorder(8), 4, shuffle=False)) == 2


@pytest.mark.parametrize(("size", "batch", "shuffle"), [(0, 1, False), (5, 6, True), (5, 0, True)])
def test_sources_that_cannot_fill_a_batch_are_refused(size, batch, shuffle):
    with pytest.raises(ValueError, match=f"a source of {size} items .* a batch of {batch}"):
        Sequences(Recorder(size), batch, shuffle=shuffle)


def test_an_unshuffled_source_may_be_smaller_than_a_batch():
    assert items(Sequences(Recorder(2), 4, shuffle=False).batch(0)) == [0, 1]


def test_the_batch_goes_to_the_device(device):
    batch = Sequences(Recorder(10), 3, device=device).batch(0)
    assert {part.device.type for part in batch} == {device.type}
