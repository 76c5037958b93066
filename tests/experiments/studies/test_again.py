"""A study that is run again: what is on record, what was stopped, what others do meanwhile."""

import json
import shlex
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from symgen.cli.train import read_train
from symgen.experiments.studies import read_entries, run_study, study
from symgen.experiments.studies.record import StudyRecord
from symgen.training import TrainingStopped, hold
from symgen.training.checkpoint import saved_step


@pytest.fixture(scope="module")
def done(tmp_path_factory, make):
    out = tmp_path_factory.mktemp("studies")
    make(out, "table1", "tvae-mnist-half", "vae-mnist")
    return out


@pytest.fixture
def begun(done, tmp_path):
    """Copy one line's run and the record."""
    shutil.copytree(done / "runs" / "vae-mnist-0", tmp_path / "runs" / "vae-mnist-0")
    shutil.copy(done / "table1.json", tmp_path)
    return tmp_path


def changed(path, change):
    record = json.loads(path.read_text())
    for entry in record["entries"]:
        change(entry)
    path.write_text(json.dumps(record))


def test_what_is_on_record_needs_no_run_folder(begun, make):
    before = read_entries(begun / "table1.json")
    shutil.rmtree(begun / "runs")
    record = make(begun, "table1", "vae-mnist", show=pytest.fail)
    assert record["entries"] == [entry for entry in before if entry["line"] == "vae-mnist"]
    assert not (begun / "runs").exists()


def test_further_seeds_are_merged_and_other_entries_kept(begun, make):
    path = begun / "table1.json"
    before = read_entries(path)
    foreign = before[0] | {"budget": "laptop"}
    path.write_text(json.dumps({"entries": [*before, foreign]}))
    record = make(begun, "table1", "vae-mnist", seeds=2)
    assert [entry["seed"] for entry in record["entries"]] == [0, 1]
    after = read_entries(path)
    assert len(after) == len(before) + 2
    assert foreign in after and all(entry in after for entry in before)


def test_an_entry_of_other_settings_is_replaced_by_its_run(begun, make):
    def forge(entry):
        entry["settings"]["training"]["learning_rate"] = 1.0

    changed(begun / "table1.json", forge)
    after = make(begun, "table1", "vae-mnist", train=False)
    assert [e["settings"]["training"]["learning_rate"] for e in after["entries"]] == [1e-3]


def test_an_entry_of_another_run_than_the_folders_is_measured_again(begun, make):
    def forge(entry):
        entry["commit"], entry["measured"]["evaluation"]["log_p_paper"] = "elsewhere", 0.0

    changed(begun / "table1.json", forge)
    (entry,) = make(begun, "table1", "vae-mnist", train=False)["entries"]
    assert entry["commit"] != "elsewhere" and entry["measured"]["evaluation"]["log_p_paper"] < 0


def test_an_entry_is_measured_again_for_other_samples(begun, make, tiny):
    (entry,) = make(begun, "table1", "vae-mnist", spending=replace(tiny, samples=2))["entries"]
    assert entry["evaluated"]["samples"] == 2


def test_a_run_of_other_settings_is_not_taken_for_the_line(begun, make, tiny):
    (begun / "table1.json").unlink()
    brief = tiny.by_kind["digits"]
    longer = {"digits": {**brief, "training": brief["training"] | {"examples": 16}}}
    spending = replace(tiny, by_kind=longer)
    record = make(begun, "table1", "vae-mnist", spending=spending, place=begun)
    assert record["entries"] == []
    told = "other settings (training examples was 8 and is 16): move it away or choose another"
    assert told in record["missing"]["vae-mnist-0"]


def test_a_stopped_run_is_resumed(tmp_path, make):
    def stop(done, total, text):
        assert text.startswith("run 1 of 1, vae-mnist-0: loss") and text.endswith("for all")
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(TrainingStopped):
        make(tmp_path, "table1", "vae-mnist", show=stop)
    folder = tmp_path / "runs" / "vae-mnist-0"
    state = folder / "state" / "checkpoint.safetensors"
    assert 0 < saved_step(state) < 4
    begun = (folder / "metrics.jsonl").read_text()
    told = make(tmp_path, "table1", "vae-mnist", train=False)["missing"]["vae-mnist-0"]
    assert told.endswith(f"of 4: train it with `symgen train --resume {folder}`")
    record = make(tmp_path, "table1", "vae-mnist")
    assert len(record["entries"]) == 1 and saved_step(state) == 4
    assert (folder / "metrics.jsonl").read_text().startswith(begun)


def test_two_processes_share_the_lines(tmp_path, make):
    lines = ("vae-mnist", "tvae-mnist-half")
    with ThreadPoolExecutor(2) as pool:
        made = [pool.submit(make, tmp_path, "table1", *lines) for _ in range(2)]
        found = [each.result() for each in made]
    assert len(read_entries(tmp_path / "table1.json")) == 2
    for each in found:  # what is not in the table of one, the other was making
        assert len(each["entries"]) + len(each["missing"]) == 2
        assert all("another process is making it" in why for why in each["missing"].values())


def test_a_damaged_run_folder_keeps_no_other_line_from_its_table(begun, make):
    (begun / "runs" / "vae-mnist-0" / "config.json").write_text("{")
    record = make(begun, "table1", "vae-mnist")  # on record: the folder is not needed
    assert len(record["entries"]) == 1 and record["missing"] == {}
    (begun / "table1.json").unlink()
    record = make(begun, "table1", "vae-mnist", "tvae-mnist-half")
    assert [entry["line"] for entry in record["entries"]] == ["tvae-mnist-half"]
    assert "config.json" in record["missing"]["vae-mnist-0"]


def test_weights_that_a_finished_run_lacks_are_written_anew(begun, make):
    (begun / "table1.json").unlink()
    weights = begun / "runs" / "vae-mnist-0" / "model.safetensors"
    before = weights.read_bytes()
    weights.unlink()
    record = make(begun, "table1", "vae-mnist")
    assert record["missing"] == {} and weights.read_bytes() == before


def test_an_entry_of_other_settings_is_in_no_table(begun, make, tiny):
    brief = tiny.by_kind["digits"]
    longer = {"digits": {**brief, "training": brief["training"] | {"examples": 16}}}
    record = make(
        begun, "table1", "vae-mnist", spending=replace(tiny, by_kind=longer), train=False
    )
    assert record["entries"] == [] and list(record["missing"]) == ["vae-mnist-0"]
    assert len(read_entries(begun / "table1.json")) == 2  # and stays on record


def test_a_run_that_another_process_trains_is_passed_over(tmp_path, make):
    with hold(tmp_path / "runs" / "vae-mnist-0"):
        record = make(tmp_path, "table1", "vae-mnist")
    assert record["entries"] == [] and "is training in" in record["missing"]["vae-mnist-0"]


def test_a_run_whose_last_save_is_still_going_on_is_passed_over(begun, make):
    (begun / "table1.json").unlink()
    with hold(begun / "runs" / "vae-mnist-0"):
        record = make(begun, "table1", "vae-mnist")
    assert record["entries"] == [] and list(record["missing"]) == ["vae-mnist-0"]


def test_a_place_of_image_files_does_not_matter_to_sprites(tmp_path, make):
    record = make(tmp_path, "table2", "vae-sprites", place=tmp_path)
    assert len(record["entries"]) == 1 and record["missing"] == {}


def test_nothing_is_trained_unasked_and_the_command_is_told(tmp_path, make, tiny):
    record = make(tmp_path, "table1", "vae-mnist", train=False)
    told = record["missing"]["vae-mnist-0"]
    assert "is at step 0 of 4: train it with `symgen train vae-mnist " in told
    assert not (tmp_path / "runs").exists()
    experiment, where = read_train(shlex.split(told.split("`")[1])[2:])
    (line,) = (line for line in study("table1").lines(tiny) if line.name == "vae-mnist")
    assert experiment == tiny.experiment(line, 0)
    assert where.out == tmp_path / "runs" / "vae-mnist-0"


def test_without_image_files_lines_say_so(tmp_path, make, tiny, monkeypatch):
    monkeypatch.delenv("SYMGEN_DATA", raising=False)
    spending = replace(tiny, only_images=None)
    record = make(tmp_path, "table1", "vae-mnist", spending=spending, place=tmp_path)
    assert record["entries"] == [] and "train-images" in record["missing"]["vae-mnist-0"]


def test_processes_that_write_at_once_lose_no_entry(done, tmp_path):
    entry = read_entries(done / "table1.json")[0]
    record = StudyRecord(study("table1"), tmp_path / "table1.json")
    with ThreadPoolExecutor(4) as pool:
        made = [entry | {"seed": seed} for seed in range(24)]
        list(pool.map(lambda one: record.put(one, {"study": "table1"}), made))
    assert read_entries(tmp_path / "table1.json") == made


# --- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("table6", {}, "no study 'table6': did you mean table"),
        ("table1", {"budget": "desktop"}, "no budget 'desktop' of table1"),
        ("ace", {"budget": "paper"}, "no budget 'paper' of ace"),
        ("table1", {"seeds": 0}, "seeds=0"),
        ("table1", {"only": []}, "name a line, or leave it out for all"),
        ("table1", {"only": ["vae-mnits"]}, "no line 'vae-mnits' in table1: did you mean vae-m"),
    ],
)
def test_nonsense_is_refused(tmp_path, name, options, message):
    with pytest.raises(ValueError, match=message):
        run_study(name, tmp_path, tmp_path / "new" / "x.json", **options)
    assert not (tmp_path / "new").exists()


def test_a_folder_in_place_of_a_record_is_refused_before_the_work(tmp_path):
    with pytest.raises(ValueError, match="is a folder: name a file in it"):
        run_study("table1", tmp_path / "runs", tmp_path, budget="smoke")
    assert list(tmp_path.iterdir()) == []


ENTRY = {"preset": "vae-mnist", "variant": None, "test_mode": None, "trained": True}
ENTRY |= {"budget": "smoke", "seed": 0, "settings": {}, "measured": {}, "evaluated": {}}
DAMAGED = [
    *({"entries": [each]} for each in ({}, 1, ENTRY | {"seed": "0"}, ENTRY | {"measured": None})),
    {"entries": None},
    {"entries": {"a": 1}},
    {"entries": {}},
    *(
        {"entries": [ENTRY | each]}
        for each in ({"budget": [1]}, {"measured": {"evaluation": "x"}})
    ),
    {"entries": [{k: v for k, v in ENTRY.items() if k != "budget"}]},
]


@pytest.mark.parametrize("content", ["[]", "{", '{"runs": 3}', *map(json.dumps, DAMAGED)])
def test_a_damaged_record_is_not_overwritten(tmp_path, make, content):
    (tmp_path / "table1.json").write_text(content)
    with pytest.raises(ValueError, match=r"table1\.json is no record"):
        make(tmp_path, "table1", "vae-mnist")
    assert (tmp_path / "table1.json").read_text() == content
