"""Summaries of evaluations in a run folder: one for each number of items, and the main one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from symgen._files import read_json, write_json

SUMMARY = "summary.json"
OWN = "held out by the run"  # what a summary was measured on


def summary_of(folder: Path, measured: Mapping[str, Any]) -> Path:
    """Return the file of the evaluation of as many items in a run folder."""
    return folder / f"summary-{measured['examples']}.json"


def write_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    """Write the summary of an evaluation, one file for each number of items, and the main one.

    `summary.json`, which the model card shows, is of the weights that were measured last, on what
    the run held out rather than on other data, and of the most items; on a tie it is the newest.
    """
    write_json(summary_of(folder, summary["evaluation"]), summary)
    main = main_summary(folder)
    if main is None or main["step"] != summary["step"] or _rank(summary) >= _rank(main):
        if main is not None and not (kept := summary_of(folder, main["evaluation"])).exists():
            write_json(kept, main)
        write_json(folder / SUMMARY, summary)


def main_summary(folder: Path) -> dict[str, Any] | None:
    """Return what `summary.json` says; None where it is not there or damaged."""
    try:
        main = read_json(folder / SUMMARY)
        _ = main["step"], _rank(main)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return main


def _rank(summary: Mapping[str, Any]) -> tuple[bool, int]:
    """Rank summaries of the same weights."""
    on = summary["evaluated"].get("data", OWN)  # earlier versions did not say
    return on == OWN, int(summary["evaluation"]["examples"])
