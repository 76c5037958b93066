"""Tables of studies: means over seeds beside what is printed, and what nobody ran."""

import json
from copy import deepcopy
from pathlib import Path

import pytest

from symgen.experiments.experiment import Experiment
from symgen.experiments.studies import entry_of, read_entries, study, study_names, tables_of
from symgen.experiments.studies.record import StudyRecord
from symgen.experiments.studies.tables import written

RESULTS = Path(__file__).resolve().parents[3] / "results"
RECORDS = {
    name: read_entries(RESULTS / f"{name}.json")
    for name in study_names()
    if (RESULTS / f"{name}.json").is_file()
}


def cells(tables, title):
    """The cells of the table with a title, by the name of the row."""
    table = next(table for table in tables if table.header[0] == title)
    return {row[0]: dict(zip(table.header[1:], row[1:], strict=True)) for row in table.rows}


@pytest.fixture
def entry():
    return deepcopy(next(e for e in RECORDS["table1"] if e["line"] == "tvae-mnist-half"))


def test_means_and_deviations_are_those_of_the_seeds(entry):
    entries = []
    for seed, value in enumerate((-200.0, -201.0, -205.0)):
        measured = entry["measured"]["evaluation"] | {"log_p_paper": value, "entropy_floor": 124.0}
        measured |= {"log_p_bound": value - 6}
        entries.append(entry | {"seed": seed, "measured": {"evaluation": measured}})
    tables = tables_of(study("table1"), {"entries": entries}, "laptop")
    rows = cells(tables, "log p(x), nats per frame")
    assert rows["TVAE, L = ½ S, K = 3"] == {
        "camera-ready": "−186.8 ± 0.1",
        "submission": "−188.5 ± 1.0",
        "ours, paper's convention": "−202.0 ± 2.6",
        "ours, bound": "−208.0 ± 2.6",
        "distance of the bound from the entropy floor": "84.0 ± 2.6",
    }
    plain = rows["TVAE, L = 0, K = 3"]
    assert (plain["camera-ready"], plain["submission"]) == ("−218.5 ± 0.9", "")
    assert {*list(plain.values())[2:]} == {"not run"}
    cost = cells(tables, "cost of a run")["TVAE, L = ½ S, K = 3"]
    assert cost["seeds"] == "3" and "±" not in cost["frames seen"]


def test_one_seed_has_no_deviation_and_an_undefined_value_is_a_dash(entry):
    entry["measured"]["evaluation"]["roll_prediction"]["outside"]["squared_error"] = None
    tables = tables_of(study("table1"), {"entries": [entry]}, "laptop", ["tvae-mnist-half"])
    rows = cells(tables, "roll prediction of unseen frames")
    assert list(rows) == ["TVAE, L = ½ S, K = 3"]
    assert rows["TVAE, L = ½ S, K = 3"]["**squared error**"] == "–"
    assert "±" not in cells(tables, "E_eq")["TVAE, L = ½ S, K = 3"]["% of chance"]


def test_capcorr_stands_beside_both_editions_and_chance():
    tables = tables_of(study("table2"), {"entries": RECORDS["table2"]}, "laptop")
    rows = cells(tables, "CapCorr")
    label = "TVAE, L = ⅓ S, K = 1"
    ways = ("camera-ready", "submission", "ours", "ours, circular", "ours, on training sequences")
    assert [name for name in rows if name.startswith(label)] == [f"{label}: {w}" for w in ways]
    assert rows[f"{label}: camera-ready"]["posX"] == "1.00 ± 0.00"
    assert list(rows)[-1] == "chance" and "±" not in rows["chance"]["posX"]
    mnist = tables_of(study("table1"), {"entries": RECORDS["table1"]}, "laptop")
    assert not [name for name in cells(mnist, "CapCorr") if "training" in name]


def test_the_papers_own_recipes_are_compared_with_the_edition_that_prints_them():
    tables = tables_of(study("table1"), {"entries": []}, "paper")
    rows = cells(tables, "log p(x), nats per frame")
    camera_ready = rows["TVAE, L = ½ S, K = 3 (camera-ready)"]
    assert (camera_ready["camera-ready"], camera_ready["submission"]) == ("−186.8 ± 0.1", "")


def test_a_table_may_have_a_row_for_everything_that_a_place_holds():
    (line,) = (
        ln
        for ln in study("forecast").lines(study("forecast").budgets["laptop"])
        if ln.name == "forecast-vae"
    )
    rows = {way: {"squared_error": [float(n) for n in range(7)]} for way in ("GRU", "linear")}
    entry = {name: getattr(line, name) for name in ("preset", "variant", "test_mode", "trained")}
    entry |= {"budget": "laptop", "seed": 0, "measured": {"forecast": {"rows": rows}}}
    tables = tables_of(study("forecast"), {"entries": [entry]}, "laptop")
    found = cells(tables, "forecast, squared error at horizon")
    assert found["VAE: GRU"]["1"] == "0.0" and found["VAE: linear"]["7"] == "6.0"
    assert found["TVAE, causal"]["1"] == "not run"


def test_the_table_of_criteria_has_limits_measured_values_and_the_verdict():
    record = json.loads((RESULTS / "ace.json").read_text())
    (table,) = tables_of(study("ace"), record, "laptop")
    assert [row[0].split()[0] for row in table.rows] == [f"E{n}" for n in range(1, 16)]
    for row, criterion in zip(table.rows, record["criteria"], strict=True):
        assert row[3] == criterion["verdict"]
        assert row[2].count(";") == len(criterion["limits"]) - 1
        assert ("(projected)" in row[1]) == criterion["projected"]


@pytest.mark.parametrize("name", study_names())
def test_without_a_run_every_table_says_so(name):
    about = study(name)
    if "criteria" in about.shown:
        return
    labels = [line.label for line in about.lines(about.budgets["laptop"])]
    for table in tables_of(about, {"entries": []}, "laptop"):
        assert all(len(row) == len(table.header) for row in table.rows)
        ours = [row[0].removesuffix(": ours") for row in table.rows if "not run" in row]
        assert ours == labels


@pytest.mark.parametrize(
    ("mean", "std", "digits", "text"),
    [
        (-1.23456, None, None, "−1.235"),
        (1234.5, 6.78, 0, "1,234 ± 7"),
        (-0.5, 0.25, 2, "−0.50 ± 0.25"),
        (1e-6, None, None, "1e−06"),
        (None, None, 2, "–"),
    ],
)
def test_numbers_are_written_with_a_true_minus(mean, std, digits, text):
    assert written({"mean": mean, "std": std}, digits) == text


@pytest.mark.parametrize("name", [name for name, entries in RECORDS.items() if entries])
def test_what_is_committed_is_on_record_of_the_lines_as_they_are_now(name):
    """A preset that changed would be trained again, and its old numbers would be another's."""
    about, entries, found = study(name), RECORDS[name], []
    for budget in about.budgets.values():
        evaluated = {"items": budget.items, "samples": budget.samples, "seed": 0}
        for line in about.lines(budget):
            for seed in range(3):
                entry = entry_of(entries, line, budget.name, seed)
                if entry is not None:
                    wanted = budget.experiment(line, seed)
                    record = StudyRecord(study(name), RESULTS / f"{name}.json")
                    assert record.find(line, budget.name, seed, wanted, evaluated) == entry
                    found.append(entry)
    assert len(found) == len(entries)
    for entry in entries:
        assert Experiment.from_json(entry["settings"]).training.seed == entry["seed"]
