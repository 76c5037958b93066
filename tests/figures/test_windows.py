"""CapCorr over the window: every value is drawn once, in the panel of its factor."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from symgen.experiments.reproduce import draw_windows, read_entries
from symgen.figures import WindowPoint, window_curves

RECORD = Path(__file__).parent.parent / "results" / "figure5.json"
POINTS = [
    WindowPoint("angle", "ours", 0.5, 1.0, 0.01),
    WindowPoint("angle", "ours", 0.0, -0.2),
    WindowPoint("hue", "ours", 0.0, 0.3),
    WindowPoint("angle", "paper", 0.25, 0.7, 0.1),
]


def drawn(figure) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Points of each series by the title of its panel."""
    return {
        axes.get_title(loc="left"): {
            bars.get_label(): list(zip(*bars.lines[0].get_data(), strict=True))
            for bars in axes.containers
        }
        for axes in figure.axes
    }


def test_every_point_is_drawn_once_in_order_of_its_window() -> None:
    panels = drawn(window_curves(POINTS, {"hue": 0.1}))
    assert panels["angle"] == {"ours": [(0.0, -0.2), (0.5, 1.0)], "paper": [(0.25, 0.7)]}
    assert panels["hue"]["ours"] == [(0.0, 0.3)] and not panels["hue"].get("paper")


def test_chance_is_a_line_of_its_own() -> None:
    figure = window_curves(POINTS, {"hue": 0.1})
    lines = {
        axes.get_title(loc="left"): [x for x in axes.lines if x.get_label() == "chance"]
        for axes in figure.axes
    }
    assert lines["angle"] == []
    assert [np.unique(line.get_ydata()).tolist() for line in lines["hue"]] == [[0.1]]


def test_nothing_to_draw_and_unknown_kinds_of_files_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="no points to draw"):
        window_curves([])
    with pytest.raises(ValueError, match="let the name end in"):
        window_curves(POINTS, path=tmp_path / "curves.bmp")
    with pytest.raises(ValueError, match="no runs of figure5 within the budget 'paper'"):
        draw_windows([], "paper", tmp_path / "figure5.png")
    assert list(tmp_path.iterdir()) == []


def test_the_record_of_figure_5_is_drawn_with_what_the_paper_prints(tmp_path, monkeypatch) -> None:
    points: list[WindowPoint] = []
    monkeypatch.setattr(
        "symgen.experiments.reproduce.windows.window_curves",
        lambda given, chance, path: points.extend(given),
    )
    entries = read_entries(RECORD)
    draw_windows(entries, "laptop", tmp_path / "figure5.png")
    half = [e["evaluation"]["capcorr"]["posX"]["value"] for e in entries if _window(e) == 15]
    ours = [p for p in points if p.series == "ours" and p.factor == "posX"]
    assert [p.window for p in ours] == sorted((p.window for p in ours), reverse=True)
    assert ours[0].window == 0.5 and ours[-1].window == 0.0
    assert ours[0].value == pytest.approx(sum(half) / len(half))
    printed = next(
        p
        for p in points
        if p.series == "paper, camera-ready" and p[0] == "scale" and p.window < 0.2
    )
    assert printed == WindowPoint("scale", "paper, camera-ready", 1 / 6, 0.42, 0.01)


def test_values_that_are_not_defined_are_left_out(tmp_path) -> None:
    entry = read_entries(RECORD)[0]
    entry["evaluation"]["capcorr"]["posX"]["value"] = None
    draw_windows([entry], "laptop", tmp_path / "figure5.png")
    for measured in entry["evaluation"]["capcorr"].values():
        measured["value"] = None
    draw_windows([entry], "laptop", tmp_path / "printed.png")  # what the paper prints is there
    assert len(list(tmp_path.iterdir())) == 2


def _window(entry) -> int:
    return entry["settings"]["model"]["window"]


def test_a_picture_is_written(tmp_path) -> None:
    path = tmp_path / "curves.png"
    window_curves(POINTS, {"hue": 0.1}, path)
    with Image.open(path) as picture:
        assert picture.size[0] > 500
