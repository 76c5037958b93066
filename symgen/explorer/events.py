"""Events of the page: computed as many at a time as there are cores, and never a stack trace."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Literal

import gradio as gr

from symgen.explorer.pictures import text
from symgen.explorer.server import CORES

__all__ = ["Events", "blocks_for", "message"]

_KEPT = (60, 600)  # seconds between looks at files that were dropped, and that they are kept


def message(words: str, kind: Literal["status", "alert"] = "status") -> str:
    """Return words as a message that screen readers tell."""
    return f'<p role="{kind}" class="{kind}">{text(words)}</p>'


def blocks_for(title: str) -> gr.Blocks:
    """Begin a page that sends no analytics and forgets what was dropped on it."""
    return gr.Blocks(title=f"symgen: {title}", analytics_enabled=False, delete_cache=_KEPT)


class Events:
    """Connects controls to functions whose errors become a sentence on the page.

    Args:
        told: where the sentence is shown.
    """

    def __init__(self, told: gr.HTML) -> None:
        self.told = told

    def on(
        self,
        event: Callable[..., Any] | Sequence[Callable[..., Any]],
        compute: Callable[..., Any],
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        mode: Literal["always_last", "once", "multiple"] = "always_last",
    ) -> None:
        """Compute on an event.

        Args:
            event: what happens to a control, such as `slider.input`, or to one of several, whose
                results then come in the order of the events.
            compute: is given the values of the inputs, and returns those of the outputs.
            mode: which of the events that come while one is computed wait for their turn: the
                last one, none, or all. Of what an event itself holds the last would be lost.
        """
        says_itself = self.told in outputs
        given = [*outputs] if says_itself else [*outputs, self.told]
        place = given.index(self.told)

        @wraps(compute)
        def told(*values: Any) -> tuple[Any, ...]:
            shown: list[Any] = [gr.skip()] * len(given)  # the rest stays as it is
            try:
                found = compute(*values)
            except (ValueError, OSError, ModuleNotFoundError) as error:
                shown[place] = message(str(error), "alert")
            else:
                shown[: len(outputs)] = found if isinstance(found, tuple) else (found,)
            return tuple(shown)

        gr.on(
            [event] if callable(event) else list(event),
            told,
            list(inputs),
            given,
            show_progress="hidden",
            trigger_mode=mode,
            concurrency_id="model",
            concurrency_limit=CORES,
            api_visibility="undocumented",
        )
