"""CapCorr over the window: every value is drawn once, in the panel of its factor."""

import numpy as np
import pytest
from PIL import Image

from symgen.figures import WindowPoint, window_curves

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
    assert list(tmp_path.iterdir()) == []


def test_a_picture_is_written(tmp_path) -> None:
    path = tmp_path / "curves.png"
    window_curves(POINTS, {"hue": 0.1}, path)
    with Image.open(path) as picture:
        assert picture.size[0] > 500
