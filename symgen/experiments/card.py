"""Model cards: what weights are, how they were trained and measured, in the form of the hub."""

import json
import re
import shlex
from pathlib import Path
from string import Template
from typing import Any

from huggingface_hub import ModelCardData

from symgen._files import read_json, read_text, read_toml, write_atomically
from symgen.experiments.citation import citation
from symgen.experiments.runs import OpenRun
from symgen.models import ProgramFormat, TorusVAE
from symgen.training import last_record
from symgen.training.run_folder import METRICS

_PLACES = ("root", "data", "cache", "download")  # of files on the machine of the training
_OPTIONS = ("--root", "--data", "--cache", "--out")


_PROGRAMS = {
    None: "",
    "torch": """
Or, with torch alone,

```python
import torch

encode = torch.export.load("encoder.pt2").module()
decode = torch.export.load("decoder.pt2").module()
$programs
```""",
    "onnx": """
Or, with onnxruntime alone, on numpy arrays,

```python
import onnxruntime

encode, decode = map(onnxruntime.InferenceSession, ("encoder.onnx", "decoder.onnx"))
$onnx
```""",
}


_UNLICENSED = """Not stated: whoever publishes the weights chooses. Write it here, and in the head
of this page as `license:`. The data of the training may have terms of their own."""


def write_card(
    run: OpenRun,
    folder: Path,
    format: ProgramFormat | None = "torch",
    licence: str | None = None,
    place: str = "FOLDER",
) -> Path:
    """Write `README.md`, the model card of a run, next to exported weights, and return its path.

    The results are those of the run's `summary.json`; without one the card says so.

    Args:
        run: the run.
        folder: where the weights are.
        format: of the exported programs, whose use the card shows; None for weights alone.
        licence: of the weights, as the hub writes it, such as "apache-2.0"; None leaves it to
            whoever publishes them, and says where to write it.
        place: what `from_pretrained` is given to load them.
    """
    told = read_toml("families/cards.toml", __name__)[run.family.name]
    if run.kind is TorusVAE:  # which has latents and no time to act in
        told["acting"] = told["acting"].splitlines()[0]
    tags = ["symgen", "generative-model", "variational-autoencoder", "equivariance", told["tag"]]
    header = ModelCardData(license=licence, library_name="symgen", tags=tags).to_yaml()
    page = read_text("card.md", __name__).replace("$programs", _PROGRAMS[format])
    text = Template(page).substitute(
        told,
        header=header,
        name=_escaped(run.name),
        kind=run.kind.__name__,
        place=place,
        hint="  # or its id on the hub, owner/name" if place == "FOLDER" else "",
        licence=_UNLICENSED if licence is None else f"{licence}, as symgen itself.",
        arguments=json.dumps(run.arguments, indent=2),
        training=_training(run),
        results=_results(run),
        bibtex=citation(run).strip(),
    )
    path = folder / "README.md"
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))
    return path


def _training(run: OpenRun) -> str:
    config, last = run.config, last_record(run.folder / METRICS)
    data = config["data"] or {"kind": "not named in a file"}
    shown = {name: value for name, value in data.items() if name not in _PLACES}
    rows = [
        ("command", f"`{_shared(config['command'] or 'symgen.fit')}`"),
        ("commit", config["commit"] or "unknown"),
        (run.family.examples, f"{last['examples']:,} of {run.training.examples:,}"),
        ("weights", run.progress or "at the end of the training"),
        ("seconds", f"{last['seconds']:,.0f}"),
        ("hardware", config["hardware"]),
        ("precision", config["precision"]),
    ]
    return (
        f"{_table(('', ''), rows)}\nData and settings of the training:\n\n```json\n"
        f"{json.dumps({'data': shown, 'training': config['training']}, indent=2)}\n```"
    )


def _results(run: OpenRun) -> str:
    path = run.weights / "summary.json"
    if not path.is_file():
        return "This run was not measured: `symgen evaluate` does it."
    summary: dict[str, Any] = read_json(path)
    try:
        measured, evaluated = summary["evaluation"], summary["evaluated"]
        rows = list(run.family.rows(run.arguments, measured))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is damaged ({error!r}): symgen evaluate {run.folder} writes it anew"
        ) from error
    verdict = "".join(f"\n\n{line.strip()}" for line in measured.get("verdict", ()))
    return (
        f"{_table(('measure', 'value', 'reference'), rows)}\n"
        f"On held-out data: {run.family.counted(measured)}, seed {measured['seed']}, commit "
        f"{evaluated['commit'] or 'unknown'}, {evaluated['hardware']}.{verdict}"
    )


def _escaped(text: str) -> str:
    """Return text that Markdown and HTML show as it is, in one line."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", " ".join(text.split()))


def _shared(command: str) -> str:
    """Return a command for others to read: without paths of this machine, and as plain code."""
    words = shlex.split(command)
    for place, word in enumerate(words):
        option, is_one, _ = word.partition("=")
        if option in _OPTIONS and is_one:
            words[place] = f"{option}=PATH"
        elif word in _OPTIONS and place + 1 < len(words):
            words[place + 1] = "PATH"
    return shlex.join(words).replace("`", "'").replace("\n", " ")


def _table(header: tuple[str, ...], rows: list[Any]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)
