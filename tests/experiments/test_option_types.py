"""Options of experiments and their files in the types of their annotations, or refused by name."""

import json
import re
from pathlib import Path
from typing import Any

import jaxtyping
import pytest
import torch

import symgen
from symgen import TVAE
from symgen.experiments.datasets import RecordingData, data_from_json, data_to_json
from symgen.experiments.experiment import Experiment
from symgen.experiments.runs import open_run
from symgen.experiments.starting import resume_run
from symgen.models.pretrained import Pretrained

TINY = {"capsules": 2, "width": 8}


@pytest.fixture(autouse=True)
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for users, whose calls nothing compares with the annotations."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("digits", "images", "mnis"),
        ("digits", "validation", "yes"),
        ("digits", "split_seed", 2**70),
        ("digits", "root", 3),
        ("sprites", "length", 0),
        ("sprites", "length", 1.5),
        ("sprites", "mode", None),
        ("images", "fixed", 1),
        ("images", "validation", True),
        ("images", "validation", -5),
        ("recordings", "validation", float("nan")),
        ("recordings", "test", float("inf")),
        ("recordings", "size", [3]),
        ("recordings", "rate", "fast"),
        ("recordings", "gray", "yes"),
        ("recordings", "every", True),
        ("array", "shape", 3),
        ("array", "sequence", None),
    ],
)
def test_data_of_another_type_are_refused_by_name(kind: str, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name}={re.escape(repr(value))}: (give|choose) "):
        data_from_json({"kind": kind, name: value})
    with pytest.raises(ValueError, match=f"^{name}="):
        type(data_from_json({"kind": kind}))(**{name: value})


def test_what_json_keeps_as_text_and_list_comes_back() -> None:
    data = RecordingData(Path("films"), size=(8, 9), cache=Path("kept"))
    assert data_from_json(json.loads(json.dumps(data_to_json(data)))) == data


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"causal": "yes"}, "causal='yes': give True or False"),
        ({"ahead": True}, "ahead=True: give a whole number"),
        ({"net": "dens"}, "net='dens': choose dense, residual or conv"),
        ({"windw": 3}, "TVAE has no option 'windw': did you mean window"),
    ],
)
def test_an_option_of_a_model_of_another_type_is_refused(
    change: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=f"^{told}"):
        Experiment("TVAE", change)


def test_a_batch_beyond_memory_is_refused_before_it_is_made() -> None:
    experiment = Experiment("TVAE", TINY).changed(training={"batch_size": 10**8})
    with pytest.raises(ValueError, match=r"^batch_size=100000000: a batch of .* GiB is more"):
        experiment.build()


# --- config.json -------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = TVAE((6,), capsules=2, frames=4, width=8, likelihood="gaussian")
    symgen.fit(model, torch.randn(16, 4, 6), examples=16, batch_size=8, folder=tmp_path / "run")
    return tmp_path / "run"


def change(folder: Path, part: str, **values: Any) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    place = config
    for name in filter(None, part.split(".")):
        place = place[name]
    for name, value in values.items():
        if value is ...:
            del place[name]
        else:
            place[name] = value
    path.write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("part", "values", "told"),
    [
        ("training", {"batch_size": 2.5}, "batch_size=2.5: give a whole number"),
        ("training", {"warmup": 1e30}, "warmup=1e+30: give a whole number"),
        ("training", {"epochs": 3}, "unknown setting 'epochs'"),
        ("", {"training": [1]}, "training=[1]: give by name"),
        ("", {"training": ...}, "it lacks 'training'"),
        ("", {"hardware": ...}, "it lacks 'hardware'"),
        ("", {"name": 3}, "name=3: give a text"),
        ("", {"data": "digits"}, "data='digits': give"),
        ("model", {"arguments": None}, "arguments=None: give"),
        ("model", {"arguments": ...}, "it lacks 'arguments'"),
        ("model", {"model": 3}, "unknown model 3"),
        ("model.arguments", {"windw": 3}, "TVAE has no option 'windw': did you mean window"),
    ],
)
def test_a_config_of_wrong_or_missing_parts_is_refused_in_a_line(
    part: str, values: dict[str, Any], told: str, folder: Path
) -> None:
    change(folder, part, **values)
    with pytest.raises(ValueError, match=r"config\.json is damaged") as error:
        open_run(folder)
    assert told in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("values", [{"mu": -5.0}, {"capsules": 3}, {"likelihood": ...}])
def test_a_config_that_is_not_that_of_the_model_is_refused(
    values: dict[str, Any], folder: Path
) -> None:
    change(folder, "model.arguments", **values)
    run = open_run(folder)
    for use in (run.model, lambda: resume_run(run)):
        with pytest.raises(ValueError, match=r"config\.json is not that of the saved model: "):
            use()
    assert Pretrained.from_pretrained(folder).config["capsules"] == 2
