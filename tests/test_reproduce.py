"""One command from nothing to a record of all criteria, and what it makes of gaps."""

import json
import math
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from symgen.experiments import preset
from symgen.experiments.reproduce import reproduce_ace
from symgen.experiments.reproduce.ace_budget import FULL, SMOKE
from symgen.experiments.reproduce.comparisons import sharpness
from symgen.experiments.reproduce.criteria import CRITERIA
from symgen.experiments.reproduce.criterion import Criterion, Limit, examine
from symgen.experiments.reproduce.evidence import Evidence
from symgen.experiments.reproduce.legibility import height_and_slant
from symgen.experiments.reproduce.mechanics import motions, stays
from symgen.experiments.reproduce.plan import Missing, steps_done
from symgen.experiments.tables import fill_tables
from symgen.groups import affine, warp
from symgen.training import TrainingStopped

BRIEF = {"sequences": 200, "batch_size": 50, "warmup": 0}
TINY = replace(
    SMOKE,
    samples=1,
    checked=20,
    drawn=2,
    painted=20,
    judge=BRIEF,
    training=BRIEF | {"kl_warmup": 50},
)
RAN = {f"E{number}" for number in range(1, 16)}


def reproduce(out: Path, *only: str, **options):
    options = {"smoke": True, "budget": TINY} | options
    return reproduce_ace(out, only=only or None, **options)


def verdicts(record) -> dict[str, str]:
    return {criterion["id"]: criterion["verdict"] for criterion in record["criteria"]}


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    out = tmp_path_factory.mktemp("ace")
    return out, reproduce(out, record=out / "results" / "ace.json")


# --- the whole -----------------------------------------------------------------------------


def test_a_smoke_run_measures_every_criterion_and_claims_none(smoke):
    _, record = smoke
    assert verdicts(record) == dict.fromkeys(RAN, "smoke")
    assert all(criterion["passed"] is None for criterion in record["criteria"])
    missing = {
        limit["value"]
        for c in record["criteria"]
        for limit in c["limits"]
        if limit["mean"] is None
    }
    assert missing <= {
        "RTS recognised, % of with pose",  # nothing may be recognised after so short a training
        "TC recognised, % of with pose",
    }


def test_the_record_tells_where_its_numbers_come_from(smoke):
    out, record = smoke
    assert json.loads((out / "ace.json").read_text()) == record
    assert json.loads((out / "results" / "ace.json").read_text()) == record
    assert record["smoke"] and record["seeds"] == 1 and "torch" in record["hardware"]
    assert len(record["runs"]) == 10
    for name, run in record["runs"].items():
        assert name == f"{run['preset']}-{run['seed']}"
        assert run["images"] == 200 and run["seconds"] > 0 and run["command"] == record["command"]
    assert set(record["baselines"]) == {"mnist", "rts", "tc"}
    assert set(record["judges"]) == {"mnist", "rts", "tc", "cifar10"}
    for baseline in record["baselines"].values():
        assert 0 < baseline["entropy_floor"] < baseline["class_mean"]


def test_what_holds_for_every_model_holds_for_these(smoke):
    _, record = smoke
    holds = {c["id"]: [limit["holds"] for limit in c["limits"]] for c in record["criteria"]}
    for name in ("E13", "E14", "E15"):
        assert all(holds[name]), name
    round_trip = next(c for c in record["criteria"] if c["id"] == "E9")["limits"][-1]
    assert round_trip["value"] == "round trip" and round_trip["holds"]


def test_the_table_shows_every_criterion_with_its_verdict(smoke):
    out, _ = smoke
    text = fill_tables("<!-- table ace -->\n<!-- end -->", out / "results")
    rows = [line for line in text.splitlines() if line.startswith("| E")]
    assert len(rows) == len(CRITERIA)
    assert all(row.endswith("| smoke |") for row in rows)
    assert "U_valid with pose ≤ 420" in text and "not comparable with FIDs" in text


def test_finished_runs_are_used_as_they_are(smoke):
    out, record = smoke
    files = [*out.glob("*/model.safetensors"), *out.glob("*/summary.json")]
    before = {path: path.stat().st_mtime_ns for path in files}
    told = []
    again = reproduce(out, observe=lambda done, total, text: told.append(text))
    assert not told
    assert {path: path.stat().st_mtime_ns for path in files} == before
    assert again["criteria"] == record["criteria"]


def test_an_evaluation_is_made_anew_for_other_samples_or_younger_weights(tmp_path):
    def evaluated(**changes) -> bool:
        told: list[str] = []
        evidence = Evidence(
            tmp_path,
            replace(TINY, **changes),
            command="",
            observe=lambda done, total, text: told.append(text),
        )
        evidence.evaluation("ace-mnist-plain", 0)
        return any(text.startswith("evaluate") for text in told)

    assert evaluated() and not evaluated()
    assert evaluated(samples=2)
    (tmp_path / "ace-mnist-plain-0" / "model.safetensors").touch()
    assert evaluated(samples=2)


@pytest.mark.parametrize("name", ["E9", "E14"])
def test_a_criterion_alone_makes_all_that_it_needs(tmp_path, name):
    record = reproduce(tmp_path, name)
    assert verdicts(record) == {name: "smoke"}
    assert list(record["runs"]) == ["ace-rts-0"]


# --- gaps ----------------------------------------------------------------------------------


def test_a_stopped_run_is_resumed(tmp_path):
    def stop(done: int, total: int, text: str) -> None:
        if text.startswith("train ace-mnist-0"):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(TrainingStopped):
        reproduce(tmp_path, "E6", observe=stop)
    config = tmp_path / "ace-mnist-0" / "config.json"
    begun = config.stat().st_mtime_ns
    assert steps_done(config.parent) < 4
    record = reproduce(tmp_path, "E6")
    assert verdicts(record) == {"E6": "smoke"}
    assert steps_done(config.parent) == 4 and config.stat().st_mtime_ns == begun


def test_without_its_runs_a_criterion_is_not_run_and_never_passed(tmp_path):
    record = reproduce(tmp_path, "E4", "E13", train=False, smoke=False, seeds=2)
    assert verdicts(record) == {"E4": "not run", "E13": "passed"}
    criterion = record["criteria"][0]
    assert criterion["passed"] is None and "ace-rts-plain-0 is at step 0 of 4" in criterion["note"]
    assert record["runs"] == {}


def test_without_image_files_criteria_say_so(tmp_path, monkeypatch):
    monkeypatch.delenv("SYMGEN_DATA", raising=False)
    record = reproduce(tmp_path, "E4", root=tmp_path, budget=replace(TINY, images=None))
    assert verdicts(record) == {"E4": "not run"}
    assert "train-images" in record["criteria"][0]["note"] and record["baselines"] == {}


def test_a_run_of_other_settings_is_not_taken_for_the_preset(smoke):
    out, _ = smoke
    longer = replace(TINY, training=TINY.training | {"sequences": 400})
    record = reproduce(out, "E4", budget=longer)
    assert verdicts(record) == {"E4": "not run"}
    assert "other settings: its training" in record["criteria"][0]["note"]


def test_a_budget_leaves_the_preset_what_it_does_not_name():
    named, experiment = preset("ace-tc"), TINY.experiment("ace-tc", 3)
    assert experiment == replace(
        named,
        data=replace(named.data, images="digits"),
        model=replace(named.model, **TINY.model),
        training=named.training.changed({**TINY.training, "seed": 3}),
    )
    assert FULL.experiment("ace-tc", 0) == named


@pytest.mark.parametrize(
    ("options", "message"),
    [({"seeds": 0}, "seeds=0"), ({"only": ["E99"]}, "no criterion 'E99'")],
)
def test_nonsense_is_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        reproduce_ace(tmp_path / "none", **options)
    assert not (tmp_path / "none").exists()


# --- criteria ------------------------------------------------------------------------------


def decide(*limits: Limit, seeds=((1.0,), (3.0,)), smoke=False, tried=""):
    def measure(evidence, seed):
        if not seeds[seed]:
            raise Missing("no run")
        return {"value": seeds[seed][0]}

    criterion = Criterion("E0", "claim", limits, measure)
    evidence = Evidence(Path("none"), TINY, command="")
    return examine(criterion, evidence, len(seeds), smoke, tried)


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [
        (Limit("value", "≥", 2), "passed"),
        (Limit("value", ">", 2), "failed"),
        (Limit("value", "≤", 2), "passed"),
        (Limit("value", "<", 2), "failed"),
        (Limit("value", "≥", 2, every=True), "failed"),
        (Limit("value", "≥", 1, every=True), "passed"),
        (Limit("unheard of", "≥", 1), "open"),
    ],
    ids=str,
)
def test_a_limit_is_on_the_mean_or_on_every_seed(limit, verdict):
    assert decide(limit)["verdict"] == verdict


def test_one_limit_that_fails_fails_the_criterion_even_if_another_is_not_measured():
    assert decide(Limit("value", ">", 9), Limit("none", ">", 0))["passed"] is False


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_a_value_that_is_no_number_decides_nothing(value):
    record = decide(Limit("value", ">", 0), seeds=((1.0,), (value,)))
    assert record["verdict"] == "open" and record["passed"] is None
    json.dumps(record, allow_nan=False)


def test_a_missing_seed_leaves_it_open_with_the_reason():
    record = decide(Limit("value", ">", 0), seeds=((1.0,), ()))
    assert record["verdict"] == "open" and record["passed"] is None and "no run" in record["note"]
    assert record["values"]["value"]["seeds"] == [1.0, None]


def test_mean_and_deviation_are_over_seeds():
    values = decide(Limit("value", ">", 0))["values"]["value"]
    assert values == {"seeds": [1.0, 3.0], "mean": 2.0, "std": pytest.approx(math.sqrt(2))}


def test_a_failure_tells_what_was_tried():
    assert "longer training" in decide(Limit("value", ">", 9), tried="longer training")["note"]
    assert "nothing else" in decide(Limit("value", ">", 9))["note"]


def test_thresholds_are_those_agreed_on():
    text = {criterion.id: criterion.threshold for criterion in CRITERIA}
    assert list(text) == [f"E{number}" for number in range(1, 16)]
    assert text["E4"] == "gain charged, nats ≥ 50; gain charged, nats > 0, every seed"
    assert text["E5"] == "gain charged, nats ≥ 80; U_valid with pose ≤ 420"
    assert {c.id for c in CRITERIA if c.projected} == {"E1", "E2", "E6", "E8"}


# --- instruments ---------------------------------------------------------------------------


def test_motions_never_leave_the_poses_of_the_data():
    angle = math.radians(45) * (2 * torch.rand(500) - 1)
    scale = 0.7 + 0.5 * torch.rand(500)
    shift = 7 * (2 * torch.rand(500, 2) - 1)
    pose = affine.from_parameters(angle, scale, shift)
    turn, growth, step = motions(pose)
    turned = affine.to_parameters(affine.compose(turn, pose))
    grown = affine.to_parameters(affine.compose(growth, pose))
    stepped = affine.to_parameters(affine.compose(step, pose))
    assert turned.angle.abs().max() <= math.radians(45) + 1e-5
    assert torch.allclose((turned.angle - angle).abs(), torch.tensor(math.radians(30)), atol=1e-5)
    assert grown.scale.min() >= 0.7 and grown.scale.max() <= 1.2
    assert stepped.shift[:, 0].abs().max() <= 7
    assert torch.allclose((stepped.shift - shift).norm(dim=1), torch.tensor(5.0), atol=1e-4)


def test_what_stays_on_the_canvas_loses_no_brightness():
    images = torch.zeros(9, 1, 15, 15)
    for number in range(9):
        images[number, 0, 7, 6 + number] = 1
    step = affine.exp(torch.tensor([0.0, 0.0, 0.0, 0.0, 4.0, 0.0])).expand(9, 3, 3)
    kept = warp(images, affine.inverse(step)).sum((1, 2, 3)) > 0.5
    assert kept.any() and not kept.all()
    assert torch.equal(stays(images, step), kept)


def test_height_and_slant_follow_enlargement_and_shear():
    image = torch.zeros(1, 41, 41)
    image[0, 11:30, 18:23] = 1
    height, slant = height_and_slant(image)
    larger = warp(image, affine.inverse(affine.exp(torch.tensor([0, math.log(1.5), 0, 0, 0, 0]))))
    shear = torch.tensor([[1.0, 0.3, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    sheared = height_and_slant(warp(image, affine.inverse(shear)))
    assert height_and_slant(larger)[0] / height == pytest.approx(1.5, rel=0.01)
    assert slant == pytest.approx(0, abs=1e-6)
    assert sheared[1] == pytest.approx(0.3, rel=0.01)
    assert sheared[0] == pytest.approx(float(height), rel=0.01)


def test_sharpness_falls_when_images_are_blurred():
    image = (torch.rand(3, 1, 20, 20) > 0.5).float()
    assert sharpness(torch.nn.functional.avg_pool2d(image, 3, 1)) < 0.6 * sharpness(image)
