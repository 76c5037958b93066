"""A report is one file that holds all, says what was measured, and needs an evaluation."""

import base64
import json
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from recording_helpers import square_film

from symgen.cli import main
from symgen.experiments.report import report_page, require_summary
from symgen.experiments.runs import open_run
from symgen.models.pretrained import weights_step
from symgen.pretrained import embedded

SMALL = ["--capsules", "2", "--width", "8", "--depth", "1", "--examples", "80"]
SMALL += ["--batch-size", "8", "--warmup", "0", "--log-every", "4", "--validate-every", "4"]
ACE = "--latents 2 --classifier dense --classifier-hidden 4 --hidden 4 --decoder-hidden 4"
ACE += " --encoder dense --decoder dense --pose-channels 2 --pose-hidden 4 --pose-iterations 1"
ACE += " --half-life None --width None --kl-warmup 0 --kl-start 0 --schedule constant"
ACE += " --examples 16 --batch-size 8 --warmup 0"


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def run(empty_folder: Path) -> Path:
    np.save("films.npy", np.stack([square_film(40, start) for start in range(8)]))
    assert main(["train", "tvae", "--data", "films.npy", "--length", "8", *SMALL]) == 0
    return Path("runs/tvae")


def test_a_report_holds_all_that_it_shows(run, capsys):
    assert main(["evaluate", str(run)]) == 0
    assert main(["report", str(run)]) == 0
    path = run / "report.html"
    assert capsys.readouterr().out.endswith(f"{path}\n")
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert not re.search(r"https?://|<script|<link|url\(", text)
    images = page.all("img")
    assert len(images) == 3 and all(len(each["alt"] or "") > 40 for each in images)
    for image in images:
        content = (image["src"] or "").removeprefix("data:image/png;base64,")
        assert Image.open(BytesIO(base64.b64decode(content, validate=True))).width > 300
    heads = page.all("th")
    assert {each["scope"] for each in heads} == {"col", "row"}
    assert len(page.all("caption")) == len(page.all("table")) >= 5

    config = json.loads((run / "config.json").read_text())
    measured = json.loads((run / "summary.json").read_text())["evaluation"]
    for line in (*measured["verdict"], config["command"], config["hardware"]):
        question, _, answer = line.strip().partition("? ")
        assert escaped(question) in text and escaped(answer) in text
    assert f"--examples {measured['examples']} --samples 10 --seed 0" in text
    assert ">model: width</th><td>8</td>" in text  # which the preset has otherwise
    assert "model: likelihood" not in text and "what fools it" in text
    assert ">split: train</th><td>6 recordings" in text and ">scale</th><td>0, 255</td>" in text


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("'", "&#x27;").replace("<", "&lt;")


def test_a_run_that_was_not_evaluated_is_refused(run, capsys):
    def refused() -> str:
        assert main(["report", str(run)]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and error.endswith(f": run symgen evaluate {run}\n")
        assert not (run / "report.html").exists()
        return error

    capsys.readouterr()
    assert "was never evaluated" in refused()
    for content in ("", "{}", "[1]"):
        (run / "summary.json").write_text(content)
        assert "is damaged" in refused()
    assert main(["evaluate", str(run)]) == 0
    capsys.readouterr()
    summary = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps({**summary, "step": 5}))
    assert "evaluated at step 5, its weights are of step 10" in refused()
    summary["evaluation"]["gains"] = summary["evaluation"].pop("e_eq")
    (run / "summary.json").write_text(json.dumps(summary))
    assert "is damaged" in refused()


def test_a_summary_that_lacks_what_is_reported_is_refused(run, capsys):
    assert main(["evaluate", str(run)]) == 0
    path = run / "summary.json"
    before = path.read_text()
    for part, name in [
        ("evaluation", "seed"),
        ("evaluation", "samples"),
        ("evaluation", "nats"),
        ("evaluated", "hardware"),
        ("evaluated", "commit"),
    ]:
        summary = json.loads(before)
        del summary[part][name]
        path.write_text(json.dumps(summary))
        capsys.readouterr()
        assert main(["report", str(run)]) == 2
        told = f"symgen: {path} is damaged or of another version, it lacks '{name}': run symgen "
        assert capsys.readouterr().err == f"{told}evaluate {run}\n"
    assert not (run / "report.html").exists()


def test_reports_of_the_weights_of_the_package_lie_in_runs(empty_folder, monkeypatch, capsys):
    monkeypatch.setattr("symgen.cli.report.draw_pictures", lambda *_: [])
    kept = embedded()["symgen/sprites"]
    before = sorted(path.name for path in kept.iterdir())
    try:
        assert main(["report", "symgen/sprites"]) == 0
        assert sorted(path.name for path in kept.iterdir()) == before
    finally:
        if "report.html" not in before:
            (kept / "report.html").unlink(missing_ok=True)
    path = Path("runs/sprites/report.html")
    assert capsys.readouterr().out == f"{path}\n"
    summary = json.loads((kept / "summary.json").read_text())
    assert f"--examples {summary['evaluation']['examples']} " in path.read_text()
    summary["evaluation"]["examples"] = 123  # what the user has measured
    Path("runs/sprites/summary.json").write_text(json.dumps(summary))
    assert main(["report", "symgen/sprites"]) == 0
    assert "--examples 123 " in path.read_text()


def test_a_report_goes_where_it_is_told_and_replaces_nothing(run, capsys):
    assert main(["evaluate", str(run)]) == 0
    Path("mine.html").write_text("mine")
    assert main(["report", str(run), "--out", "mine.html"]) == 2
    assert "mine.html is there already" in capsys.readouterr().err
    assert Path("mine.html").read_text() == "mine"
    assert main(["report", str(run), "--out", "run.pdf"]) == 2
    assert "let the name end in .html" in capsys.readouterr().err
    assert main(["report", str(run), "--out", "new/mine.html"]) == 0
    assert main(["report", str(run), "--out", "mine.html", "--force"]) == 0
    assert Path("new/mine.html").read_text().startswith("<!DOCTYPE html>")
    assert Path("mine.html").stat().st_size == Path("new/mine.html").stat().st_size


def test_names_are_no_markup(run):
    assert main(["evaluate", str(run)]) == 0
    named = run.rename("runs/<b>&amp;")
    config = json.loads((named / "config.json").read_text())
    command = "symgen train tvae --data '<script>alert(1)</script>'"
    (named / "config.json").write_text(json.dumps({**config, "name": "", "command": command}))
    opened = open_run(named)
    text = report_page(opened, require_summary(opened), [])
    assert "<script>" not in text and "&lt;script&gt;" in text
    assert "<h1>Report of &lt;b&gt;&amp;amp;</h1>" in text
    assert "started from no preset" in text
    Page(text)


def test_best_weights_have_a_report_of_their_own(run):
    assert main(["evaluate", str(run), "--best"]) == 0
    assert main(["report", str(run)]) == 2
    assert main(["report", str(run), "--best"]) == 0
    text = (run / "best" / "report.html").read_text()
    step = weights_step(run / "best")
    assert f"step {step} of 10, the best in validation" in text
    assert f"symgen evaluate {run} --best" in text


def test_vectors_and_runs_from_python_have_reports(empty_folder, capsys):
    np.save("neurons.npy", np.random.default_rng(0).normal(size=(300, 6)).astype("f4"))
    words = ["--data", "neurons.npy", "--axes", "TF", "--likelihood", "gaussian"]
    assert main(["train", "tvae", *words, "--length", "8", *SMALL]) == 0
    assert main(["evaluate", "runs/tvae"]) == 0
    assert main(["report", "runs/tvae"]) == 0
    assert len(Page(Path("runs/tvae/report.html").read_text()).all("img")) == 3


def test_a_report_of_poses(empty_folder):
    assert main(["train", "ace-digits", *ACE.split()]) == 0
    assert main(["evaluate", "runs/ace-digits", "--examples", "50", "--samples", "1"]) == 0
    assert main(["report", "runs/ace-digits"]) == 0
    text = Path("runs/ace-digits/report.html").read_text()
    page = Page(text)
    assert len(page.all("img")) == 3 and "Does it name the class?" in text
    assert "A measure of your own" not in text and "symgen manifold runs/ace-digits" in text
