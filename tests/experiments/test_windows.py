"""Figure 5 is drawn from the record of its runs, beside what the paper prints."""

from pathlib import Path

import pytest

from symgen.experiments.studies import draw_windows, read_entries
from symgen.figures import WindowPoint

RECORD = Path(__file__).parents[2] / "results" / "figure5.json"


def capcorr(entry):
    return entry["measured"]["evaluation"]["capcorr"]


@pytest.fixture
def points(monkeypatch):
    """What would be drawn."""
    drawn = []
    monkeypatch.setattr(
        "symgen.experiments.studies.windows.window_curves",
        lambda given, chance, path: drawn.extend(given),
    )
    return drawn


def test_the_record_is_drawn_with_what_the_paper_prints(points, tmp_path):
    entries = read_entries(RECORD)
    draw_windows(entries, "laptop", tmp_path / "figure5.png")
    half = [
        capcorr(entry)["posX"]["value"]
        for entry in entries
        if entry["settings"]["model"]["window"] == 15
    ]
    ours = [p for p in points if p.series == "ours" and p.factor == "posX"]
    assert [p.window for p in ours] == sorted((p.window for p in ours), reverse=True)
    assert ours[0].window == 0.5 and ours[-1].window == 0.0
    assert ours[0].value == pytest.approx(sum(half) / len(half))
    printed = next(
        p
        for p in points
        if p.series == "paper, camera-ready" and p.factor == "scale" and p.window < 0.2
    )
    assert printed == WindowPoint("scale", "paper, camera-ready", 1 / 6, 0.42, 0.01)


def test_values_that_are_not_defined_are_left_out(points, tmp_path):
    entry = read_entries(RECORD)[0]
    capcorr(entry)["posX"]["value"] = None
    draw_windows([entry], "laptop", tmp_path / "figure5.png")
    measured = {p.factor for p in points if p.series == "ours"}
    assert measured == capcorr(entry).keys() - {"posX"}
    points.clear()
    for values in capcorr(entry).values():
        values["value"] = None
    draw_windows([entry], "laptop", tmp_path / "figure5.png")
    assert points and all(p.series != "ours" for p in points)  # what the paper prints is there


def test_a_picture_is_written_from_one_entry(tmp_path):
    draw_windows(read_entries(RECORD)[:1], "laptop", tmp_path / "figure5.png")
    assert (tmp_path / "figure5.png").read_bytes().startswith(b"\x89PNG")


def test_a_budget_without_runs_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no runs of figure5 within the budget 'paper'"):
        draw_windows([], "paper", tmp_path / "figure5.png")
    assert list(tmp_path.iterdir()) == []
