"""Studies in seconds: budgets of a few steps, nets of a few units, data that are made once."""

from functools import cache

import pytest

from symgen.data import loading
from symgen.experiments.studies import Budget, run_study

BRIEF = {"examples": 8, "batch_size": 2, "warmup": 0, "precision": "float32"}
NETS = {"width": 4, "depth": 2}
ONE = {"examples": 100, "batch_size": 50, "warmup": 0}
ACE = {name: [4, 4] for name in ("classifier_channels", "pose_channels")}
ACE |= {"hidden": [8], "decoder_hidden": [8], "classifier_hidden": 8, "pose_hidden": 8}
TINY = Budget(
    "smoke",
    only_images="digits",
    items=4,
    samples=1,
    by_kind={
        "still": {"model": NETS, "training": BRIEF},
        **{k: {"model": NETS | {"capsules": 2}, "training": BRIEF} for k in ("digits", "sprites")},
    },
)
TINY_ACE = Budget(
    "smoke",
    only_images="digits",
    items=100,
    samples=1,
    checked=20,
    drawn=2,
    painted=20,
    by_kind={"judge": {"training": ONE}, "images": {"model": ACE, "training": ONE}},
)


@pytest.fixture(scope="session", autouse=True)
def made_once():
    """Read digits once for all runs, which open them again and again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "_load_digits", cache(loading._load_digits))
        yield


@pytest.fixture(scope="session")
def tiny():
    return TINY


@pytest.fixture(scope="session")
def tiny_ace():
    return TINY_ACE


@pytest.fixture(scope="session")
def make():
    """Run lines of a study in a folder: its runs in `runs`, its record beside."""

    def made(out, name, *only, **options):
        options = {"budget": "smoke", "spending": TINY, "seeds": 1} | options
        return run_study(name, out / "runs", out / f"{name}.json", only=only or None, **options)

    return made
