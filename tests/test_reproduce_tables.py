"""One command from nothing to a table, and what it makes of what is there already."""

import json
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from symgen.cli import main
from symgen.data import Sequences
from symgen.experiments import Experiment, evaluate, open_run
from symgen.experiments.reproduce import BUDGETS, ITEMS, read_entries, reproduce_topographic
from symgen.experiments.reproduce.entries import Entries
from symgen.experiments.reproduce.measuring import selectivity_of
from symgen.experiments.reproduce.plan import steps_done
from symgen.experiments.tables import TABLES, fill_tables
from symgen.training import TrainingStopped, hold

_BRIEF = {"sequences": 8, "batch_size": 2, "warmup": 0, "precision": "float32"}
TINY = replace(
    BUDGETS["smoke"],
    training={"digits": _BRIEF, "sprites": _BRIEF, "still": _BRIEF},
    model={kind: {"hidden": (4, 4)} for kind in ("digits", "sprites", "still")},
    sequences=4,
    samples=1,
)


def reproduce(out: Path, item: str, *only: str, **options):
    options = {"budget": "smoke", "spending": TINY, "seeds": 1} | options
    record = out / f"{item}.json"
    return reproduce_topographic(item, out / "runs", record, only=only or None, **options)


def log_of_weights(out: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob("runs/*/model.*")}


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    """Reproduce every item in one folder; of the long tables the ends."""
    out = tmp_path_factory.mktemp("tables")
    found = {}
    for name, item in ITEMS.items():
        lines = [line.name for line in item.lines(False)]
        found[name] = reproduce(out, name, *([lines[0], lines[-1]] if len(lines) > 5 else []))
    return out, found


# --- the whole -----------------------------------------------------------------------------


def test_every_item_is_measured_and_tells_where_its_numbers_come_from(every):
    out, found = every
    for name, record in found.items():
        assert record["missing"] == {}
        lines = len(ITEMS[name].lines(False))
        assert len(record["entries"]) == (2 if lines > 5 else lines)
        written = json.loads((out / f"{name}.json").read_text())
        assert written["entries"] == record["entries"] and written["item"] == name
        for entry in record["entries"]:
            assert entry["frames"] == 8 * (
                1 if name == "figure3" else 15 if "sprites" in entry["preset"] else 18
            )
            assert entry["seconds"] > 0 and "torch" in entry["hardware"]
            assert entry["command"].startswith(f"symgen train {entry['preset']} --")
            assert entry["evaluation"]["sequences"] == 4
            assert ("evaluation_on_training_sequences" in entry) == ("sprites" in entry["preset"])
            assert entry["settings"]["data"]["root"] is None
    selectivity = found["figure3"]["entries"][0]["evaluation"]["selectivity"]
    assert 0 <= selectivity["selective_percent"] <= 100


def test_items_share_their_runs(every):
    out, _ = every
    made = log_of_weights(out)
    names = {f"{entry['preset']}-0" for record in every[1].values() for entry in record["entries"]}
    assert set(made) == names
    again = reproduce(out, "table4", "tvae-mnist-half", observe=pytest.fail)
    assert len(again["entries"]) == 1 and log_of_weights(out) == made


def test_the_command_of_a_run_makes_it_again(every, tmp_path):
    out, found = every
    entry = next(e for e in found["table3"]["entries"] if e["preset"] == "vae-mnist-weight")
    words = entry["command"].split()[1:]
    assert main([*words[:-1], str(tmp_path)]) == 0
    there, here = (
        open_run(folder).model() for folder in (out / "runs" / "vae-mnist-weight-0", tmp_path)
    )
    for one, other in zip(there.parameters(), here.parameters(), strict=True):
        assert torch.equal(one, other)


def test_generalisation_tests_one_run_on_what_it_has_not_seen(every):
    out, found = every
    entries = {entry["test_mode"]: entry for entry in found["generalisation"]["entries"][:2]}
    assert set(entries) == {None, "rotation+hue"}
    run = open_run(out / "runs" / "tvae-mnist-13-36-0")
    experiment = run.experiment
    assert isinstance(experiment, Experiment)
    data = replace(experiment.data, mode="rotation+hue")
    test = Sequences(data.source(train=False), 50, seed=0, shuffle=False)
    mean_image = experiment.mean_image(4)
    measured = evaluate(run.model(), test, mean_image, sequences=4, samples=1)
    unseen = entries["rotation+hue"]["evaluation"]
    assert unseen == measured and unseen["capcorr"] == {}
    seen = entries[None]["evaluation"]["roll_prediction"]["outside"]
    assert unseen["roll_prediction"]["outside"]["squared_error"] != seen["squared_error"]


def test_the_papers_own_recipes_are_run_in_both_editions(tmp_path):
    spending = replace(TINY, faithful=True)
    record = reproduce(tmp_path, "table1", "tvae-mnist-half", "vae-mnist", spending=spending)
    presets = [entry["preset"] for entry in record["entries"]]
    editions = ["tvae-mnist-half-paper", "tvae-mnist-half-submission"]
    assert sorted(set(presets)) == [*editions, "vae-mnist-paper"]


def test_tables_show_what_is_on_record_and_what_is_not_run(every):
    out, _ = every
    for name in ITEMS:
        text = fill_tables(f"<!-- table {name} -->\n<!-- end -->", out)
        assert "Budget `smoke`" in text and "nan" not in text
        assert ("not run" in text) == (len(ITEMS[name].lines(False)) > 5)
    text = TABLES["table1"](out)
    assert "| TVAE, L = ½ S, K = 3 | −186.8 ± 0.1 | −188.5 ± 1.0 | −1," in text
    nothing = TABLES["table1"](out / "none")
    assert "Budget `laptop`" in nothing and nothing.count("not run") > 20


def test_means_and_deviations_in_a_table_are_those_of_the_seeds(every, tmp_path):
    entry = every[1]["table1"]["entries"][0]
    entries = []
    for seed, value in enumerate((-200.0, -201.0, -205.0)):
        measured = entry["evaluation"] | {"log_p_paper": value, "entropy_floor": 124.0}
        measured |= {"log_p_bound": value - 6}
        entries.append(entry | {"seed": seed, "evaluation": measured})
    (tmp_path / "table1.json").write_text(json.dumps({"entries": entries}))
    text = TABLES["table1"](tmp_path)
    assert "| −202.0 ± 2.6 | −208.0 ± 2.6 | 84.0 ± 2.6 |" in text
    assert "| TVAE, L = 0, K = 3 | −218.5 ± 0.9 |  | not run | not run | not run |" in text


def test_neighbours_on_a_map_agree_as_they_lie():
    stripes = torch.arange(6).div(3, rounding_mode="floor").expand(6, 6)  # three columns each
    ordered = selectivity_of(stripes)
    # Of 36 pairs across columns 12 lie on the two seams; those along columns all agree.
    assert ordered["alike_percent"] == pytest.approx(100 * (36 + 24) / 72)
    assert ordered["alike_chance_percent"] == pytest.approx(100 * 17 / 35)
    shuffled = [
        selectivity_of(stripes.flatten()[torch.randperm(36)].view(6, 6)) for _ in range(200)
    ]
    mean = sum(one["alike_percent"] or 0 for one in shuffled) / len(shuffled)
    assert mean == pytest.approx(100 * 17 / 35, abs=2)
    assert selectivity_of(torch.full((3, 3), -1))["alike_percent"] is None


# --- again ---------------------------------------------------------------------------------


@pytest.fixture
def begun(every, tmp_path):
    """Copy one line's run and record."""
    out, _ = every
    shutil.copytree(out / "runs" / "vae-mnist-0", tmp_path / "runs" / "vae-mnist-0")
    shutil.copy(out / "table1.json", tmp_path)
    return tmp_path


def test_what_is_on_record_needs_no_run_folder(begun):
    before = json.loads((begun / "table1.json").read_text())["entries"]
    shutil.rmtree(begun / "runs")
    record = reproduce(begun, "table1", "vae-mnist", observe=pytest.fail)
    assert record["entries"] == [entry for entry in before if entry["row"] == "vae-mnist"]
    assert not (begun / "runs").exists()


def test_further_seeds_are_merged_and_other_entries_kept(begun):
    path = begun / "table1.json"
    before = json.loads(path.read_text())["entries"]
    foreign = before[0] | {"budget": "laptop"}
    path.write_text(json.dumps({"entries": [*before, foreign]}))
    record = reproduce(begun, "table1", "vae-mnist", seeds=2)
    assert [entry["seed"] for entry in record["entries"]] == [0, 1]
    after = json.loads(path.read_text())["entries"]
    assert len(after) == len(before) + 2
    assert foreign in after and all(entry in after for entry in before)


def test_an_entry_of_other_settings_is_replaced_by_its_run(begun):
    path = begun / "table1.json"
    record = json.loads(path.read_text())
    for entry in record["entries"]:
        entry["settings"]["training"]["learning_rate"] = 1.0
    path.write_text(json.dumps(record))
    after = reproduce(begun, "table1", "vae-mnist", train=False)
    assert [e["settings"]["training"]["learning_rate"] for e in after["entries"]] == [1e-3]


def test_an_entry_of_another_run_than_the_folders_is_measured_again(begun):
    path = begun / "table1.json"
    record = json.loads(path.read_text())
    for entry in record["entries"]:
        entry["commit"], entry["evaluation"]["log_p_paper"] = "elsewhere", 0.0
    path.write_text(json.dumps(record))
    (entry,) = reproduce(begun, "table1", "vae-mnist", train=False)["entries"]
    assert entry["commit"] != "elsewhere" and entry["evaluation"]["log_p_paper"] < 0


def test_a_run_of_other_settings_is_not_taken_for_the_line(begun):
    (begun / "table1.json").unlink()
    longer = replace(TINY, training={"digits": _BRIEF | {"sequences": 16}})
    record = reproduce(begun, "table1", "vae-mnist", spending=longer)
    assert record["entries"] == []
    assert "other settings: its training" in record["missing"]["vae-mnist-0"]


def test_a_stopped_run_is_resumed(tmp_path):
    def stop(done: int, total: int, text: str) -> None:
        assert text.startswith("run 1 of 1, vae-mnist-0: loss") and "min for all" in text
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(TrainingStopped):
        reproduce(tmp_path, "table1", "vae-mnist", observe=stop)
    folder = tmp_path / "runs" / "vae-mnist-0"
    assert 0 < steps_done(folder) < 4
    begun = (folder / "config.json").stat().st_mtime_ns
    record = reproduce(tmp_path, "table1", "vae-mnist")
    assert len(record["entries"]) == 1 and steps_done(folder) == 4
    assert (folder / "config.json").stat().st_mtime_ns == begun


def test_a_run_that_another_process_trains_is_passed_over(tmp_path):
    with hold(tmp_path / "runs" / "vae-mnist-0"):
        record = reproduce(tmp_path, "table1", "vae-mnist")
    assert record["entries"] == [] and "is training in" in record["missing"]["vae-mnist-0"]


def test_nothing_is_trained_unasked(tmp_path):
    record = reproduce(tmp_path, "table1", "vae-mnist", train=False)
    assert (
        "is at step 0 of 4: train it with `symgen train vae-mnist"
        in record["missing"]["vae-mnist-0"]
    )
    assert not (tmp_path / "runs").exists()


def test_processes_that_write_at_once_lose_no_entry(every, tmp_path):
    entry = every[1]["table1"]["entries"][0]
    entries = Entries("table1", tmp_path / "table1.json")
    with ThreadPoolExecutor(4) as pool:
        made = [entry | {"seed": seed} for seed in range(24)]
        list(pool.map(lambda one: entries.put(one, {"item": "table1"}), made))
    assert read_entries(tmp_path / "table1.json") == made


# --- bad input -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "options", "message"),
    [
        ("table6", {}, "no item 'table6': did you mean table"),
        ("table1", {"budget": "desktop"}, "no budget 'desktop'"),
        ("table1", {"seeds": 0}, "seeds=0"),
        (
            "table1",
            {"only": ["vae-mnits"]},
            "no line 'vae-mnits' in table1: did you mean vae-mnist",
        ),
    ],
)
def test_nonsense_is_refused(tmp_path, item, options, message):
    with pytest.raises(ValueError, match=message):
        reproduce_topographic(item, tmp_path, tmp_path / "new" / "x.json", **options)
    assert not (tmp_path / "new").exists()


def test_a_damaged_record_is_not_overwritten(tmp_path):
    (tmp_path / "table1.json").write_text("[]")
    with pytest.raises(ValueError, match=r"table1\.json is no record"):
        reproduce(tmp_path, "table1", "vae-mnist")
    assert (tmp_path / "table1.json").read_text() == "[]"


def test_the_command_prints_tables_and_reasons(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    words = ["reproduce", "table1", "--smoke", "--seeds", "1", "--only", "vae-mnist", "--no-train"]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "13,274 ± 1" in text and "not run: vae-mnist-0" in text and "BubbleVAE" not in text
    assert main(["reproduce", "ace", "--budget", "paper"]) == 2
    assert "budget 'paper'" in capsys.readouterr().err
