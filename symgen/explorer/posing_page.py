"""The page of an ACE."""

from typing import Any

import gradio as gr
from torch import Tensor

from symgen._files import read_text
from symgen.explorer import posing_views as views
from symgen.explorer.events import Events, blocks_for, message
from symgen.explorer.exhibit import Exhibit
from symgen.explorer.pictures import text
from symgen.explorer.posing import Inferred
from symgen.explorer.uploads import drawn_image, read_picture
from symgen.models import Motion

__all__ = ["posing_page"]

_LIKELIEST = "the most probable class"
_STYLE = 4.0  # farthest style, in deviations of the prior
_STYLE_STEP = 0.05
_STYLES = 16  # sliders of styles, at most
_KEEP = 3600.0  # seconds that somebody's image is kept
_PAD = 6  # pixels of the pad for one of the image
_IMAGES = [".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif"]


class _Posing:
    """What the page computes; all that it keeps between two events is an image with its pose."""

    def __init__(self, exhibit: Exhibit) -> None:
        self.model, self.origin = exhibit.model, f"{exhibit.origin.capitalize()}."
        self.images = dict(zip(exhibit.titles, exhibit.items, strict=True))
        self.titles = list(self.images)
        self.parts = views.parts_of(self.model)
        self.styles = min(_STYLES, self.model.latent_count)

    def chosen(self, title: str, other: str) -> tuple[Any, ...]:
        return self.shown(self.images[title][None], other, self.origin)

    def dropped(self, path: str | None, invert: bool, other: str) -> tuple[Any, ...]:
        if path is None:
            raise ValueError("no image was dropped: choose one")
        canvas = self.model.padding_mode == "background"
        x = read_picture(path, self.model.data_shape, invert, canvas)
        return self.shown(x, other, "Your own image")

    def drawn(self, other: str, event: gr.EventData) -> tuple[Any, ...]:
        x = drawn_image(str(event.image), self.model.data_shape)
        return self.shown(x, other, "What you have drawn")

    def as_class(self, inferred: Inferred, other: str) -> tuple[Any, ...]:
        return self.shown(inferred.x, other, f"Shown as {other}")

    def shown(self, x: Tensor, other: str, told: str) -> tuple[Any, ...]:
        """Show another image: all that depends on it, with the sliders where they belong."""
        label = None if other == _LIKELIEST else int(other.split()[-1])
        inferred = Inferred(self.model, x, label)
        first = (inferred, views.views(inferred), views.chances(inferred), message(told))
        return (*first, *self.inferred(inferred))

    def inferred(self, inferred: Inferred) -> tuple[Any, ...]:
        """Return result, values of all sliders, and marks, as they were inferred."""
        values = [part.clipped(part.value(inferred.motion)) for part in self.parts]
        styles = inferred.latents.z[0, : self.styles]
        styles = [round(max(-_STYLE, min(_STYLE, z)), 2) for z in styles.tolist()]
        marks = [part.mark(inferred.motion) for part in self.parts]
        return self.result(inferred, *values, *styles), "", *values, *styles, *marks

    def result(self, inferred: Inferred, *values: float) -> str:
        return views.result(self.model, inferred, *self._wanted(inferred, values))

    def animation(self, inferred: Inferred, *values: float) -> str:
        return views.animation(self.model, inferred, *self._wanted(inferred, values))

    def _wanted(
        self, inferred: Inferred, values: tuple[float, ...]
    ) -> tuple[Motion | None, Tensor]:
        """Return pose and style of the sliders, what was inferred where they were not moved."""
        moved, styles = values[: len(self.parts)], values[len(self.parts) :]
        style = inferred.latents.z[0].clone()
        for n, value in enumerate(styles):
            if abs(value - float(style[n])) > _STYLE_STEP / 2:
                style[n] = value
        motion = views.motion_of(self.parts, moved, inferred.motion) if self.parts else None
        return motion, style


def posing_page(exhibit: Exhibit) -> gr.Blocks:
    """Make the page of an ACE."""
    posing = _Posing(exhibit)
    model = exhibit.model
    about = f"ACE, {model.classes} classes of {model.latent_count} style latents" + (
        "" if model.pose is None else f", pose: {model.pose.statistics}"
    )
    first = posing.chosen(posing.titles[0], _LIKELIEST)
    with blocks_for(exhibit.name) as page:
        gr.HTML(f"<h1>{text(exhibit.name)}</h1><p>{text(about)}</p>", elem_id="title")
        inferred = gr.State(first[0], time_to_live=_KEEP)
        with gr.Row():
            sources = _Sources(posing)
            with gr.Column(scale=2, min_width=320):
                result = gr.HTML(first[4], elem_id="result")
                with gr.Row():
                    back = gr.Button("Back to inferred", elem_id="back", size="md", min_width=120)
                    make = gr.Button("Make a GIF", elem_id="make", size="md", min_width=120)
                moving = gr.HTML("", elem_id="moving")
                chances = gr.HTML(first[2], elem_id="chances")
            with gr.Column(scale=2, min_width=300, elem_id="sliders"):
                sliders, marks = _sliders(posing, first[6:])
        shown = gr.HTML(first[1], elem_id="views")
        told = sources.told
        inference = [result, moving, *sliders, *marks]
        _connect(posing, sources, inferred, [inferred, shown, chances, told, *inference])
        events = Events(told)
        moved = [slider.input for slider in sliders]
        events.on(moved, posing.result, [inferred, *sliders], [result])
        events.on(back.click, posing.inferred, [inferred], inference)
        events.on(make.click, posing.animation, [inferred, *sliders], [moving])
    return page


class _Sources:
    """Where an image comes from: held-out data, a drawing, or a file."""

    def __init__(self, posing: _Posing) -> None:
        _, height, width = posing.model.data_shape
        with gr.Column(scale=1, min_width=260):
            self.choice = gr.Dropdown(
                posing.titles, value=posing.titles[0], label="Image", elem_id="choice"
            )
            self.pad = gr.HTML(
                html_template=read_text("pad.html", __name__),
                js_on_load=read_text("pad.js", __name__),
                elem_id="pad",
                width=width,
                height=height,
                wide=_PAD * width,
                high=_PAD * height,
            )
            self.file = gr.File(
                label="Or drop an image", file_types=_IMAGES, height=150, elem_id="files"
            )
            self.invert = gr.Checkbox(label="It is dark on light", elem_id="invert")
            classes = [_LIKELIEST, *(f"class {n}" for n in range(posing.model.classes))]
            self.other = gr.Dropdown(classes, value=_LIKELIEST, label="Show as", elem_id="other")
            self.told = gr.HTML(message(posing.origin), elem_id="told")


def _sliders(posing: _Posing, values: tuple[Any, ...]) -> tuple[list[gr.Slider], list[gr.HTML]]:
    """Make the sliders of pose and style, those of the pose with what was inferred marked."""
    count = len(posing.parts) + posing.styles
    sliders, marks = [], []
    for part, value, mark in zip(posing.parts, values, values[count:], strict=False):
        name = part.name.replace(" ", "-")
        with gr.Group():
            slider = gr.Slider(*part.ends, value, step=part.step, label=part.label, elem_id=name)
            sliders.append(slider)
            marks.append(gr.HTML(mark, elem_classes="marks"))
    for n in range(posing.styles):
        value = values[len(posing.parts) + n]
        label = f"Style {n}, deviations"
        slider = gr.Slider(
            -_STYLE, _STYLE, value, step=_STYLE_STEP, label=label, elem_id=f"style-{n}"
        )
        sliders.append(slider)
    return sliders, marks


def _connect(
    posing: _Posing, sources: _Sources, inferred: gr.State, everything: list[Any]
) -> None:
    """Say what choosing, drawing and dropping an image do."""
    events = Events(sources.told)
    other = sources.other
    events.on(sources.choice.input, posing.chosen, [sources.choice, other], everything)
    events.on(sources.pad.submit, posing.drawn, [other], everything, mode="multiple")
    given = [sources.file, sources.invert, other]
    events.on(sources.file.upload, posing.dropped, given, everything)
    events.on(other.input, posing.as_class, [inferred, other], everything)
