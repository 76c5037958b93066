"""Films of forecasts: what was given, then what is forecast, every pixel at its place."""

from pathlib import Path
from typing import Any

import pytest
import torch
from figure_helpers import places, scale_in
from PIL import Image, ImageSequence

from symgen.figures import forecast_gif

ACCENT = (213, 94, 0)


def film(path: Path) -> list[Image.Image]:
    with Image.open(path) as image:
        return [moment.convert("RGB") for moment in ImageSequence.Iterator(image)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", [1, 3])
def test_given_frames_come_before_those_forecast(
    channels: int, count: int, tmp_path: Path
) -> None:
    given, forecast = (
        torch.randint(2, (count, frames, channels, 9, 10)).float() for frames in (3, 4)
    )
    titles = [f"film {number}" for number in range(count)]
    forecast_gif(given, forecast, tmp_path / "f.gif", titles)
    moments = film(tmp_path / "f.gif")
    assert len(moments) == 7
    scale = scale_in(moments[0], given[0, 0])
    corners = []
    for index, moment in enumerate(moments):
        frames = torch.cat([given, forecast], 1)[:, index]
        corners.append([places(moment, image, scale) for image in frames])
        for ((y, x),) in corners[-1]:  # the border
            assert (moment.getpixel((x - 2, y + 3)) == ACCENT) == (index >= 3)
    assert all(len(each) == 1 for each in corners[0]) and corners == corners[:1] * 7


def test_the_true_frames_are_below(tmp_path: Path) -> None:
    given, forecast, truth = (
        torch.randint(2, (3, frames, 1, 9, 10)).float() for frames in (2, 4, 4)
    )
    forecast_gif(given, forecast, tmp_path / "f.gif", ["a", "b", "c"], truth, note="* trained on")
    moments = film(tmp_path / "f.gif")
    scale = scale_in(moments[0], given[0, 0])
    for index, moment in enumerate(moments[2:]):
        for image, true in zip(forecast[:, index], truth[:, index], strict=True):
            (above,), (below,) = (places(moment, each, scale) for each in (image, true))
            assert above[1] == below[1] and above[0] < below[0]
            assert moment.getpixel((below[1] - 2, below[0] + 3)) != ACCENT
    for moment in moments[:2]:
        assert len(places(moment, given[0, moments.index(moment)], scale)) == 2


def test_shorter_ones_begin_later(tmp_path: Path) -> None:
    given = [torch.randint(2, (frames, 1, 9, 10)).float() for frames in (3, 1)]
    forecast = torch.randint(2, (2, 2, 1, 9, 10)).float()
    forecast_gif(given, forecast, tmp_path / "f.gif")
    moments = film(tmp_path / "f.gif")
    scale = scale_in(moments[0], given[0][0])
    x = places(moments[2], given[1][0], scale)[0][1]
    y = places(moments[2], given[1][0], scale)[0][0]
    for index, moment in enumerate(moments):
        paper = moment.crop((x, y, x + 10 * scale, y + 9 * scale)).getcolors()
        assert (paper == [(90 * scale**2, (255, 255, 255))]) == (index < 2)
    with pytest.raises(ValueError, match=r"given \(1, 9\): give each as \(frames, channels"):
        forecast_gif([torch.rand(1, 9)], forecast, tmp_path / "g.gif")


def test_equal_frames_stay_as_many(tmp_path: Path) -> None:
    still = torch.zeros(1, 2, 1, 8, 8)
    forecast_gif(still, still, tmp_path / "f.gif")
    assert len(film(tmp_path / "f.gif")) == 4


def test_the_last_frame_of_either_stays(tmp_path: Path) -> None:
    forecast_gif(X, X, tmp_path / "f.gif", milliseconds=50)
    with Image.open(tmp_path / "f.gif") as image:
        stays = [moment.info["duration"] for moment in ImageSequence.Iterator(image)]
    assert stays == [50, 50, 250, 50, 50, 250]


def test_long_titles_and_flat_frames_leave_the_layout(tmp_path: Path) -> None:
    flat = torch.rand(2, 2, 1, 1, 300)
    forecast_gif(flat, flat, tmp_path / "f.gif", ["x" * 5000, "two\nlines"])
    assert max(film(tmp_path / "f.gif")[0].size) < 1000


X = torch.rand(2, 3, 1, 8, 8)


@pytest.mark.parametrize(
    ("given", "forecast", "name", "titles", "message"),
    [
        (X, X, "f.png", None, "let the name end in .gif"),
        (X, X[:1], "f.gif", None, r"given \(2, 1, 8, 8\), forecast \(1, 1, 8, 8\)"),
        (X, X[..., :5], "f.gif", None, "give all as"),
        (X[:, :0], X, "f.gif", None, "none of the sizes 0"),
        (X, X + 1, "f.gif", None, "forecast"),
        (X, X, "f.gif", ["one"], "1 titles"),
        (X[:1], X[:1], "f.gif", "x", "titles='x': give a list of texts"),
    ],
)
def test_bad_input_is_refused(
    given: torch.Tensor,
    forecast: torch.Tensor,
    name: str,
    titles: Any,
    message: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(ValueError, match=message):
        forecast_gif(given, forecast, tmp_path / name, titles)
    assert not [*tmp_path.iterdir()]


def test_a_truth_of_fewer_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"truth \(2, 2, 1, 8, 8\), forecast \(2, 3, 1, 8, 8\)"):
        forecast_gif(X, X, tmp_path / "f.gif", truth=X[:, :2])
    assert not [*tmp_path.iterdir()]
