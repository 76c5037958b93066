"""Learning curves: every recorded number is drawn once, in its panel."""

import math
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from symgen.figures import learning_curves


def run_records(offset: float = 0.0) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = [
        {
            "step": step,
            "examples": 8 * step,
            "seconds": step / 10,
            "loss": 200 + 900 / step + offset,
            "nll": 190 + 800 / step + offset,
            "kl_z": 5 + step / 10,
            "kl_u": 1 + step / 20,
            "mu": -30 + step / 1000,
            "learning_rate": 1e-4,
        }
        for step in range(1, 20)
    ]
    records.append({"step": 19, "examples": 152, "evaluation": {"nll": 250.0, "roll_nll": 260.0}})
    return records


def curves_of(figure: Any) -> dict[str, list[list[tuple[float, float]]]]:
    """The points of all lines by the title of their panel."""
    return {
        panel.get_title(loc="left"): [
            list(zip(*line.get_data(), strict=True)) for line in panel.get_lines()
        ]
        for panel in figure.axes
    }


def test_learning_curves_draw_each_recorded_number_once() -> None:
    records = run_records()
    curves = curves_of(learning_curves(records))
    for title, names in {
        "loss, nats": ("loss", "nll"),
        "KL divergence, nats": ("kl_z", "kl_u"),
        "μ": ("mu",),
        "learning rate": ("learning_rate",),
    }.items():
        for name, line in zip(names, curves[title], strict=False):
            assert line == [(record["examples"], record[name]) for record in records[:-1]]
    assert curves["loss, nats"][2] == [(152, 250.0)]
    assert curves["roll nll"] == [[(152, 260.0)]]
    assert sum(map(len, curves.values())) == 8


def test_the_loss_on_validation_data_has_a_curve_of_its_own() -> None:
    records = run_records()
    for number in (4, 9):
        records[number]["validation"] = {"loss": 300.0 + number, "best": True}
    curves = curves_of(learning_curves(records))["loss, nats"]
    assert [(40, 304.0), (80, 309.0)] in curves and len(curves) == 4


@pytest.mark.parametrize(
    ("missing", "titles"),
    [
        (
            ("mu",),
            {
                "loss, nats",
                "KL divergence, nats",
                "learning rate",
            },
        ),
        (
            ("mu", "kl_u", "learning_rate"),
            {"loss, nats", "KL divergence, nats"},
        ),
        (("loss", "nll", "kl_z", "kl_u", "learning_rate"), {"μ"}),
    ],
)
def test_learning_curves_leave_out_what_was_not_recorded(
    missing: tuple[str, ...], titles: set[str]
) -> None:
    records = [
        {name: value for name, value in record.items() if name not in missing}
        for record in run_records()[:-1]
    ]
    curves = curves_of(learning_curves(records))
    assert set(curves) == titles


def test_learning_curves_show_the_terms_of_labelled_images() -> None:
    records = [
        {
            "examples": 8 * step,
            "kl_z": 1.0 + step,
            "kl_pose": 2.0 + step,
            "cross_entropy": 1 / step,
        }
        for step in range(1, 9)
    ]
    curves = curves_of(learning_curves(records))
    for title, names in {
        "KL divergence, nats": ("kl_z", "kl_pose"),
        "cross-entropy, nats": ("cross_entropy",),
    }.items():
        assert curves.pop(title) == [
            [(record["examples"], record[name]) for record in records] for name in names
        ]
    assert not curves


def test_learning_curves_skip_numbers_that_are_not_finite() -> None:
    records = run_records()
    records[3]["loss"], records[4]["loss"], records[5]["loss"] = math.nan, math.inf, None
    (line, *_) = curves_of(learning_curves(records))["loss, nats"]
    assert len(line) == 16
    assert all(math.isfinite(value) for _, value in line)


def test_learning_curves_compare_runs_by_colour() -> None:
    runs = {"TVAE": run_records(), "BubbleVAE": run_records(20.0), "VAE": run_records(40.0)}
    figure = learning_curves(runs)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(runs)
    keys = [handle.get_color() for handle in legend.get_lines()]
    assert len(set(keys)) == 3
    (mu,) = (panel for panel in figure.axes if panel.get_title(loc="left") == "μ")
    assert [line.get_color() for line in mu.get_lines()] == keys


def test_learning_curves_read_from_left_to_right_in_examples() -> None:
    figure = learning_curves(run_records())
    for panel in figure.axes:
        assert panel.get_xlabel() == "examples seen"
        for line in panel.get_lines():
            assert all(before < after for before, after in pairwise(line.get_xdata()))


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_learning_curves_write_one_file_without_pyplot(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it now fails
    path = tmp_path / f"curves{suffix}"
    learning_curves(run_records(), path)
    magic = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}[suffix]
    assert path.read_bytes().startswith(magic)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "records", [[], {}, {"TVAE": [], "VAE": []}, [{"step": 1, "loss": 3.0}], [{"examples": 8}]]
)
def test_learning_curves_refuse_to_draw_nothing(records: Any) -> None:
    with pytest.raises(ValueError, match="no curve in records"):
        learning_curves(records)
