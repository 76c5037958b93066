"""Forecasts as films: what was given of sequences, then what is forecast."""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from symgen.figures import _canvas

__all__ = ["forecast_gif"]

_PAUSE = 5  # times as long as other frames
_LEAST = 100  # pixels of a column


def forecast_gif(
    given: Tensor | Sequence[Tensor],
    forecast: Tensor,
    path: Path | str,
    titles: Sequence[str] | None = None,
    truth: Tensor | None = None,
    note: str = "",
    milliseconds: int = 120,
) -> None:
    """Write sequences as a GIF that loops for ever: first what was given, then what is forecast.

    Forecast frames have an orange border and are numbered from 1, given ones up to 0. The last
    frame of either stays longer.

    Args:
        given: the last frames that are known `(n, L, channels, height, width)` in [0, 1]; or a
            list `(L, channels, height, width)` of each, of which shorter ones begin later.
        forecast: the frames after them, `(n, H, channels, height, width)`.
        path, titles: GIF file to write, and a caption for every sequence.
        truth: what the frames that are forecast really were, to be shown below them.
        note: text for the right of the last line.
        milliseconds: time that a frame stays, a multiple of 10.

    Example:
        >>> import tempfile
        >>> given, forecast = torch.rand(2, 6, 1, 16, 16), torch.rand(2, 9, 1, 16, 16)
        >>> forecast_gif(given, forecast, Path(tempfile.mkdtemp()) / "two.gif", ["one", "other"])
    """
    target = _canvas.check_path(path, ".gif")
    _canvas.check_duration(milliseconds)
    form = "all as (n, frames, channels, height, width)"
    given, begins = _ending_together(given)
    parts = {"given": given, "forecast": forecast} | ({} if truth is None else {"truth": truth})
    for name, frames in parts.items():
        _canvas.check_images(form, 5, **{name: frames})
    _canvas.check_images(form, 4, **{name: frames[:, 0] for name, frames in parts.items()})
    if truth is not None and truth.shape != forecast.shape:
        raise ValueError(
            f"truth {tuple(truth.shape)}, forecast {tuple(forecast.shape)}: give as many frames"
        )
    titles = [""] * len(given) if titles is None else titles
    _canvas.check_titles(titles, len(given))
    pixels = _canvas.to_pixels(torch.cat([given, forecast], 1))  # (n, L + H, height, width, 3)
    true = pixels[:0] if truth is None else _canvas.to_pixels(torch.cat([given, truth], 1))
    columns = math.ceil(math.sqrt(len(pixels)))
    rows, size, gap = -(-len(pixels) // columns), 14, 10
    scale = -(-max(64, 320 // columns) // max(pixels.shape[2:4]))
    height, width = scale * pixels.shape[2], scale * pixels.shape[3]
    titled = (size + gap) * any(titles)
    column = max(width, _LEAST) + gap
    titles = [_canvas.shortened(title, size, column - gap) for title in titles]
    lefts = _canvas.spaced(gap, columns, column)
    cell = height if truth is None else 2 * height + gap
    tops = _canvas.spaced(gap + titled, rows, cell + gap + titled)
    whole = columns * column + gap, tops[-1] + cell + 3 * size
    _canvas.check_room(whole[0] * whole[1] * pixels.shape[1])
    moments = []
    for index in range(pixels.shape[1]):
        step = index - given.shape[1] + 1
        picture = _canvas.Picture(*whole)
        for number, title in enumerate(titles):
            x, y = lefts[number % columns], tops[number // columns]
            picture.text(x, y - gap // 2, title, size, "ld")
            if step > 0:
                edges = (x - 3, y - 3, x + width + 2, y + height + 2)
                picture.draw.rectangle(edges, _canvas.ACCENT)
            if index < begins[number]:
                continue
            picture.paste(pixels[number : number + 1, index : index + 1], scale, [x], [y])
            if len(true):
                below = [y + height + gap]
                picture.paste(true[number : number + 1, index : index + 1], scale, [x], below)
        # The number is part of every picture: the encoder would merge two equal ones into one.
        said, ink = f"given {step}".replace("-", "−"), _canvas.MUTED
        if step > 0:
            said, ink = f"forecast {step}" + ", true frame below" * bool(len(true)), _canvas.ACCENT
        if note:
            right = whole[0] - gap
            picture.text(right, picture.image.height - size, note, size, "rm", _canvas.MUTED)
        picture.text(gap, picture.image.height - size, said, size, "lm", ink)
        moments.append(picture.image)
    stays = [milliseconds] * len(moments)
    stays[given.shape[1] - 1] = stays[-1] = _PAUSE * milliseconds
    _canvas.write_gif(target, moments, stays)


def _ending_together(given: Tensor | Sequence[Tensor]) -> tuple[Tensor, list[int]]:
    """Put sequences into one batch; return for each at which place its first frame is."""
    if isinstance(given, Tensor):
        return given, [0] * len(given)
    for frames in given:
        _canvas.check_images("each as (frames, channels, height, width)", 4, given=frames)
    longest = max(map(len, given))
    padded = given[0].new_zeros(len(given), longest, *given[0].shape[1:])
    for row, frames in zip(padded, given, strict=True):
        row[longest - len(frames) :] = frames
    return padded, [longest - len(frames) for frames in given]
