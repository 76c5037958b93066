"""The verb report: a run in one page of HTML."""

import tempfile
from pathlib import Path

from symgen._files import file_to_write, write_atomically
from symgen._signals import signals_clean_up
from symgen.cli._options import Best, Data, Root, RunFolder
from symgen.cli._terminal import new_file, print_paths
from symgen.experiments.report import report_page, require_summary
from symgen.experiments.report_pictures import draw_pictures
from symgen.experiments.runs import open_run


def report(
    folder: RunFolder,
    /,
    *,
    out: Path | None = None,
    best: Best = False,
    force: bool = False,
    root: Root = None,
    data: Data = None,
) -> None:
    """Write what a run is and what it has learned as one page of HTML, with its pictures in it.

    The verdict in plain words, pictures, measures with what each means and what fools it, data,
    settings, and the commands to run it again. It shows the evaluation of the most items that
    `symgen evaluate` has made.

    Args:
        out: File to write, .html; by default RUN/report.html, which is replaced; of weights that
            come with the package runs/NAME/report.html.
        force: Replace a file that is there.
    """
    if out is not None and out.suffix not in (".html", ".htm"):
        raise ValueError(f"out={out}: let the name end in .html")
    run = open_run(folder, data or root, best=best)
    path = run.summaries / "report.html" if out is None else out
    if out is not None:
        new_file(out, force)
    summary = require_summary(run)
    with signals_clean_up(), tempfile.TemporaryDirectory() as place:
        page = report_page(run, summary, draw_pictures(run, summary["evaluation"], Path(place)))
    file_to_write(path)
    write_atomically(path, lambda partial: partial.write_text(page, encoding="utf-8"))
    print_paths([path])
