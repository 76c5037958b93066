"""Options that are numbers: refused by name, before anything is read."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from symgen import data
from symgen.data import Batches, DistortedImages, Images, MovingSprites, TransformingDigits
from symgen.data.images import paper_split

NAN = float("nan")
PIXELS = torch.zeros(9, 1, 8, 8, dtype=torch.uint8)
IMAGES = Images(PIXELS, torch.arange(9))


@pytest.fixture(autouse=True)
def unchecked(monkeypatch):
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation": -99999}, "validation=-99999: give 0 or more"),
        ({"validation": NAN}, "validation=nan: give a finite number"),
        ({"test": "0.1"}, "test='0.1': give a finite number"),
        ({"test": 1.5}, "test=1.5: give 1 or less"),
        ({"validation": 0.5, "test": 0.5}, "validation=0.5, test=0.5: give shares"),
        ({"split_seed": 1e23}, "split_seed=1e+23: give a whole number"),
        ({"split_seed": 10**23}, f"split_seed={10**23}: give {2**64 - 1} or less"),
        ({"length": 0}, "length=0: give 2 or more"),
        ({"length": 2.5}, "length=2.5: give a whole number"),
        ({"length": True}, "length=True: give a whole number"),
        ({"length": 10**12}, "length=1000000000000: give 2147483647 or less"),
        ({"stride": -1}, "stride=-1: give 1 or more"),
        ({"every": None}, "every=None: give a whole number"),
        ({"size": (0, 0)}, "size=(0, 0): give a height and a width"),
        ({"size": (8,)}, "size=(8,): give a height and a width"),
        ({"size": 8}, "size=8: give a height and a width"),
        ({"size": (99999, 99999)}, "67,108,864 pixels at most"),
        ({"rate": NAN}, "rate=nan: give a finite number"),
        ({"rate": 0}, "rate=0: give 1e-06 or more"),
        ({"rate": float("inf")}, "rate=inf: give a finite number"),
        ({"gray": "yes"}, "gray='yes': choose True or False"),
        ({"skip_broken": None}, "skip_broken=None: choose True or False"),
    ],
)
def test_options_of_recordings_are_refused_before_anything_is_read(options: Any, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        data.open(Path("/none/such"), **options)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Batches(DistortedImages(IMAGES), 2.5), "batch_size=2.5: give a whole number"),
        (lambda: Batches(DistortedImages(IMAGES), 4, seed=1e23), "seed=1e+23: give a whole"),
        (lambda: DistortedImages(IMAGES, "rts", seed=10**23), f"seed={10**23}: give"),
        (lambda: TransformingDigits(PIXELS, frames=10**12), "frames=1000000000000: give 65536"),
        (lambda: TransformingDigits(PIXELS, frames=2.5), "frames=2.5: give a whole number"),
        (lambda: MovingSprites(frames=-1), "frames=-1: give 1 or more"),
        (lambda: MovingSprites(frames=10**12), "frames=1000000000000: give 65536 or less"),
        (lambda: MovingSprites(split_seed=NAN), "split_seed=nan: give a whole number"),
        (lambda: MovingSprites(held_out=NAN), "held_out=nan leaves a split empty"),
        (lambda: paper_split(IMAGES, -1), "seed=-1: give 0 or more"),
    ],
)
def test_options_of_other_sources_are_refused_by_name(made, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        made()
