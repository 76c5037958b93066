"""Batches of sequences; what holds of batches in general is in test_batches."""

import torch

from symgen.data import Batches, SequenceBatch, Sequences, SequenceSource, Source
from symgen.data.batches import factor_names


class Recorder:
    """A source whose frames carry the item's number and a draw from the generator."""

    factor_names = ("item",)
    factor_sizes = (10,)
    frames = 3
    data_shape = (1, 1, 1)

    def __len__(self) -> int:
        return 10

    def batch(self, indices: torch.Tensor, generator: torch.Generator) -> SequenceBatch:
        draws = torch.rand(len(indices), 3, 1, 1, 1, generator=generator)
        return SequenceBatch(draws, indices.view(-1, 1, 1).expand(-1, 3, 1), indices * 0)

    def __repr__(self) -> str:
        return "Recorder()"


def test_sequences_are_the_batches_of_a_source_with_factors():
    assert isinstance(Recorder(), SequenceSource)
    sequences, batches = Sequences(Recorder(), 3, seed=4), Batches(Recorder(), 3, seed=4)
    assert isinstance(sequences, Batches)
    assert len(sequences) == len(batches)
    for step in (0, 7):
        pairs = zip(sequences.batch(step), batches.batch(step), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_a_source_without_factors_is_no_sequence_source():
    class Nameless:
        frames, data_shape = 3, (1, 1, 1)
        __len__, batch = Recorder.__len__, Recorder.batch

    assert isinstance(Nameless(), Source)
    assert not isinstance(Nameless(), SequenceSource)
    assert factor_names(Nameless()) == ()
    assert factor_names(Recorder()) == ("item",)


def test_a_model_of_sequences_takes_their_frames():
    batch = Sequences(Recorder(), 3).batch(0)
    assert type(batch) is SequenceBatch
    assert len(batch.inputs) == 1
    assert batch.inputs[0] is batch.frames


def test_the_representation_names_sequences():
    assert repr(Sequences(Recorder(), 3, seed=2)) == (
        "Sequences(Recorder(), batch_size=3, seed=2, shuffled)"
    )


def test_the_batch_goes_to_the_device(device):
    batch = Sequences(Recorder(), 3, device=device).batch(0)
    assert {part.device.type for part in batch} == {device.type}
