"""Citations name what was used, and nothing else."""

import re

import pytest
import torch

import symgen
from symgen import ACE, TVAE, fit
from symgen.experiments.presets import preset
from symgen.experiments.starting import start_run


def keys(text: str) -> list[str]:
    return re.findall(r"^@\w+\{(\w+),$", text, re.MULTILINE)


def test_all_there_is_to_cite() -> None:
    text = symgen.citation()
    assert keys(text)[0] == "symgen" and len({*keys(text)}) == len(keys(text)) > 6
    assert text.count("{") == text.count("}") and "$" not in text
    assert f"version = {{{symgen.__version__}}}" in text


def test_a_model_and_its_class_have_the_paper_of_their_family() -> None:
    model = TVAE((12,), capsules=2, frames=4, likelihood="gaussian", width=8)
    assert symgen.citation(model) == symgen.citation(TVAE)
    assert keys(symgen.citation(model)) == ["symgen", "keller2021topographic"]
    assert keys(symgen.citation(ACE)) == ["symgen", "georgiev2016symmetries"]


def test_a_run_has_its_data_too(tmp_path) -> None:
    brief = {"examples": 16, "batch_size": 8, "warmup": 0}
    experiment = preset("demo").experiment.changed({"capsules": 2, "width": 8}, training=brief)
    run = start_run("demo", experiment, tmp_path / "demo", command="symgen train demo")
    told = ["symgen", "keller2021topographic", "matthey2017dsprites"]
    assert keys(symgen.citation(run)) == keys(symgen.citation(tmp_path / "demo")) == told


@pytest.mark.parametrize("folder", [True, False])
def test_data_of_ones_own_have_no_citation(folder, tmp_path) -> None:
    model = TVAE((12,), capsules=2, frames=4, likelihood="gaussian", width=8)
    place = tmp_path / "run" if folder else None
    run = fit(model, torch.randn(16, 4, 12), examples=16, batch_size=8, folder=place)
    assert keys(symgen.citation(run)) == ["symgen", "keller2021topographic"]


def test_weights_that_come_with_the_package_are_cited_by_name() -> None:
    assert "matthey2017dsprites" in keys(symgen.citation("symgen/sprites"))


@pytest.mark.parametrize("used", [3, TVAE.act, torch.nn.Linear(2, 2)])
def test_what_is_neither_model_nor_run_is_refused(used) -> None:
    with pytest.raises(ValueError, match="is neither a model nor a run: give one, or"):
        symgen.citation(used)


def test_a_folder_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        symgen.citation(tmp_path / "nowhere")
