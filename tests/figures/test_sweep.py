"""What was measured over the values of an option."""

import pytest

from symgen.figures import SweepPoint, sweep_curves


def test_settings_lie_where_their_numbers_do_and_words_side_by_side() -> None:
    points = [SweepPoint("E_eq", "", setting, 1.0) for setting in ("5", "9", "13")]
    (axes,) = sweep_curves(points, "window").axes
    assert [float(place) for place in axes.get_xticks()] == [5, 9, 13]
    assert axes.get_xscale() == "linear" and axes.get_xlabel() == "window"
    words = [SweepPoint("E_eq", "", setting, 1.0) for setting in ("dense", "conv")]
    (axes,) = sweep_curves(words, "net").axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["dense", "conv"]


def test_settings_of_many_sizes_are_drawn_by_their_logarithms() -> None:
    points = [SweepPoint("E_eq", "", setting, 1.0) for setting in ("1e-4", "1e-2")]
    (axes,) = sweep_curves(points, "learning-rate").axes
    assert axes.get_xscale() == "log"


def test_there_is_a_panel_for_a_measure_and_a_line_for_other_settings() -> None:
    points = [
        SweepPoint(measure, f"seed={seed}", setting, 1.0, 0.1)
        for measure in ("E_eq", "error", "bound", "nll")
        for seed in (0, 1)
        for setting in ("1", "2")
    ]
    figure = sweep_curves(points, "window")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["E_eq", "error", "bound", "nll"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["seed=0", "seed=1"]


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="give at least one SweepPoint"):
        sweep_curves([], "window")
