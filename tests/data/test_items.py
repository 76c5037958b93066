"""Tensors and data sets of anybody as a source: what is taken of an item, and what is refused."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from symgen.data import Batch, Batches, Source
from symgen.data.items import ItemSource, Wanted

CHOSEN = torch.tensor([4, 0, 4])
VECTORS = Wanted((4, 12))
LABELLED = Wanted((1, 5, 7), labelled=True)


class Items(Dataset):
    """A torch data set of what a function makes of a number."""

    def __init__(self, make: Any, size: int = 6) -> None:
        self.make, self.size = make, size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Any:
        return self.make(index)


def batch_of(items: Any, wanted: Wanted) -> Any:
    source = ItemSource(items, 1, wanted.shape, wanted)
    return source.batch(CHOSEN, torch.Generator())


FORMS = {
    "tensor": lambda x: x,
    "array": lambda x: x.numpy(),
    "list of tensors": list,
    "list of arrays": lambda x: list(x.numpy()),
    "list of tuples": lambda x: [(item, "told", None) for item in x],
    "list of dictionaries": lambda x: [{"age": 3.0, "data": item, "name": "a"} for item in x],
    "data set": lambda x: Items(lambda index: x[index]),
    "torch's data set": torch.utils.data.TensorDataset,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("frames", "data_shape"),
    [(1, (12,)), (4, (12,)), (1, (2, 5, 7)), (4, (1, 5, 7)), (1, (1, 3, 5, 7)), (2, (2, 3, 4, 5))],
)
def test_every_form_of_data_of_any_shape_gives_the_items(form, frames, data_shape):
    shape = data_shape if frames == 1 else (frames, *data_shape)
    x = torch.randn(6, *shape)
    source = ItemSource(FORMS[form](x), frames, data_shape, Wanted(shape))
    assert isinstance(source, Source)
    assert (len(source), source.frames, source.data_shape) == (6, frames, data_shape)
    batch = source.batch(CHOSEN, torch.Generator())
    assert isinstance(batch, Batch)
    assert batch.x.equal(x[CHOSEN])
    assert batch.y is None
    assert len(batch.inputs) == 1
    assert batch.inputs[0] is batch.x


LABELS = {
    "number": lambda x, label: (x, label),
    "list": lambda x, label: [x, label],
    "before": lambda x, label: (label, x),
    "array": lambda x, label: (x.numpy(), np.array(label, dtype=np.int16)),
    "numpy's number": lambda x, label: (x, np.int64(label)),
    "tensor": lambda x, label: (x, torch.tensor(label, dtype=torch.uint8)),
    "column": lambda x, label: (x, torch.tensor([label])),
    "dictionary": lambda x, label: {"label": label, "weight": 0.5, "image": x},
}


@pytest.mark.parametrize("form", LABELS)
def test_labels_are_found_where_they_are_wanted(form):
    x, labels = torch.rand(6, 1, 5, 7), [3, 1, 4, 1, 5, 9]
    items = [LABELS[form](*pair) for pair in zip(x, labels, strict=True)]
    batch = batch_of(items, LABELLED)
    assert batch.x.equal(x[CHOSEN])
    assert batch.y.dtype == torch.int64
    assert batch.y.tolist() == [5, 3, 5]
    assert all(given is part for given, part in zip(batch.inputs, batch, strict=True))
    assert batch_of(items, LABELLED._replace(labelled=False)).y is None


@pytest.mark.parametrize("form", FORMS)
def test_bytes_become_floats_from_0_to_1(form):
    x = torch.randint(256, (6, 4, 12), dtype=torch.uint8)
    assert batch_of(FORMS[form](x), VECTORS).x.equal(x[CHOSEN].float() / 255)


def test_of_a_tuple_comes_what_is_first():
    x, other = torch.rand(2, 6, 4, 12)
    assert batch_of(list(zip(x, other, strict=True)), VECTORS).x.equal(x[CHOSEN])


FIT = torch.rand(4, 12)
IMAGE = torch.rand(1, 5, 7)


@pytest.mark.parametrize(
    ("item", "wanted", "message"),
    [
        (torch.rand(4, 11), VECTORS, "item 0 is float32 (4, 11): the model takes floats (4, 12)"),
        (
            np.ones((600, 12), "f4"),
            VECTORS,
            "takes floats (4, 12); cut longer ones by symgen.open(x, axes=..., length=4)",
        ),
        (torch.rand(12), VECTORS, "item 0 is float32 (12,): the model takes floats (4, 12)"),
        (torch.zeros(4, 12).long(), VECTORS, "item 0 is int64 (4, 12): the model takes floats"),
        (torch.zeros(4, 12).bool(), VECTORS, "item 0 is bool (4, 12): the model takes floats"),
        (np.full((4, 12), "a"), VECTORS, "item 0 is ndarray: the model takes floats (4, 12)"),
        (None, VECTORS, "item 0 is a NoneType: the model takes floats (4, 12)"),
        ("film.mp4", VECTORS, "item 0 is a str: the model takes floats (4, 12)"),
        ((), VECTORS, "item 0 holds nothing: the model takes floats (4, 12)"),
        ((None, "a"), VECTORS, "item 0 holds 0: NoneType, 1: str: the model takes"),
        ({"a": FIT, "b": FIT}, VECTORS, "item 0 holds a: float32 (4, 12), b: float32 (4, 12): "),
        ({"a": FIT, "b": FIT}, VECTORS, "there must be exactly one such entry"),
        (IMAGE, LABELLED, "item 0 is float32 (1, 5, 7): the model takes floats (1, 5, 7) with a"),
        ((IMAGE, 0.5), LABELLED, "1: float32 (): the model takes floats (1, 5, 7) with a whole"),
        ((IMAGE, 3, 4), LABELLED, "0: float32 (1, 5, 7), 1: int64 (), 2: int64 (): the model"),
    ],
)
def test_what_the_model_does_not_take_is_named(item, wanted, message):
    for items in ([item] * 6, Items(lambda index: item)):
        with pytest.raises(ValueError, match=re.escape(message)):
            batch_of(items, wanted)


@pytest.mark.parametrize("odd", [torch.rand(5, 12), None, (torch.zeros(4, 12).long(), 3)])
def test_a_later_item_that_differs_is_named(odd):
    with pytest.raises(ValueError, match=r"^item 4 .*: the model takes floats \(4, 12\)"):
        batch_of([*torch.rand(4, 4, 12), odd], VECTORS)


def test_a_tensor_of_another_shape_is_refused_before_any_batch():
    with pytest.raises(ValueError, match=r"^item 0 is float32 \(4, 11\): the model takes"):
        ItemSource(torch.rand(6, 4, 11), 4, (12,), VECTORS)


def test_a_dictionary_of_arrays_is_no_sequence_of_items():
    with pytest.raises(ValueError, match="dictionary of x, y: give a list of items"):
        ItemSource({"x": torch.rand(6, 4, 12), "y": torch.arange(6)}, 4, (12,), VECTORS)


@pytest.mark.parametrize("items", [torch.rand(0, 4, 12), [], Items(None, size=0)])
def test_no_items_at_all_fill_no_batch(items):
    source = ItemSource(items, 4, (12,), VECTORS)
    assert len(source) == 0
    assert "0" in repr(source)
    with pytest.raises(ValueError, match="a source of 0 items fills no batch"):
        Batches(source, 4)


def noisy(index: int) -> Tensor:
    return index + torch.rand(4, 12)


def test_a_data_set_that_draws_depends_on_seed_and_step_only():
    source = ItemSource(Items(noisy), 4, (12,), VECTORS)
    first, other = (Batches(source, 3, seed=seed, shuffle=False) for seed in (1, 2))
    batch = first.batch(2).x
    torch.manual_seed(5)
    following = torch.rand(3)
    torch.manual_seed(5)
    assert first.batch(2).x.equal(batch)
    assert torch.rand(3).equal(following)  # nobody else's numbers are used up
    batches = torch.stack([batch, first.batch(0).x, other.batch(2).x])
    items = torch.arange(3)[:, None, None]
    noise = batches - items
    assert ((noise >= 0) & (noise <= 1)).all()
    assert noise.unique().numel() > 0.99 * noise.numel()


def test_the_generators_of_the_accelerator_are_left_alone(monkeypatch):
    def seed(value: int) -> None:
        raise AssertionError(f"the GPU was seeded with {value}")

    monkeypatch.setattr(torch.cuda, "manual_seed_all", seed)
    assert batch_of(Items(noisy), VECTORS).x.shape == (3, 4, 12)


def test_the_batch_goes_to_the_device(device):
    for items in (torch.rand(6, 4, 12), torch.rand(6, 4, 12, device=device)):
        batch = Batches(ItemSource(items, 4, (12,), VECTORS), 2, device=device).batch(0)
        assert batch.x.device.type == device.type
        assert batch.y is None


def told(x: Tensor) -> str:
    return repr(ItemSource(x, 1, x.shape[1:], Wanted(tuple(x.shape[1:]))))


def test_the_representation_of_a_tensor_tells_its_content_and_not_its_place():
    x = torch.rand(6, 4, 12)
    changed = x.clone()
    changed[3, 2, 1] += 0.5
    assert told(x) == told(x.clone()) == told(x.mT.contiguous().mT)
    zeros = [torch.zeros(6, 4, 12, dtype=kind) for kind in (torch.float16, torch.bfloat16)]
    different = [x, changed, x[:5], x.view(6, 12, 4), *zeros]
    assert len({*map(told, different)}) == len(different)


def test_of_a_large_tensor_rows_all_over_are_looked_at():
    x = torch.zeros(2000, 2**12)  # 32 MB, of which half is read
    before = told(x)
    x[:2, 17] = 1
    first = told(x)
    x[-2:, 17] = 1
    assert len({before, first, told(x)}) == 3


def test_the_representation_of_a_data_set_tells_what_is_taken():
    source = ItemSource(Items(noisy), 4, (12,), VECTORS)
    assert repr(source) == "6 items of Items, floats (4, 12)"
    assert str(LABELLED) == "floats (1, 5, 7) with a whole number as label"
