"""Serving the page: on this machine only unless asked, without a call to anywhere else."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from symgen._files import read_text
from symgen.explorer.exhibit import Exhibit
from symgen.explorer.uploads import FILE_LIMIT

__all__ = ["CORES", "running"]

CORES = os.cpu_count() or 1
_OFF = ("GRADIO_ANALYTICS_ENABLED", "GRADIO_RUN_HISTORY", "GRADIO_MCP_SERVER", "GRADIO_SHARE")
_QUEUE = 1_000  # events that wait; more are refused


@contextmanager
def running(exhibit: Exhibit, host: str = "127.0.0.1", port: int | None = None) -> Iterator[str]:
    """Serve the page of an exhibit, and give its address.

    As many events are computed at a time as there are cores, each with one thread; the others
    wait in a queue, in the order in which they came. Files that are dropped lie in a folder of
    this process that is gone at the end.

    Args:
        host: address to listen at; by default nothing but this machine reaches the page.
        port: port to listen at; None for a free one from 7860 on.

    Raises:
        ModuleNotFoundError: if Gradio is not installed.
        OSError: if the address is none of this machine, or the port is taken.
    """
    _require_free(host, port)
    with TemporaryDirectory(prefix="symgen-explorer-") as folder, _quiet(folder):
        gradio = _gradio()
        # Pages import gradio as they are imported themselves, once it has its settings.
        if exhibit.is_ace:
            from symgen.explorer.posing_page import posing_page as page
        else:
            from symgen.explorer.rolling_page import rolling_page as page
        torch.set_num_threads(1)
        blocks = page(exhibit)
        blocks.queue(max_size=_QUEUE, default_concurrency_limit=CORES)
        _, address, _ = blocks.launch(
            server_name=host,
            server_port=port,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            max_file_size=FILE_LIMIT,
            theme=_theme(gradio),
            css=read_text("page.css", __name__),
            head='<meta name="robots" content="noindex">',
        )
        try:
            yield address
        finally:
            blocks.close(verbose=False)


def wait() -> None:
    """Wait until this process is to end."""
    signal.pause()


def _require_free(host: str, port: int | None) -> None:
    """Refuse an address that cannot be listened at, before everything else is loaded."""
    try:
        socket.create_server((host, port or 0)).close()
    except OSError as error:
        place = f"host={host!r}" + ("" if port is None else f", port={port}")
        raise OSError(
            f"{place} cannot be listened at ({error.strerror}): give another, or leave it out"
        ) from error


def _gradio() -> Any:
    """Import Gradio, which reads its settings from the environment then."""
    try:
        import gradio
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "the page is served by gradio, which is not installed: pip install "
            "'symgen[explorer]', or write one file without it by --html FILE"
        ) from error
    return gradio


def _theme(gradio: Any) -> Any:
    """Return a theme whose letters are those of the system: no font is fetched."""
    fonts = ["system-ui", "sans-serif"]
    return gradio.themes.Base(
        primary_hue="blue", neutral_hue="gray", font=fonts, font_mono=["ui-monospace", "monospace"]
    )


@contextmanager
def _quiet(folder: str) -> Iterator[None]:
    """Turn everything of Gradio off that calls elsewhere, and name its folder for uploads."""
    wanted = dict.fromkeys(_OFF, "False") | {"GRADIO_TEMP_DIR": str(Path(folder))}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
