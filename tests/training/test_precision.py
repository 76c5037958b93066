from pathlib import Path

import pytest
import torch
from training_helpers import make_data, make_model

from symgen import fit
from symgen.training import Training, multiplies_bfloat16, resolved_precision


@pytest.mark.parametrize(
    ("capabilities", "native"),
    [
        ({"avx2": True, "avx512_f": True}, False),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
        ({"avx512_bf16": True}, True),
        ({"neon": True, "bf16": True}, True),
    ],
)
def test_automatic_precision_follows_the_units_of_the_processor(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], native: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert multiplies_bfloat16("cpu") is native
    expected = "bfloat16" if native else "float32"
    assert resolved_precision(Training(precision="auto"), "cpu") == expected


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_named_precision_is_kept(monkeypatch: pytest.MonkeyPatch, precision) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert resolved_precision(Training(precision=precision), "cpu") == precision


def test_a_run_does_not_change_its_precision_between_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"examples": 16, "precision": "auto"}
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    fit(make_model(), make_data(), folder=tmp_path, **settings)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    with pytest.raises(ValueError, match=r"precision.*float32.*bfloat16"):
        fit(make_model(), make_data(), folder=tmp_path, resume=True, **settings | {"examples": 32})
