"""What `fit` trains on: every form of data, and what each gives up or keeps."""

from pathlib import Path
from typing import Any

import pytest
import torch
from recording_helpers import write_frames
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset
from training_helpers import (
    Noise,
    Parabola,
    assert_same_weights,
    make_data,
    make_labelled,
    make_model,
    make_prototypes,
    without_times,
)

import symgen
from symgen.data import Batches, SequenceBatch
from symgen.training import fit

CLIPS = torch.rand(40, 6, 1, 4, 4, generator=torch.Generator().manual_seed(2))
AS_ITEMS = {
    "tensor": lambda x: x,
    "array": lambda x: x.numpy(),
    "list": list,
    "data set of tensors": lambda x: Items(x, lambda item: item),
    "data set of tuples": TensorDataset,
    "data set of dictionaries": lambda x: Items(x, lambda item: {"age": 3.0, "clip": item}),
}


class Items(Dataset):
    """A torch data set of what is made of every item of a tensor."""

    def __init__(self, x: Tensor, make: Any) -> None:
        self.x, self.make = x, make

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> Any:
        return self.make(self.x[index])


class Clips(Noise):
    """A source of the clips."""

    def batch(self, indices: Tensor, generator: torch.Generator) -> SequenceBatch:
        return super().batch(indices, generator)._replace(frames=CLIPS[indices])


class InOrder(Batches[Any]):
    """The clips one after the other."""

    def batch(self, step: int) -> SequenceBatch:
        return self.source.batch(torch.arange(8) + 8 * (step % 5), torch.Generator())


class Stream(IterableDataset):
    """A torch data set of unknown length."""

    def __iter__(self) -> Any:
        return iter(CLIPS)


def trained(data: Any, **settings: Any) -> Any:
    return fit(make_model(), data, **{"examples": 80, "batch_size": 8, **settings})


@pytest.mark.parametrize("form", AS_ITEMS)
def test_the_same_items_in_any_form_give_the_same_run(form: str) -> None:
    source = Batches(Clips(), batch_size=8, seed=0)
    by_source = trained(source)
    run = trained(AS_ITEMS[form](CLIPS))
    assert_same_weights(run.model, by_source.model)
    assert without_times(run.records) == without_times(by_source.records)


def test_a_source_is_trained_on_in_an_order_of_the_seed() -> None:
    one, same, other = (trained(Clips(), seed=seed) for seed in (0, 0, 1))
    assert_same_weights(one.model, trained(Batches(Clips(), 8, seed=0)).model)
    assert_same_weights(one.model, same.model)
    assert one.records[-1]["loss"] != other.records[-1]["loss"]


def test_a_path_is_trained_on_as_the_recordings_in_it(tmp_path: Path) -> None:
    films = (255 * torch.rand(20, 6, 1, 4, 4)).byte().numpy()
    path = write_frames(tmp_path / "films", films)
    source = symgen.open(path, length=6)
    assert len(source) == 16  # of 20 films, the others being kept for validation and test
    by_source, *by_path = (trained(data) for data in (source, path, str(path)))
    for run in by_path:
        assert_same_weights(run.model, by_source.model)


def test_a_loader_in_order_gives_its_batches_over_and_over() -> None:
    loader = DataLoader(TensorDataset(CLIPS), batch_size=8)
    run = trained(loader, examples=120)
    assert_same_weights(run.model, trained(InOrder(Clips(), batch_size=8), examples=120).model)


@pytest.mark.parametrize("form", ["shuffled loader", "stream", "drawn at random", "tensor"])
def test_a_run_on_anybody_s_data_goes_on_bit_for_bit(form: str, tmp_path: Path) -> None:
    make = {
        "shuffled loader": lambda: DataLoader(TensorDataset(CLIPS), batch_size=8, shuffle=True),
        "stream": lambda: DataLoader(Stream(), batch_size=8),
        "drawn at random": lambda: Items(CLIPS, lambda item: item * torch.rand(())),
        "tensor": lambda: CLIPS,
    }[form]
    whole = trained(make(), examples=112)
    trained(make(), examples=56, folder=tmp_path)
    torch.rand(3)  # the caller's random numbers are none of its business
    longer = trained(make(), examples=112, folder=tmp_path, resume=True)
    assert_same_weights(longer.model, whole.model)


def test_other_values_of_the_same_shape_are_no_data_to_resume_with(tmp_path: Path) -> None:
    trained(CLIPS, folder=tmp_path)
    with pytest.raises(ValueError, match=r"data_source was .*fingerprint.* and is"):
        trained(CLIPS.flip(0), examples=160, folder=tmp_path, resume=True)


def test_labels_go_with_the_data() -> None:
    batches = [make_labelled(3).batch(step) for step in range(5)]
    images, labels = (torch.cat(part) for part in zip(*batches, strict=True))
    forms = [
        list(zip(images, labels, strict=True)),
        [{"label": int(y), "image": x} for x, y in zip(images, labels, strict=True)],
        TensorDataset(images, labels),
    ]
    runs = [fit(make_prototypes(3), form, examples=80, batch_size=8) for form in forms]
    for run in runs:
        assert_same_weights(run.model, runs[0].model)
    other = fit(
        make_prototypes(3), TensorDataset(images, labels.flip(0)), batch_size=8, examples=80
    )
    assert other.records[-1]["nll"] != runs[0].records[-1]["nll"]


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (CLIPS, 32),
        (CLIPS[:5], 5),  # fewer items than a batch has by default
        (DataLoader(TensorDataset(CLIPS), batch_size=4), 4),
        (make_data(), 8),
    ],
)
def test_without_a_batch_size_that_of_the_data_is_taken(data: Any, size: int) -> None:
    run = fit(make_model(), data, examples=1)
    assert (run.step, run.examples) == (1, size)


@pytest.mark.parametrize("size", [0, -1, 41])
def test_a_batch_size_that_cannot_be_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"cannot fill a batch of {size}: choose .* 1 and 40"):
        trained(CLIPS, batch_size=size)
    with pytest.raises(ValueError, match=f"batch_size={size} but the data come in batches of 8"):
        trained(DataLoader(TensorDataset(CLIPS), batch_size=8), batch_size=size)


# The decay of an epoch


@pytest.mark.parametrize(
    "data", [CLIPS, DataLoader(TensorDataset(CLIPS), batch_size=8), make_data()]
)
def test_an_epoch_takes_the_decay_whatever_the_form_of_the_data(data: Any) -> None:
    settings: dict[str, Any] = {"optimizer": "AdamW", "learning_rate": 0.0, "decay": 0.05}
    run = fit(Parabola(), data, examples=40, batch_size=8, **settings)
    assert run.model.w.item() == pytest.approx(4 * 0.95, rel=0.01)


def test_data_that_do_not_tell_how_long_an_epoch_is_have_no_decay_of_one() -> None:
    settings: dict[str, Any] = {"optimizer": "AdamW", "batch_size": 8, "examples": 40}
    loaders = [DataLoader(Stream(), batch_size=8), DataLoader(CLIPS, batch_size=None)]
    for data in (*loaders, (clip for clip in CLIPS)):
        with pytest.raises(ValueError, match=r"decay=0\.05 of an epoch, but .* weight_decay in"):
            fit(Parabola(), data, decay=0.05, **settings)
        fit(Parabola(), data, optimizer_options={"weight_decay": 0.1}, **settings)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (3, "data is a int: give a path, a source, a tensor"),
        (CLIPS[:, :5], r"item 0 is float32 \(5, 1, 4, 4\): the model takes"),
        (CLIPS[:, 0], r"item 0 is float32 \(1, 4, 4\): the model takes floats \(6, 1, 4, 4\)"),
        ({"clips": CLIPS}, "the data are a dictionary of clips: give a list of items"),
        (CLIPS[:0], "a source of 0 items"),
        (iter(()), "gives no batch of 8 in epoch 0"),
    ],
)
def test_what_is_no_data_for_the_model_is_refused(data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        trained(data)


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere is not there: name a file or folder"):
        trained(tmp_path / "nowhere")
