"""The study of ACE in seconds: every criterion is measured, and a smoke run claims nothing."""

import json
from dataclasses import replace

import pytest
import torch

from symgen.experiments.families import ACEFamily
from symgen.experiments.presets import preset
from symgen.experiments.runs import held_out
from symgen.experiments.studies import study
from symgen.experiments.studies.ace_measures import prior_samples
from symgen.metrics import recognised
from symgen.models import Pretrained

MAY_BE_UNDEFINED = {  # nothing may be recognised after so short a training
    "RTS recognised, % of with pose",
    "TC recognised, % of with pose",
}


@pytest.fixture(scope="module")
def smoke(tmp_path_factory, make, tiny_ace):
    out = tmp_path_factory.mktemp("ace")
    return out, make(out, "ace", spending=tiny_ace)


def of(record, name):
    return next(entry for entry in record["entries"] if entry["line"] == name)["measured"]


def verdicts(record):
    return {criterion["id"]: criterion["verdict"] for criterion in record["criteria"]}


def test_a_smoke_run_measures_every_criterion_and_claims_none(smoke):
    _, record = smoke
    assert record["missing"] == {}
    assert verdicts(record) == {f"E{number}": "smoke" for number in range(1, 16)}
    limits = [limit for criterion in record["criteria"] for limit in criterion["limits"]]
    assert {limit["value"] for limit in limits if limit["mean"] is None} <= MAY_BE_UNDEFINED
    assert all(criterion["passed"] is None for criterion in record["criteria"])


def test_the_record_tells_where_its_numbers_come_from(smoke):
    out, record = smoke
    written = json.loads((out / "ace.json").read_text())
    assert written["criteria"] == record["criteria"] and written["entries"] == record["entries"]
    assert written["seeds"] == 1 and "torch" in written["hardware"]
    assert len(record["entries"]) == 14
    for entry in record["entries"]:
        assert entry["examples"] == 100 and entry["seconds"] > 0
        assert entry["command"].startswith(f"symgen train {entry['preset']} --")
    for data in ("mnist", "rts", "tc"):
        judge = of(record, f"judge-{data}")["judge"]
        assert 0 < judge["entropy_floor"] < judge["class_mean"] and 0 <= judge["error"] <= 100


def test_what_holds_for_every_model_holds_for_these(smoke):
    _, record = smoke
    holds = {c["id"]: {lm["value"]: lm["holds"] for lm in c["limits"]} for c in record["criteria"]}
    for name in ("E13", "E14", "E15"):
        assert all(holds[name].values()), name
    assert holds["E9"]["round trip"]


def test_what_is_on_record_is_left_and_judged_alike(smoke, make, tiny_ace):
    out, record = smoke
    before = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/model.safetensors")}
    again = make(out, "ace", spending=tiny_ace, show=pytest.fail)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert again["criteria"] == record["criteria"]


def test_judges_recognise_what_the_measures_say(smoke, tiny_ace):
    out, record = smoke
    judge, model = (
        Pretrained.from_pretrained(out / "runs" / name) for name in ("judge-rts-0", "ace-rts-0")
    )
    with torch.no_grad():
        shown = prior_samples(model, tiny_ace.drawn, seed=0, pose="prior")
    found = of(record, "ace-rts")["samples"]
    assert found["pose drawn, %"] == recognised(judge.scores, shown)


@torch.no_grad()
def test_samples_of_the_prior_repeat_under_their_seed(smoke):
    out, _ = smoke
    model = Pretrained.from_pretrained(out / "runs" / "ace-rts-0")
    torch.manual_seed(9)
    expected = torch.rand(1)
    torch.manual_seed(9)
    first, second, other = (prior_samples(model, 3, seed, "prior") for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert first.shape == (10, 3, 1, 42, 42)
    assert first.equal(second) and not first.equal(other)


def test_the_cost_of_the_class_means_is_that_of_pixels_around_them(smoke, tiny_ace):
    _, record = smoke
    line = next(ln for ln in study("ace").lines(tiny_ace) if ln.name == "judge-mnist")
    data = tiny_ace.experiment(line, 0).data
    train, test = (data.source(train).images for train in (True, False))
    mean = torch.stack([train.pixels[train.labels == y].double().mean(0) for y in range(10)])
    around = (mean / 255)[test.labels].clamp(1e-3, 1 - 1e-3)
    x = test.pixels.double() / 255
    cost = -(x * around.log() + (1 - x) * (1 - around).log()).sum((1, 2, 3)).mean()
    assert of(record, "judge-mnist")["judge"]["class_mean"] == pytest.approx(float(cost), rel=1e-4)


# --- gaps --------------------------------------------------------------------------------------


def test_without_its_judge_a_run_is_trained_and_not_measured(tmp_path, make, tiny_ace):
    record = make(tmp_path, "ace", "ace-mnist-plain", spending=tiny_ace)
    told = record["missing"]["ace-mnist-plain-0"]
    assert "judge-mnist-0 is needed for ace-mnist-plain and is not there" in told
    assert verdicts(record)["E1"] == "not run" and record["entries"] == []
    assert (tmp_path / "runs" / "ace-mnist-plain-0" / "model.safetensors").is_file()
    record = make(tmp_path, "ace", "judge-mnist", "ace-mnist-plain", spending=tiny_ace)
    assert record["missing"] == {} and verdicts(record)["E1"] == "smoke"
    assert verdicts(record)["E6"] == "not run"


def test_without_its_runs_no_criterion_is_run(tmp_path, make, tiny_ace):
    record = make(tmp_path, "ace", "judge-rts", "ace-rts", train=False, spending=tiny_ace, seeds=2)
    assert set(verdicts(record).values()) == {"not run"}
    assert set(record["missing"]) == {"judge-rts-0", "ace-rts-0", "ace-rts-1"}
    assert "at step 0 of 2" in record["missing"]["ace-rts-1"]
    assert list(tmp_path.iterdir()) == []


# --- options -----------------------------------------------------------------------------------


def test_lines_with_settings_of_their_own_have_runs_of_their_own(tmp_path, make, tiny_ace):
    images = tiny_ace.by_kind["images"]
    small = {"images": {**images, "data": {"validation": 300}}}
    spending = replace(tiny_ace, items=60, by_kind=small)
    names = ("rts-1-iteration", "rts-3-iterations")
    record = make(tmp_path, "ace-options", *names, spending=spending)
    entries = {entry["line"]: entry for entry in record["entries"]}
    for name, iterations in zip(names, (1, 3), strict=True):
        entry = entries[name]
        assert (entry["variant"], entry["preset"]) == (name, "ace-rts")
        assert entry["settings"]["model"]["pose_iterations"] == iterations
        assert (tmp_path / "runs" / f"{name}-0" / "config.json").is_file()
        assert entry["measured"]["evaluation"]["examples"] == 60
    made = [entries[name]["measured"]["evaluation"] for name in names]
    assert made[0] != made[1]


def test_options_are_judged_on_images_that_no_test_knows():
    about = study("ace-options")
    laptop = about.budgets["laptop"]
    for line in about.lines(laptop):
        data = laptop.experiment(line, 0).data
        assert data.validation == 2_000 == laptop.items
    digits = preset("ace-digits").experiment.changed(data={"validation": 300}).data
    test = held_out(digits.source(train=False), ACEFamily())
    assert len(test.source) == 300
