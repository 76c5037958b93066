"""The verb explore: a page to play with a model, served or as one file."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from symgen._signals import signals_clean_up
from symgen.cli._options import Data, Root
from symgen.cli._terminal import print_paths, say
from symgen.data.options import require_whole
from symgen.explorer import open_exhibit, write_page


def explore(
    place: Annotated[
        Positional[str | None],
        arg(metavar="RUN|MODEL", help="Run folder, or a model; none opens the embedded weights."),
    ] = None,
    /,
    *,
    html: Path | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    root: Root = None,
    data: Data = None,
) -> None:
    """Roll capsules or move poses on a page that answers as you move its sliders.

    The page is served until Ctrl-C, to this machine alone unless --host says otherwise.

    Args:
        html: Write one HTML file that works without server and network instead of serving.
        host: Address to listen at; 0.0.0.0 lets other machines in.
        port: Port to listen at; by default a free one from 7860 on.
    """
    if port is not None:
        require_whole("port", port, 1, 65_535)
    exhibit = open_exhibit(place, data or root)
    if html is not None:
        write_page(exhibit, html)
        print_paths([html])
        return
    from symgen.explorer.server import running, wait

    with signals_clean_up(), running(exhibit, host, port) as address:
        say(f"{address} shows {exhibit.name}; Ctrl-C ends it")
        wait()
