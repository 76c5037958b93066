"""Model cards: what weights are, how they were trained and measured, in the form of the hub."""

import json
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCardData

from symgen._files import write_atomically
from symgen.experiments.runs import OpenRun
from symgen.training import last_record
from symgen.training.run_folder import METRICS

__all__ = ["write_card"]

_LIMITS = """\
* Trained on nothing but the data named above and for data of the one shape in the arguments.
  Nothing is known of it elsewhere.
* A research model of how latents carry symmetries; not made for decisions about people or safety.
* The exported programs have the batch size open and all other sizes fixed, and do not check the
  range of their input."""
_PLACES = ("root", "data", "cache", "download")  # of files on the machine of the training


def write_card(run: OpenRun, folder: Path) -> Path:
    """Write `README.md`, the model card of a run, beside exported weights.

    The results are those of the run's `summary.json`; a run that was not evaluated has a card
    that says so.

    Args:
        run: what was trained.
        folder: where the weights lie.

    Returns:
        The path of the card.

    Raises:
        ValueError: if the run has no record of its training yet.
    """
    card, kind = run.family.card, run.kind.__name__
    header = ModelCardData(
        license="apache-2.0",
        library_name="symgen",
        tags=[
            "symgen",
            "generative-model",
            "variational-autoencoder",
            "equivariance",
            card.tag,
        ],
    ).to_yaml()
    text = f"""\
---
{header}
---

# {run.name}

`{kind}`, {card.described}, trained with symgen.

## Use

```python
from symgen import {kind}

model = {kind}.from_pretrained("FOLDER")  # or its id on the hub, owner/name
```

or, with torch alone,

```python
import torch

encode = torch.export.load("encoder.pt2").module()
decode = torch.export.load("decoder.pt2").module()
{card.programs}
```

## Arguments of the model

```json
{json.dumps(run.arguments, indent=2)}
```

## Training

{_training(run)}

## Results

{_results(run)}

## Limits

{_LIMITS}{card.limits}

## Citation

```bibtex
{card.bibtex}
```
"""
    path = folder / "README.md"
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))
    return path


def _training(run: OpenRun) -> str:
    config, last = run.config, last_record(run.folder / METRICS)
    data = config["data"] or {"kind": "not named in a file"}
    shown = {name: value for name, value in data.items() if name not in _PLACES}
    rows = [
        ("command", f"`{config['command'] or 'symgen.fit'}`"),
        ("commit", config["commit"] or "unknown"),
        (run.family.examples, f"{last['examples']:,} of {run.training.examples:,}"),
        ("seconds", f"{last['seconds']:,.0f}"),
        ("hardware", config["hardware"]),
        ("precision", config["precision"]),
    ]
    return (
        f"{_table(('', ''), rows)}\nData and settings of the training:\n\n```json\n"
        f"{json.dumps({'data': shown, 'training': config['training']}, indent=2)}\n```"
    )


def _results(run: OpenRun) -> str:
    path = run.folder / "summary.json"
    if not path.is_file():
        return "This run was not measured: `symgen evaluate` does it."
    summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    measured, evaluated = summary["evaluation"], summary["evaluated"]
    rows = list(run.family.rows(run.arguments, measured))
    return (
        f"{_table(('measure', 'value', 'reference'), rows)}\n"
        f"On held-out data: {run.family.counted(measured)}, seed {measured['seed']}, commit "
        f"{evaluated['commit'] or 'unknown'}, {evaluated['hardware']}."
    )


def _table(header: tuple[str, ...], rows: list[Any]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)
