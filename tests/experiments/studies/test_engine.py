"""One command from nothing to a record of every line, whose runs are shared."""

import ast
import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import symgen.experiments
from symgen.cli import main
from symgen.experiments.families import FAMILIES
from symgen.experiments.presets import preset
from symgen.experiments.runs import held_out, open_run
from symgen.experiments.studies import study

LINES = {  # of the long tables the ends
    "table1": ("tvae-mnist-half", "vae-mnist"),
    "table2": ("vae-sprites",),
    "table3": ("vae-mnist-weight",),
    "table4": ("tvae-mnist-half", "vae-mnist"),
    "table5": ("vae-sprites",),
    "figure1": (),
    "figure3": (),
    "figure5": ("tvae-sprites-half",),
    "generalisation": (),
    "extensions": ("tvae-mnist-growth-ends", "tvae-sprites-positions-axes"),
    "untrained": ("demo",),
}


def weights(out):
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob("runs/*/model.s*")}


def entries_of(found, preset):
    return [entry for entry in found["entries"] if entry["preset"] == preset]


@pytest.fixture(scope="module")
def every(tmp_path_factory, make):
    """Run studies in one folder."""
    out = tmp_path_factory.mktemp("studies")
    return out, {name: make(out, name, *only) for name, only in LINES.items()}


# --- the whole ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LINES)
def test_every_line_is_measured_and_tells_where_its_numbers_come_from(every, tiny, name):
    out, found = every
    record, about = found[name], study(name)
    lines = [ln for ln in about.lines(tiny) if not LINES[name] or ln.name in LINES[name]]
    assert record["missing"] == {}
    assert json.loads((out / f"{name}.json").read_text())["entries"] == record["entries"]
    told = [(e["line"], e["test_mode"], e["trained"]) for e in record["entries"]]
    assert told == [(ln.name, ln.test_mode, ln.trained) for ln in lines]
    assert record["study"] == name and record["command"].startswith(f"symgen reproduce {name} ")
    for entry, line in zip(record["entries"], lines, strict=True):
        assert set(line.measures) <= {*entry["measured"]}
        assert entry["measured"]["evaluation"]["examples"] == 4
        assert entry["settings"]["data"].get("root") is None and entry["parameters"] > 0
        assert "torch" in entry["evaluated"]["hardware"]
        if line.trained:
            frames = preset(line.preset).experiment.data.frames
            assert (entry["examples"], entry["frames"]) == (8, 8 * frames)
            assert entry["seconds"] > 0 and "torch" in entry["hardware"]
            assert entry["command"].startswith(f"symgen train {line.preset} --")


def test_studies_share_their_runs_and_their_entries(every, make):
    out, found = every
    made = weights(out)
    names = {f"{e['preset']}-0" for r in found.values() for e in r["entries"] if e["trained"]}
    assert set(made) == names
    again = make(out, "table4", "tvae-mnist-half", show=pytest.fail)
    assert len(again["entries"]) == 1 and weights(out) == made
    for one, other in (("table1", "table4"), ("table2", "table5")):
        shared = entries_of(found[one], LINES[one][-1])
        assert shared and shared == entries_of(found[other], LINES[one][-1])


def test_the_command_of_a_run_makes_it_again(every, tmp_path):
    out, found = every
    (entry,) = entries_of(found["table3"], "vae-mnist-weight")
    words = shlex.split(entry["command"])
    assert words[-2:] == ["--out", str(out / "runs" / "vae-mnist-weight-0")]
    assert main([*words[1:-1], str(tmp_path)]) == 0
    there, here = (open_run(f).model().state_dict() for f in (Path(words[-1]), tmp_path))
    assert all(torch.equal(weight, here[name]) for name, weight in there.items())


def test_one_run_is_tested_on_what_it_has_seen_and_on_what_it_has_not(every):
    out, found = every
    both = entries_of(found["generalisation"], "tvae-mnist-13-36")
    entries = {entry["test_mode"]: entry["measured"]["evaluation"] for entry in both}
    assert set(entries) == {None, "rotation+hue"}
    run = open_run(out / "runs" / "tvae-mnist-13-36-0")
    data = replace(run.experiment.data, test_mode="rotation+hue")
    test = held_out(data.source(train=False), run.family)
    measured = run.family.evaluate(run.model(), test, run.batches(train=True), items=4, samples=1)
    unseen = entries["rotation+hue"]
    assert unseen == measured and unseen["capcorr"] == {} != entries[None]["capcorr"]


def test_untrained_models_have_their_initial_weights_and_leave_no_run(every):
    out, found = every
    (entry,) = found["untrained"]["entries"]
    assert not entry["trained"] and "command" not in entry
    assert not (out / "runs" / "demo-0").exists()


def test_training_sequences_are_measured_where_the_paper_did(every):
    (entry,) = entries_of(every[1]["table2"], "vae-sprites")
    measured = entry["measured"]
    assert measured["trained"]["e_eq"] != measured["evaluation"]["e_eq"]
    selectivity = every[1]["figure3"]["entries"][0]["measured"]["selectivity"]
    assert 0 <= selectivity["selective_percent"] <= 100


def test_the_papers_own_recipes_are_run_in_both_editions(tmp_path, make, tiny):
    faithful = replace(tiny, faithful=True)
    record = make(tmp_path, "table1", "tvae-mnist-half", spending=faithful)
    presets = ["tvae-mnist-half-paper", "tvae-mnist-half-submission"]
    assert [entry["preset"] for entry in record["entries"]] == presets
    normalised = [e["settings"]["model"]["normalisation"] for e in record["entries"]]
    assert normalised == ["none", "weight"]


def test_no_family_is_asked_for_by_name():
    """A third family is one class in `families`: the rest never asks which one it has."""
    names = {family.kind.__name__ for family in FAMILIES} | {type(f).__name__ for f in FAMILIES}
    folder = Path(symgen.experiments.__file__).parent
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
                asked = {part.id for part in ast.walk(node.args[1]) if isinstance(part, ast.Name)}
                assert not asked & {*names, "Experiment"}, path
    for path in folder.rglob("*.py"):
        assert "isinstance(experiment" not in path.read_text()
