"""Parts that a training leaves as they are, to the bit."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from training_helpers import make_data, make_labelled, make_model, make_prototypes

from symgen import TVAE
from symgen.training import fit


def moved(model: nn.Module, before: dict[str, Tensor]) -> set[str]:
    """Name the parts some number of which has changed."""
    state = model.state_dict()
    return {
        name.split(".")[0] for name, was in before.items() if not torch.equal(was, state[name])
    }


def copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("parts", [["encoder"], ["decoder"], ["mu"], ["encoder", "mu"]])
def test_frozen_parts_stay_and_the_others_are_trained(parts: list[str]) -> None:
    model = make_model()
    before = copied(model)
    fit(model, make_data(), examples=16, freeze=parts, optimizer="AdamW", decay=0.1, clip_norm=1.0)
    assert moved(model, before) == {"encoder", "decoder", "mu"} - set(parts)
    assert all(weight.requires_grad for weight in model.parameters())


def test_weights_that_are_projected_after_each_step_stay_too() -> None:
    model = TVAE((1, 4, 4), capsules=2, units=6, frames=6, normalisation="projected", width=8)
    before = copied(model)
    fit(model, make_data(), examples=8, freeze=["encoder"])
    assert moved(model, before) == {"decoder", "mu"}


class Terms(NamedTuple):
    nll: Tensor


class Normed(nn.Module):
    frames, data_shape = 6, (1, 4, 4)

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.BatchNorm1d(16), nn.Dropout(0.5))
        self.head = nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Terms:
        return Terms(self.head(self.body(x.flatten(2).flatten(0, 1))).square())


def test_a_frozen_part_computes_as_in_evaluation() -> None:
    model = Normed()
    before = copied(model)
    fit(model, make_data(), examples=24, freeze=["body"], validation=make_data(), validate_every=1)
    assert moved(model, before) == {"head"}


def test_models_of_ones_own_have_parts_by_their_names() -> None:
    model = make_prototypes(5)
    before = copied(model)
    fit(model, make_labelled(5), examples=16, freeze=("prototypes", "pose"))
    assert moved(model, before) == {"offsets", "classifier"}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            ["encodr"],
            r"freeze=\['encodr'\] but TVAE trains no 'encodr': choose among decod",
        ),
        (["encoder", "decoder", "mu"], "leaves nothing to train"),
    ],
)
def test_what_cannot_be_frozen_is_refused(parts: Any, message: str, tmp_path: Path) -> None:
    model = make_model()
    with pytest.raises(ValueError, match=message):
        fit(model, make_data(), examples=8, freeze=parts, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert all(weight.requires_grad for weight in model.parameters())


def test_a_part_with_a_rate_of_its_own_is_not_frozen_as_well() -> None:
    with pytest.raises(ValueError, match="trains no 'mu'"):
        fit(make_model(), make_data(), examples=8, freeze=["mu"], learning_rates={"mu": 0.1})


def test_a_run_resumes_with_the_same_parts_frozen(tmp_path: Path) -> None:
    fit(make_model(), make_data(), examples=8, freeze=["mu"], folder=tmp_path)
    with pytest.raises(ValueError, match=r"freeze was \['mu'\] and is 'absent'"):
        fit(make_model(), make_data(), examples=16, folder=tmp_path, resume=True)
    again = {"freeze": ["mu"], "folder": tmp_path, "resume": True}
    assert fit(make_model(), make_data(), examples=16, **again).step == 2
