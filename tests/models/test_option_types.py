"""Options of models in the types of their annotations, and of sizes that memory holds."""

import json
import re
from pathlib import Path
from typing import Any

import jaxtyping
import pytest
import torch
from torch import nn

from symgen import ACE, TVAE, VAE, fit
from symgen.models import Judge, Pretrained

TINY = {"capsules": 2, "frames": 4, "width": 8}


@pytest.fixture(autouse=True)
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for users, whose calls nothing compares with the annotations."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("causal", "yes"),
        ("causal", 1),
        ("ahead", True),
        ("capsules", 2.5),
        ("frames", "4"),
        ("window", True),
        ("mu", "low"),
        ("mu", 1e308),
        ("mu", float("nan")),
        ("shift", [1]),
        ("standardise", None),
        ("capsule_axes", 4),
        ("capsule_axes", (2, True)),
        ("encoder", len),
    ],
)
def test_an_option_of_another_type_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name}={re.escape(repr(value))}.*: give ") as error:
        TVAE((5,), **{**TINY, name: value})
    assert "\n" not in str(error.value)


def test_arguments_without_a_name_and_those_of_a_class_of_one_s_own_are_checked() -> None:
    class Mine(TVAE):
        def __init__(self, data_shape, extra=None, **options):
            super().__init__(data_shape, **options)

    for make in (lambda: Mine((5,), **TINY, ahead=True), lambda: ACE((1, 8, 8), "ten")):
        with pytest.raises(ValueError, match=r"^(ahead=True|classes='ten'): give a whole number"):
            make()
    assert Mine((5,), {"a": 1}, **TINY).config["extra"] == {"a": 1}


@pytest.mark.parametrize("size", [10**9, 10**20])
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (TVAE, "capsules"),
        (TVAE, "width"),
        (TVAE, "units"),
        (VAE, "units"),
        (ACE, "classes"),
        (ACE, "latents"),
        (ACE, "classifier_hidden"),
        (ACE, "hidden"),
        (ACE, "decoder_hidden"),
        (ACE, "pose_channels"),
        (Judge, "classes"),
    ],
)
def test_a_size_beyond_memory_is_refused_by_name(kind: Any, name: str, size: int) -> None:
    several = name in ("hidden", "decoder_hidden", "pose_channels")
    shape = (5,) if kind in (TVAE, VAE) else (1, 16, 16)
    told = " of memory: give smaller sizes" if size < 2**31 else ": give "
    with pytest.raises(ValueError, match=rf"^{name}=\(?{size}.*{told}"):
        kind(shape, **{name: (size,) if several else size})


@pytest.mark.parametrize("options", [{"depth": 10**9}, {"depth": 10**9, "net": "residual"}])
def test_a_depth_beyond_all_use_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^depth=1000000000: give 1,000 layers at most"):
        TVAE((5,), **{**TINY, **options})
    with pytest.raises(ValueError, match=r"^pose_iterations=1000000000: give 1,000 at most"):
        ACE((1, 16, 16), pose_iterations=10**9)


@pytest.mark.parametrize("kind", [TVAE, VAE])
def test_capsules_of_one_unit_are_refused_where_they_would_roll(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"^units=1: capsules that roll need 2 units or more"):
        kind((5,), units=1, **TINY)


@pytest.mark.parametrize("given", [len, nn.Linear, "linear"])
def test_who_gives_no_module_is_told_that_one_can_be_given(given: Any) -> None:
    with pytest.raises(ValueError, match=r"^encoder=.*: give None, or a torch module$"):
        TVAE((5,), **TINY, encoder=given)
    told = r"^classifier=.*: choose conv-pooling, dense, residual or None, or a torch module$"
    with pytest.raises(ValueError, match=told):
        ACE((1, 16, 16), classifier=given)
    with pytest.raises(ValueError, match=r"^likelihood=.*discretised-logistic, or a Likelihood$"):
        TVAE((5,), **TINY, likelihood=given)


def test_parts_and_settings_that_fit_are_as_they_were() -> None:
    shape = torch.zeros(3, 5).shape[1:]
    assert TVAE(shape, **TINY, shift=1).config["shift"] == 1
    net = nn.Linear(5, 4 * 2 * 4)
    assert TVAE((5,), **TINY, encoder=net, likelihood="gaussian").encoder is net


@pytest.mark.parametrize(
    ("change", "told"),
    [({"causal": "yes"}, "causal='yes'"), ({"depth": 10**9}, "depth"), ({"mu": None}, "mu=None")],
)
def test_a_file_of_wrong_options_is_refused(
    change: dict[str, Any], told: str, tmp_path: Path
) -> None:
    from symgen._tensors import read_tensors, write_tensors

    TVAE((5,), **TINY).save_pretrained(tmp_path)
    described = json.loads((tmp_path / "model.json").read_text())
    described["arguments"] |= change
    weights, about = read_tensors(tmp_path / "model.safetensors")
    (tmp_path / "model.json").write_text(json.dumps(described))
    write_tensors(tmp_path / "model.safetensors", weights, {**about, **described})
    with pytest.raises(ValueError, match=f"does not make a TVAE: {told}"):
        Pretrained.from_pretrained(tmp_path)


@pytest.mark.parametrize("count", [0, -1, 2.5, True, 10**12])
def test_how_many_are_drawn_is_a_number_of_them(count):
    model = TVAE((5,), capsules=2, units=4, frames=4, width=4)
    for name, draw in {
        "count": lambda: model.sample(count),
        "samples": lambda: model.log_prob(torch.rand(2, 4, 5), count),
    }.items():
        with pytest.raises(ValueError, match=f"{name}={count}: give a whole number"):
            draw()


def test_a_setting_that_cannot_be_none_is_not_taken_for_its_default():
    model = TVAE((5,), capsules=2, units=4, frames=4, width=4)
    with pytest.raises(ValueError, match="examples=None: give"):
        fit(model, torch.rand(9, 4, 5), examples=None)
