"""Model cards say what the run's own records say, in the form that the hub reads."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard

from symgen import TVAE, fit
from symgen.experiments.card import write_card
from symgen.experiments.presets import preset
from symgen.experiments.runs import open_run
from symgen.experiments.starting import start_run

RESULTS = Path(__file__).resolve().parents[2] / "results"
NETS = {
    "demo": {"capsules": 2, "width": 8},
    "ace-digits": {
        "hidden": (4,),
        "decoder_hidden": (4,),
        "classifier_channels": (2, 2, 2),
        "classifier_hidden": 4,
        "pose_channels": (2, 2),
        "pose_hidden": 4,
    },
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Run folders by preset, as two steps of training leave them."""
    folder = tmp_path_factory.mktemp("runs")
    for name, model in NETS.items():
        brief = {"examples": 16, "batch_size": 8, "warmup": 0}
        experiment = preset(name).experiment.changed(model, training=brief)
        start_run(name, experiment, folder / name, command=f"symgen train {name}")
    return folder


@pytest.fixture
def run_of(trained, tmp_path):
    def copied(name):
        shutil.copytree(trained / name, tmp_path / name)
        return open_run(tmp_path / name)

    return copied


@pytest.mark.parametrize(("name", "tag"), [("demo", "topographic-vae"), ("ace-digits", "ace")])
def test_the_hub_reads_the_card_and_the_card_the_run(tmp_path, run_of, name, tag):
    run = run_of(name)
    card = ModelCard.load(write_card(run, tmp_path))
    assert card.data.license is None and card.data.library_name == "symgen"
    assert tag in card.data.tags
    described = json.loads((run.folder / "model.json").read_text())
    assert f"{described['model']}.from_pretrained(" in card.text
    blocks = [part.split("```")[0] for part in card.text.split("```json\n")[1:]]
    assert json.loads(blocks[0]) == described["arguments"]
    config = json.loads((run.folder / "config.json").read_text())
    assert json.loads(blocks[1])["training"] == config["training"]
    seconds = json.loads((run.folder / "metrics.jsonl").read_text().splitlines()[-1])["seconds"]
    told = (f"`symgen train {name}`", config["commit"] or "unknown", config["hardware"])
    assert all(words in card.text for words in told)
    assert "| 16 of 16 |" in card.text and f"| {seconds:,.0f} |" in card.text
    assert "was not measured" in card.text
    assert ("keller2021" in card.text) == (tag != "ace") != ("georgiev2016" in card.text)
    assert "torch.export.load(" in card.text and "onnx" not in card.text
    onnx = write_card(run, tmp_path, "onnx").read_text()
    assert "onnxruntime.InferenceSession" in onnx and "torch.export.load(" not in onnx
    assert "$" not in card.text + onnx


def test_the_licence_is_left_to_whoever_publishes(tmp_path, run_of):
    run = run_of("demo")
    text = write_card(run, tmp_path).read_text()
    assert "license:" not in text.split("---")[1] and "Not stated: whoever publishes" in text
    path = write_card(run, tmp_path, None, "apache-2.0", "symgen/sprites")
    card = ModelCard.load(path)
    assert card.data.license == "apache-2.0" and "apache-2.0, as symgen itself." in card.text
    assert 'from_pretrained("symgen/sprites")\n' in card.text
    assert "torch.export" not in card.text and "onnx" not in card.text


def test_the_card_shows_how_to_act_on_latents(tmp_path, run_of):
    rolls = "moved = model.decode(model.act(t[:, 0], 3)).mean"
    assert rolls in write_card(run_of("demo"), tmp_path).read_text()
    text = write_card(run_of("ace-digits"), tmp_path).read_text()
    assert rolls not in text and "model.act(latents, element)" in text
    torus = write_card(open_run("symgen/torus"), tmp_path).read_text()
    assert "t = model.latents(x)" in torus and "model.act(" not in torus


def test_places_on_the_machine_of_the_training_are_not_told(tmp_path, run_of):
    run = run_of("ace-digits")
    run.config["data"]["root"] = str(Path("home") / "of" / "somebody")
    text = write_card(run, tmp_path).read_text()
    assert "somebody" not in text and '"distortion": "rts"' in text


def test_the_results_are_those_of_the_summary(tmp_path, run_of):
    run = run_of("demo")
    record = json.loads((RESULTS / "demo.json").read_text())
    (run.folder / "summary.json").write_text(json.dumps(record))
    text = write_card(run, tmp_path).read_text()
    rows = list(run.family.rows(run.arguments, record["evaluation"]))
    assert len(rows) > 6
    for row in rows:
        assert f"| {' | '.join(row)} |\n" in text
    assert f"CapCorr posX | {record['evaluation']['capcorr']['posX']['value']:.2f} |" in text
    assert "2,000 of 20,270 sequences" in text


def test_a_run_without_a_record_of_its_training_is_refused(tmp_path, run_of):
    run = run_of("demo")
    (run.folder / "metrics.jsonl").write_text("")
    with pytest.raises(ValueError, match=r"metrics\.jsonl ends at line 0") as error:
        write_card(run, tmp_path)
    assert str(run.folder) in str(error.value)
    assert not (tmp_path / "README.md").exists()


def test_a_run_from_python_has_a_card(tmp_path):
    model = TVAE((12,), capsules=2, frames=4, likelihood="gaussian", width=8)
    fit(model, list(torch.randn(16, 4, 12)), examples=16, batch_size=8, folder=tmp_path / "run")
    text = write_card(open_run(tmp_path / "run"), tmp_path).read_text()
    assert "`symgen.fit`" in text and "not named in a file" in text
