"""The page of a Topographic VAE."""

from typing import Any

import gradio as gr

from symgen.explorer import rolling_views as views
from symgen.explorer.events import Events, blocks_for, message
from symgen.explorer.exhibit import Exhibit
from symgen.explorer.pictures import text
from symgen.explorer.rolling import Clip, farthest_roll
from symgen.explorer.uploads import SUFFIXES, Dropped, read_clips

__all__ = ["rolling_page"]

_ALL = "all capsules"
_TICK = 0.125  # seconds between two pictures of a moving roll
_KEEP = 3600.0  # seconds that somebody's clip is kept


class _Rolling:
    """What the page computes; all that it keeps between two events is a clip."""

    def __init__(self, exhibit: Exhibit) -> None:
        self.model, self.mean = exhibit.model, exhibit.mean
        self.clips = {
            title: Clip(self.model, x, self.mean, f"{exhibit.origin.capitalize()}.")
            for title, x in zip(exhibit.titles, exhibit.items, strict=True)
        }
        self.titles = list(self.clips)
        self.farthest = farthest_roll(self.model)

    def stage(self, clip: Clip, steps: float, capsule: str) -> str:
        return views.stage(self.model, clip, steps, self._number(capsule))

    def shown(self, clip: Clip, steps: float, capsule: str) -> tuple[Any, ...]:
        """Show another clip: all that depends on it."""
        stage = self.stage(clip, steps, capsule)
        return clip, stage, views.strips(self.model, clip), views.errors(clip), message(clip.told)

    def chosen(self, title: str, steps: float, capsule: str) -> tuple[Any, ...]:
        return self.shown(self.clips[title], steps, capsule)

    def dropped(
        self, paths: list[str] | None, axes: str, steps: float, capsule: str
    ) -> tuple[Any, ...]:
        """Take what somebody dropped, the first clip of it."""
        found = read_clips(paths or [], self.model, axes)
        clip = self.clip(found[0])
        more = f"; {len(found) - 1} more follow in it" if len(found) > 1 else ""
        clip.told += more
        return self.shown(clip, steps, capsule)

    def clip(self, dropped: Dropped) -> Clip:
        return Clip(self.model, dropped.x, self.mean, f"Your own clip: {dropped.title}")

    def advance(self, clip: Clip, steps: float, capsule: str, speed: float) -> tuple[float, str]:
        """Roll on by what a tick of the clock is at a speed."""
        steps = round((steps + speed * _TICK) % self.farthest, 3)
        return steps, self.stage(clip, steps, capsule)

    def transfer(self, clip: Clip, frame: int, target: tuple[str, Clip]) -> str:
        """Apply the roll that is inferred from a clip to a target, which has a name."""
        name, other = target
        return views.transfer(self.model, clip, int(frame), other, name)

    def transfer_to(self, clip: Clip, frame: int, title: str) -> tuple[Any, ...]:
        target = title, self.clips[title]
        return target, self.transfer(clip, frame, target), message("")

    def transfer_to_own(
        self, clip: Clip, frame: int, path: str | None, axes: str
    ) -> tuple[Any, ...]:
        target = "your own", self.clip(read_clips([path] if path else [], self.model, axes)[0])
        return target, self.transfer(clip, frame, target), message(target[1].told)

    def alike(self) -> str:
        """Name a sequence that moves as the first one does, or the last one."""
        first, *others = self.titles
        kind = first.partition(",")[0]
        return next((title for title in others if title.startswith(f"{kind},")), self.titles[-1])

    def _number(self, capsule: str) -> int | None:
        return None if capsule == _ALL else int(capsule.split()[-1])


def rolling_page(exhibit: Exhibit) -> gr.Blocks:
    """Make the page of a Topographic VAE."""
    rolling = _Rolling(exhibit)
    first = rolling.clips[rolling.titles[0]]
    about = (
        f"{type(exhibit.model).__name__}, {exhibit.model.capsules} capsules of "
        f"{exhibit.model.units} units, sequences of {exhibit.model.frames} frames"
    )
    with blocks_for(exhibit.name) as page:
        gr.HTML(f"<h1>{text(exhibit.name)}</h1><p>{text(about)}</p>", elem_id="title")
        clip = gr.State(first, time_to_live=_KEEP)
        with gr.Row():
            controls = _Controls(rolling)
            with gr.Column(scale=3, min_width=320):
                stage = gr.HTML(rolling.stage(first, 0.0, _ALL), elem_id="stage")
        with gr.Tabs():
            with gr.Tab("Frames"):
                strips = gr.HTML(views.strips(exhibit.model, first), elem_id="strips")
            with gr.Tab("Errors by frame"):
                errors = gr.HTML(views.errors(first), elem_id="errors")
            if _has_transfer(exhibit.model):
                with gr.Tab("Transfer the roll"):
                    _transfer(rolling, clip, controls)
        everything = [clip, stage, strips, errors, controls.told]
        _connect(rolling, controls, clip, stage, everything)
    return page


class _Controls:
    """The controls of the page, in the order in which the tabulator visits them."""

    def __init__(self, rolling: _Rolling) -> None:
        with gr.Column(scale=1, min_width=300, elem_id="controls"):
            self.roll = gr.Slider(
                0,
                rolling.farthest,
                0,
                step=0.05,
                label="Roll, in frames",
                elem_id="roll",
            )
            self.play = gr.Button("Play", variant="primary", elem_id="play", size="md")
            self.speed = gr.Slider(0.5, 10, 4, step=0.5, label="Frames a second", elem_id="speed")
            choices = [_ALL, *(f"capsule {n}" for n in range(rolling.model.capsules))]
            self.capsule = gr.Dropdown(choices, value=_ALL, label="What rolls", elem_id="capsule")
            self.choice = gr.Dropdown(
                rolling.titles, value=rolling.titles[0], label="Sequence", elem_id="choice"
            )
            self.files = gr.File(
                label="Or drop a clip: GIF, MP4, npz, PNGs",
                file_count="multiple",
                file_types=list(SUFFIXES),
                height=150,
                elem_id="files",
            )
            with gr.Accordion("Axes of an array", open=False):
                self.axes = gr.Textbox(
                    label="By letters, such as TYXC, where they are not plain", elem_id="axes"
                )
            first = rolling.clips[rolling.titles[0]]
            self.told = gr.HTML(message(first.told), elem_id="told")
            self.clock = gr.Timer(_TICK, active=False)


def _has_transfer(model: Any) -> bool:
    """Tell whether rolls can be inferred from a clip: of cyclic capsules, in time."""
    return model.frames > 1 and model.topography.capsule_boundary == "cyclic"


def _transfer(rolling: _Rolling, clip: gr.State, controls: _Controls) -> None:
    """Add the part that applies the roll inferred from the clip to another image."""
    start = rolling.model.frames // 3 or 1
    title = rolling.alike()
    target = gr.State((title, rolling.clips[title]), time_to_live=_KEEP)
    with gr.Row():
        frame = gr.Slider(
            1,
            rolling.model.frames - 1,
            start,
            step=1,
            label="Infer the roll from frame 0 to frame",
            elem_id="frame",
        )
        other = gr.Dropdown(rolling.titles, value=title, label="Apply it to", elem_id="other")
        file = gr.File(
            label="Or to an image or clip of your own",
            file_types=list(SUFFIXES),
            height=150,
            elem_id="target",
        )
    told = gr.HTML(message(""), elem_id="transfer-told")
    first = rolling.clips[rolling.titles[0]]
    shown = gr.HTML(rolling.transfer(first, start, target.value), elem_id="transfer")
    events, everything = Events(told), [target, shown, told]
    for event in (frame.input, clip.change):
        events.on(event, rolling.transfer, [clip, frame, target], [shown])
    events.on(other.input, rolling.transfer_to, [clip, frame, other], everything)
    given = [clip, frame, file, controls.axes]
    events.on(file.upload, rolling.transfer_to_own, given, everything)


def _connect(
    rolling: _Rolling, controls: _Controls, clip: gr.State, stage: gr.HTML, everything: list[Any]
) -> None:
    """Say what each control does."""
    events = Events(controls.told)
    view = [controls.roll, controls.capsule]
    moved = controls.roll.input, controls.capsule.input
    events.on(moved, rolling.stage, [clip, *view], [stage])
    events.on(controls.choice.input, rolling.chosen, [controls.choice, *view], everything)
    given = [controls.files, controls.axes, *view]
    events.on(controls.files.upload, rolling.dropped, given, everything)
    events.on(controls.axes.submit, rolling.dropped, given, everything)
    moving = gr.State(False)
    controls.play.click(
        lambda moving: (not moving, gr.Timer(active=not moving), "Play" if moving else "Pause"),
        moving,
        [moving, controls.clock, controls.play],
        show_progress="hidden",
        api_visibility="undocumented",
    )
    events.on(
        controls.clock.tick,
        rolling.advance,
        [clip, *view, controls.speed],
        [controls.roll, stage],
        mode="once",
    )
