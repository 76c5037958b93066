"""What a source tells of itself opens it again."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from symgen import data
from symgen.data import MovingSprites, Source
from symgen.data.items import ItemSource, Wanted
from symgen.experiments.datasets import data_from_json


def reopened(source: Any, place: Path | None = None) -> Source[Any]:
    """Open a source again from what it tells, by way of a file."""
    told = data_from_json(json.loads(json.dumps(source.described())))
    return told.located(place).source(train=True)


def assert_same(source: Any, again: Source[Any]) -> None:
    assert repr(again) == repr(source)
    for name in ("__len__", "frames", "data_shape"):
        one, two = getattr(source, name), getattr(again, name)
        assert (one() == two()) if callable(one) else (one == two)
    items = torch.arange(0, len(source), max(1, len(source) // 3))
    batch, same = (each.batch(items, torch.Generator().manual_seed(0)) for each in (source, again))
    for one, two in zip(batch, same, strict=True):
        assert (one is None and two is None) or one.equal(two)


@pytest.mark.parametrize(
    "options", [{}, {"mode": "position", "frames": 6, "split_seed": 3}, {"frames": 15}]
)
def test_sprites_are_drawn_again(options):
    source = MovingSprites(**options)
    assert_same(source, reopened(source))


@pytest.mark.parametrize("options", [{"split": "all"}, {"split": "test"}, {"held_out": 0.3}])
def test_sprites_that_no_run_trains_on_by_default_tell_nothing(options):
    assert MovingSprites(**options).described() is None


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((9, 20, 8, 6), {}),
        ((9, 20, 3, 8, 6), {"length": 4, "stride": 3, "every": 2, "size": (4, 6), "gray": True}),
        ((9, 20, 5), {"axes": "NTF", "validation": 0.3, "test": 0.2, "split_seed": 4}),
        ((1, 90, 5), {"axes": "NTF", "validation": 0.0}),
    ],
    ids=["images", "cut", "vectors", "in time"],
)
def test_recordings_are_opened_again_from_anywhere(shape, options, tmp_path, monkeypatch):
    np.save(tmp_path / "films.npy", np.random.default_rng(0).random(shape))
    monkeypatch.chdir(tmp_path)
    source = data.open("films.npy", **options)
    with monkeypatch.context() as elsewhere:
        elsewhere.chdir(tmp_path.parent)
        again = reopened(source)
    assert_same(source, again)
    np.save(tmp_path / "copy.npy", np.load(tmp_path / "films.npy"))
    assert_same(source, reopened(source, tmp_path / "copy.npy"))


def test_recordings_in_memory_tell_nothing():
    assert data.open(list(torch.rand(9, 20, 8, 6))).described() is None


@pytest.mark.parametrize(
    ("frames", "shape"), [(1, (12,)), (4, (4, 12)), (1, (1, 5, 7)), (4, (4, 2, 3, 5, 7))]
)
def test_a_tensor_is_found_in_a_file(frames, shape, tmp_path):
    x = torch.rand(6, *shape)
    source = ItemSource(x, frames, shape[frames > 1 :], Wanted(shape))
    with pytest.raises(ValueError, match="trained on an array in memory: name a file of such"):
        reopened(source)
    np.save(tmp_path / "items.npy", x.numpy())
    assert_same(source, reopened(source, tmp_path / "items.npy"))


def test_a_data_set_tells_nothing():
    assert ItemSource(list(torch.rand(6, 4, 12)), 4, (12,), Wanted((4, 12))).described() is None
