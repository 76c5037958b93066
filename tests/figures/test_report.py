"""Pictures of reports show what they are given, and nothing that is not there."""

import pytest

from symgen.figures import errors_by_frame, losses

RECORDS = [
    {"examples": 400, "loss": 30.0},
    {"examples": 400, "validation": {"loss": 31.0, "best": True}},
    {"examples": 800, "loss": 25.0},
    {"examples": 800, "validation": {"loss": 28.0, "best": True}},
    {"examples": 1200, "loss": float("nan")},
    {"examples": 1200, "validation": {"loss": 29.0, "best": False}},
]


def points(line):
    return list(zip(line.get_xdata(), line.get_ydata(), strict=True))


def test_losses_of_training_and_validation_with_the_least():
    training, validation, least = losses(RECORDS).axes[0].lines
    assert points(training) == [(400, 30.0), (800, 25.0)]
    assert points(validation) == [(400, 31.0), (800, 28.0), (1200, 29.0)]
    assert points(least) == [(800, 28.0)]


def test_losses_without_validation_and_without_any():
    (training,) = losses(RECORDS[:1]).axes[0].lines
    assert points(training) == [(400, 30.0)]
    for records in ([], [{"examples": 3}], [{"examples": 400, "loss": float("nan")}]):
        with pytest.raises(ValueError, match=f"no loss in {len(records)} records"):
            losses(records)


def test_errors_by_frame_leave_out_what_is_not_defined(tmp_path):
    errors = {"roll": [1.0, 2.0, 3.0], "interpolation": [None, 5.0, None]}
    figure = errors_by_frame(errors, [True, True, False], tmp_path / "errors.png")
    roll, other = figure.axes[0].lines
    assert points(roll) == [(0, 1.0), (1, 2.0), (2, 3.0)] and points(other) == [(1, 5.0)]
    assert (tmp_path / "errors.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("errors", [{}, {"roll": [1.0]}, {"roll": [1.0, 2.0], "mean": [1.0]}])
def test_errors_of_other_lengths_are_refused(errors):
    with pytest.raises(ValueError, match="frames with 2 seen or not: give as many"):
        errors_by_frame(errors, [True, False])
