"""Reports of runs: one page of HTML with all in it, to be handed to whoever asks how it went."""

import base64
import platform
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from html import escape
from itertools import groupby
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import symgen
from symgen._files import read_text, read_toml
from symgen.experiments.builders import FROM_DATA
from symgen.experiments.datasets import OwnImageData, RecordingData, data_to_json
from symgen.experiments.presets import preset
from symgen.experiments.runs import OpenRun
from symgen.experiments.summaries import OWN, SUMMARY, main_summary
from symgen.experiments.verdict import addressed, worst_and_best
from symgen.models.pretrained import weights_step
from symgen.training.progress import duration

__all__ = ["Shown", "report_page", "require_summary"]

_PLACES = ("root", "data", "cache", "download", "kind")
_SHARES = {"validation": "share for validation", "test": "share for the test"}
_LISTED = 30  # classes
_TONES = (("Yes", "yes"), ("In part", "part"), ("No", "no"))


class Shown(NamedTuple):
    """A picture of a report.

    Attributes:
        path: PNG file.
        title: above it.
        alt: what it shows, for those who do not see it.
        caption: what to look for.
    """

    path: Path
    title: str
    alt: str
    caption: str


def require_summary(run: OpenRun) -> dict[str, Any]:
    """Return the summary of a run's evaluation.

    Of weights that come with the package it is what the user has measured, or else what the
    package says of them.

    Raises:
        ValueError: in one line with the command to give, if it was never evaluated, or not with
            these weights, or its summary lacks something.
    """
    best = " --best" if run.best else ""
    mend = f"symgen evaluate {shlex.quote(str(run.folder))}{best}"
    own = (run.summaries / SUMMARY).exists()
    path = (run.summaries if own else run.weights) / SUMMARY
    summary = main_summary(path.parent)
    if summary is None:
        there = path.exists()
        why = f"its {SUMMARY} is damaged" if there else "it was never evaluated"
        raise ValueError(f"{run.folder} has nothing to report, {why}: run {mend}")
    step = weights_step(run.weights)
    if step is not None and summary["step"] != step:
        raise ValueError(
            f"{run.folder} was evaluated at step {summary['step']}, its weights are of step "
            f"{step}: run {mend}"
        )
    try:  # all that a report says of it
        _measures(run, summary["evaluation"])
        _by_recording(summary["evaluation"])
        run.family.counted(summary["evaluation"])
        _training(run, summary)
        _again(run, summary)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        lacks = isinstance(error, KeyError)
        what = f"it lacks {error}" if lacks else repr(error)
        raise ValueError(f"{path} is damaged or of another version, {what}: run {mend}") from error
    return summary


def report_page(run: OpenRun, summary: Mapping[str, Any], pictures: Sequence[Shown]) -> str:
    """Return a report as HTML that needs neither a network nor other files.

    Args:
        summary: what `require_summary` returned.
        pictures: what to show of the model and of its training.
    """
    measured = summary["evaluation"]
    about = read_toml("families/cards.toml", __name__)[run.family.name]
    subtitle = f"{run.kind.__name__}: {about['described']}"
    body = [
        _verdict(run, measured),
        _section("Pictures", *map(_figure, pictures)) if pictures else "",
        _section("Measures", _measures(run, measured), _by_recording(measured)),
        _section("Data", _data(run)),
        _section("Training", _training(run, summary)),
        _section("Settings", _settings(run)),
        _section("Limits", "<ul>", *_limits(run, about["limits"]), "</ul>"),
        _section("How to run it again", _again(run, summary)),
    ]
    return Template(read_text("report.html", __name__)).substitute(
        title=escape(f"Report of {run.name}"),
        subtitle=escape(subtitle),
        body="\n".join(filter(None, body)),
        footer=escape(f"Written by symgen {symgen.__version__}: symgen report {run.folder}"),
    )


# --- what it means -----------------------------------------------------------------------------


def _verdict(run: OpenRun, measured: Mapping[str, Any]) -> str:
    """Put the answer first."""
    said = measured.get("verdict") or run.family.verdict(measured)
    lines = addressed(map(str, said), run.folder)
    first, *rest = lines or ["There is no verdict on a model of this kind: see the measures."]
    question, mark, answer = first.partition("? ")
    tone = next((tone for word, tone in _TONES if answer.startswith(word)), "")
    parts = [f"<h2>{escape(question + mark.strip())}</h2>" if mark else "<h2>In short</h2>"]
    parts.append(f'<p class="answer">{escape(answer or first)}</p>')
    for points, group in groupby(rest, key=lambda line: line.startswith(" ")):
        tag = "li" if points else "p"
        body = "".join(f"<{tag}>{escape(line.strip())}</{tag}>" for line in group)
        parts.append(f"<ul>{body}</ul>" if points else body)
    parts.append(f'<p class="quiet">{escape(_basis(run, measured))}</p>')
    return f'<section class="verdict {tone}">{"".join(parts)}</section>'


def _basis(run: OpenRun, measured: Mapping[str, Any]) -> str:
    weights = run.progress or "weights of the end of the training"
    return f"Measured on what was held out: {run.family.counted(measured)}; {weights}."


def _measures(run: OpenRun, measured: Mapping[str, Any]) -> str:
    """Make the table of all measures, with what each means and what fools it."""
    told = read_toml("report.toml", __name__).get(run.family.name, [])
    rows = []
    for name, value, reference in run.family.rows(run.arguments, measured):
        fits = (each for each in told if each["row"] in name)
        entry = next(fits, {"means": "A measure of your own.", "fooled": ""})
        rows.append((name, value, reference, entry["means"], entry["fooled"]))
    titles = ("measure", "value", "compare with", "what it means", "what fools it")
    caption = f"Likelihoods are in nats {measured['nats']}"
    return _table(titles, rows, caption, numbers=(1,), shared=(3, 4))


def _by_recording(measured: Mapping[str, Any]) -> str:
    ranked = worst_and_best(measured)
    if not ranked:
        return ""
    rows = [
        (name, str(measured["recordings"][name]["clips"]), f"{-less:+.1f} %".replace("-", "−"))
        for name, less in ranked
    ]
    titles = ("recording", "clips", "squared error, against the nearest seen frame's")
    caption = "Unseen frames of recordings, worst first"
    return _table(titles, rows, caption, numbers=(1, 2))


# --- what was done -----------------------------------------------------------------------------


def _data(run: OpenRun) -> str:
    """Describe the data, their scale, and how they were split."""
    if run.data is None:
        return "<p>It was trained from Python on data that no file names.</p>"
    values = data_to_json(run.data)
    shown = [(name, value) for name, value in values.items() if name not in _PLACES]
    rows = [("kind", run.data.kind)]
    if isinstance(run.data, RecordingData):
        rows.append(("recordings", str(values["data"])))
        rows += [
            (f"split: {split}", f"{len(names):,} recordings or pieces of them")
            for split, names in run.config.get("split", {}).items()
        ]
    if isinstance(run.data, OwnImageData):
        rows += [("images", str(values["data"])), *_of_images(run.data)]
    rows += [(_SHARES.get(n, n.replace("_", " ")), _told(v)) for n, v in shown if v is not None]
    return _table(("data", "as"), rows, "What it was trained on, and how it is read")


def _of_images(data: OwnImageData) -> Iterator[tuple[str, str]]:
    """Count images, and labels, of every split and class."""
    source, _ = data.open_any(None)
    splits, labels = source.splits[source.numbers], source.classes_of[source.numbers]
    for number, split in enumerate(("train", "validation", "test")):
        mine = labels[splits == number]
        yield f"split: {split}", f"{len(mine):,} images, {int((mine >= 0).sum()):,} with a label"
    for number, name in [*enumerate(source.class_names)][:_LISTED]:
        yield f"class {name}", f"{int((labels == number).sum()):,}"


def _training(run: OpenRun, summary: Mapping[str, Any]) -> str:
    config, last = run.config, summary.get("training") or {}
    done = f"{last['examples']:,} of {run.training.examples:,}" if "examples" in last else "?"
    rows = [
        (run.family.examples, done),
        ("time", duration(last["seconds"]) if "seconds" in last else "not on record"),
        ("hardware", config["hardware"]),
        ("precision", config["precision"]),
        ("commit of symgen", config["commit"] or "unknown"),
        ("evaluated with", f"{summary['evaluated']['hardware']}"),
        ("evaluated by commit", summary["evaluated"]["commit"] or "unknown"),
        ("this report", f"symgen {symgen.__version__}, Python {platform.python_version()}"),
    ]
    rows += [(n, _told(config[n])) for n in ("start", "extended") if n in config]
    return _table(("training", "was"), rows, "Where and how long it was trained")


def _settings(run: OpenRun) -> str:
    """List what is not as the preset has it, or as by default."""
    options = {n: v for n, v in run.arguments.items() if n not in FROM_DATA}
    here = {"model": options, "training": asdict(run.training)}
    try:
        experiment = preset(run.config["name"] or "").experiment
    except ValueError:
        rows = [(f"{part}: {name}", _told(v)) for part, n in here.items() for name, v in n.items()]
        return _table(("setting", "value"), rows, "All settings: it was started from no preset")
    there = {"model": experiment.model, "training": asdict(experiment.training)}
    if run.data is not None:
        data = {"data": (data_to_json(run.data), data_to_json(experiment.data))}
        here["data"], there["data"] = data["data"]
    rows = [
        (f"{part}: {name.replace('_', ' ')}", _told(value), _told(there[part].get(name)))
        for part, settings in here.items()
        for name, value in settings.items()
        if name not in _PLACES and _told(value) != _told(there[part].get(name))
    ]
    if not rows:
        return f"<p>All settings are those of the preset {escape(run.config['name'])}.</p>"
    titles = ("setting", "here", f"preset {run.config['name']}")
    return _table(titles, rows, "What is not as in the preset; all else is")


def _again(run: OpenRun, summary: Mapping[str, Any]) -> str:
    measured, folder = summary["evaluation"], shlex.quote(str(run.folder))
    best = " --best" if run.best else ""
    size = f"--examples {measured['examples']} --samples {measured['samples']}"
    lines = [
        run.config["command"] or "# trained from Python, by symgen.fit",
        f"symgen evaluate {folder}{best} {size} --seed {measured['seed']}",
        *(f"symgen {verb} {folder}" for verb in run.family.verbs if verb != "control"),
        f"symgen report {folder}{best}",
    ]
    given = ""
    if summary["evaluated"].get("data", OWN) != OWN:
        given = "<p>It was evaluated on data given from Python, which no command names.</p>"
    return f"<pre><code>{escape(chr(10).join(lines))}</code></pre>{given}"


def _limits(run: OpenRun, told: str) -> Iterator[str]:
    """Turn the limits of a model card into points."""
    for point in " ".join(told.split()).split("* "):
        if point.strip():
            yield f"<li>{escape(point.strip())}</li>"
    if isinstance(run.data, RecordingData):
        yield (
            "<li>The roll prediction assumes steady motion that comes full circle with the "
            "capsule: recordings that stop, turn or run on are predicted as if they did not.</li>"
        )


# --- HTML --------------------------------------------------------------------------------------


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{escape(title)}</h2>\n{chr(10).join(parts)}\n</section>"


def _figure(shown: Shown) -> str:
    content = base64.b64encode(shown.path.read_bytes()).decode()
    image = f'<img alt="{escape(shown.alt)}" src="data:image/png;base64,{content}">'
    caption = f"<strong>{escape(shown.title)}.</strong> {escape(shown.caption)}"
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


def _table(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str,
    numbers: Sequence[int] = (),
    shared: Sequence[int] = (),
) -> str:
    """Make a table whose columns of `numbers` are not broken.

    Cells of the columns that are `shared` span the rows in which all of them are the same.
    """
    pairs = ' class="pairs"' if len(titles) < 4 else ""
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    lines = []
    for _, group in groupby(rows, key=lambda row: [row[place] for place in shared] or row):
        several = [*group]
        for first, row in enumerate(several):
            cells = [f'<th scope="row">{escape(row[0])}</th>']
            for place, cell in enumerate(row[1:], 1):
                about = ' class="number"' if place in numbers else ""
                if place in shared:
                    about = f' rowspan="{len(several)}"'
                if place not in shared or not first:
                    cells.append(f"<td{about}>{escape(cell)}</td>")
            lines.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll"><table{pairs}><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _told(value: Any) -> str:
    """Say a setting in words."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_told(each)}" for name, each in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_told, value)) or "none"
    return str(value)
