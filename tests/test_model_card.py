"""Model cards say what the run's own records say, in the form that the hub reads."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard

from symgen.cli import main
from symgen.experiments import measures, open_run, preset, to_json, write_card
from symgen.models import TVAE

RESULTS = Path(__file__).resolve().parents[1] / "results"
SIZES = {
    "demo": {"frames": 15, "image_shape": (1, 8, 8)},
    "ace-digits": {"classes": 10, "image_shape": (1, 8, 8)},
}
NETS = {
    "demo": {"capsules": 2, "units": 3, "window": 3, "hidden": (4,)},
    "ace-digits": {
        "hidden": (4,),
        "decoder_hidden": (4,),
        "classifier_channels": (2,),
        "classifier_hidden": 4,
        "classifier_window": None,
        "pose_hidden": 4,
    },
}
LAST = {"step": 7, "loss": 1.5, "sequences": 1234, "seconds": 56.7}


def run_of(name, folder):
    """A run folder as training leaves it, without the training."""
    folder.mkdir(exist_ok=True)
    experiment = preset(name)
    small = replace(experiment, model=replace(experiment.model, **NETS[name]))
    small.model.build(**SIZES[name]).save_pretrained(folder)
    root = Path("home") / "of" / "somebody"
    config = {
        "name": name,
        "experiment": to_json(replace(small, data=replace(small.data, root=root))),
        "command": f"symgen train {name}",
        "commit": "0123456789ab",
        "hardware": "a processor, 2 threads",
        "precision": "float32",
    }
    (folder / "config.json").write_text(json.dumps(config))
    lines = [{**LAST, "step": 1, "sequences": 8}, LAST, {"step": 7, "evaluation": {}}]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return open_run(folder)


@pytest.mark.parametrize(("name", "tag"), [("demo", "topographic-vae"), ("ace-digits", "ace")])
def test_the_hub_reads_the_card_and_the_card_the_run(tmp_path, name, tag):
    run = run_of(name, tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    card = ModelCard.load(write_card(run, out))
    assert card.data.license == "apache-2.0" and card.data.library_name == "symgen"
    assert tag in card.data.tags
    described = json.loads((tmp_path / "model.json").read_text())
    assert f"{described['model']}.from_pretrained(" in card.text
    blocks = [part.split("```")[0] for part in card.text.split("```json\n")[1:]]
    assert json.loads(blocks[0]) == described["arguments"]
    settings = json.loads((tmp_path / "config.json").read_text())["experiment"]["training"]
    assert json.loads(blocks[1])["training"] == settings
    told = (f"`symgen train {name}`", "0123456789ab", "| 1,234 of ", "| 57 |", "a processor")
    assert all(words in card.text for words in told)
    assert "was not measured" in card.text
    assert "somebody" not in card.text
    assert ("keller2021" in card.text) == (tag != "ace") != ("georgiev2016" in card.text)


def test_the_results_are_those_of_the_summary(tmp_path):
    run = run_of("demo", tmp_path)
    record = json.loads((RESULTS / "demo.json").read_text())
    (tmp_path / "summary.json").write_text(json.dumps(record))
    text = write_card(run, tmp_path).read_text()
    rows = measures(run.experiment, record["evaluation"])
    assert len(rows) > 6
    for row in rows:
        assert f"| {' | '.join(row)} |\n" in text
    assert f"CapCorr posX | {record['evaluation']['capcorr']['posX']['value']:.2f} |" in text
    assert f"{record['evaluation']['sequences']:,} sequences" in text


def test_a_run_without_a_record_of_its_training_is_refused(tmp_path):
    run = run_of("demo", tmp_path)
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(ValueError, match="no record of its training") as error:
        write_card(run, tmp_path)
    assert str(tmp_path) in str(error.value)


def test_the_verb_writes_everything_once(tmp_path, capsys):
    run_of("demo", tmp_path / "run")
    out = tmp_path / "out"
    assert main(["export", str(tmp_path / "run"), "--out", str(out)]) == 0
    names = ["model.safetensors", "model.json", "README.md", "encoder.pt2", "decoder.pt2"]
    assert capsys.readouterr().out.split() == [str(out / name) for name in names]
    assert sorted(path.name for path in out.iterdir()) == sorted(names)
    x = torch.rand(3, 15, 1, 8, 8)
    model = TVAE.from_pretrained(out)
    t = torch.export.load(out / "encoder.pt2").module()(x)
    torch.testing.assert_close(t, model.latents(model.encode(x), sampled=False))
    assert main(["export", str(tmp_path / "run"), "--out", str(out)]) == 2
    assert f"{out} is not empty" in capsys.readouterr().err
