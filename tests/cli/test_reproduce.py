"""The verb reproduce: tables, reasons and verdicts, from one command."""

import json
import re
from dataclasses import replace
from functools import partial
from importlib import import_module

import pytest

from symgen.cli import main
from symgen.experiments.studies import run_study, study, study_names

ONE = ("--budget", "smoke", "--seeds", "1")


def test_without_a_name_it_lists_what_can_be_reproduced(capsys, empty_folder):
    assert main(["reproduce"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == list(study_names()) and list(empty_folder.iterdir()) == []


def test_a_smoke_run_prints_tables_and_the_reasons_of_gaps(empty_folder, capsys):
    words = ["reproduce", "table1", *ONE, "--only", "vae-mnist"]
    assert main([*words, "--no-train"]) == 0
    text = capsys.readouterr().out
    assert "budget smoke" in text and "not run: vae-mnist-0: " in text
    assert "train it with `symgen train vae-mnist " in text
    assert list(empty_folder.iterdir()) == [empty_folder / "runs"]  # no result of a smoke run
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "13,274 ± 1" in text and "BubbleVAE" not in text and "not run" not in text
    record = empty_folder / "runs" / "studies" / "smoke" / "table1.json"
    assert f"everything: {record.relative_to(empty_folder)}" in text
    (entry,) = json.loads(record.read_text())["entries"]
    assert entry["line"] == "vae-mnist"
    measured = entry["measured"]["evaluation"]["log_p_paper"]
    assert f"{measured:,.1f}".replace("-", "−") in text


def test_figure_5_is_drawn_beside_its_record(empty_folder, capsys):
    words = ["--only", "tvae-sprites-sixth", "--out", "here", "--record", "new/figure.json"]
    assert main(["reproduce", "figure5", *ONE, *words]) == 0
    assert "new/figure.png" in capsys.readouterr().out
    assert {path.name for path in (empty_folder / "new").iterdir()} >= {
        "figure.json",
        "figure.png",
    }
    assert (empty_folder / "here" / "tvae-sprites-sixth-0" / "model.safetensors").is_file()


def test_the_claims_of_ace_have_a_verdict_each(empty_folder, monkeypatch, capsys):
    smoke = study("ace").budgets["smoke"]
    brief = {"examples": 100, "batch_size": 50, "warmup": 0, "kl_warmup": 50}
    short = {kind: {**how, "training": brief} for kind, how in smoke.by_kind.items()}
    spent = replace(smoke, painted=20, by_kind=short)
    module = import_module("symgen.cli.reproduce")
    monkeypatch.setattr(module, "run_study", partial(run_study, spending=spent))
    words = ["--only", "judge-mnist", "ace-mnist-plain", "--record", "new/ace.json"]
    assert main(["reproduce", "ace", *ONE, *words]) == 0
    text = capsys.readouterr().out
    criteria = json.loads((empty_folder / "new" / "ace.json").read_text())["criteria"]
    verdicts = {c["id"]: c["verdict"] for c in criteria}
    assert verdicts == {f"E{n}": "not run" for n in range(1, 16)} | {"E1": "smoke"}
    for name, verdict in verdicts.items():
        assert re.search(rf"^{name} .* {verdict} *$", text, re.M)
    words.remove("ace-mnist-plain")  # whose entry is judged all the same
    assert main(["reproduce", "ace", *ONE, *words]) == 0
    again = json.loads((empty_folder / "new" / "ace.json").read_text())["criteria"]
    assert again == criteria


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("table1 --budget desktop", "no budget 'desktop' of table1"),
        ("ace --budget paper", "no budget 'paper' of ace"),
        ("ace --only E99", "no line 'E99' in ace"),
        ("table1 --seeds 0", "seeds=0"),
    ],
)
def test_nonsense_is_one_clear_error_and_writes_nothing(words, message, empty_folder, capsys):
    assert main(["reproduce", *words.split()]) == 2
    error = capsys.readouterr().err
    assert error.startswith("symgen: ") and message in error and error.count("\n") == 1
    assert list(empty_folder.iterdir()) == []
