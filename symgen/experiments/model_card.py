"""Model cards: what weights are, how they were trained and measured, in the form of the hub."""

import json
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCardData

from symgen.experiments.ace import ACEExperiment
from symgen.experiments.measures import counted, measures
from symgen.experiments.runs import OpenRun
from symgen.training import read_records
from symgen.training.checkpoint import write_atomically

__all__ = ["write_card"]

_KELLER = """\
@inproceedings{keller2021topographic,
  title     = {Topographic {VAEs} learn Equivariant Capsules},
  author    = {Keller, T. Anderson and Welling, Max},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {34},
  year      = {2021}
}"""
_GEORGIEV = """\
@article{georgiev2016symmetries,
  title   = {Symmetries and control in generative neural nets},
  author  = {Georgiev, Galin},
  journal = {arXiv preprint arXiv:1511.02841},
  year    = {2016}
}"""
_ACE_PROGRAMS = """\
read = encode(x)  # x (B, channels, height, width): probabilities, y, z, affine and, if any, colour
image = decode(*(read[name] for name in ("z", "y", "affine", "colour") if name in read))"""
_TOPOGRAPHIC_PROGRAMS = """\
t = encode(x)  # x (B, S, channels, height, width) -> t (B, S, C, D)
image = decode(t[:, 0])  # t (B, C, D) -> mean images (B, channels, height, width)"""
_LIMITS = """\
* Trained on nothing but the data named above and for images of the one size in the arguments,
  channel first and with values in [0, 1]. Nothing is known of it elsewhere.
* A research model of how latents carry symmetries; not made for decisions about people or safety.
* The exported programs have the batch size open and all other sizes fixed, and do not check the
  range of their input."""
_TOPOGRAPHIC_LIMITS = """
* Its equivariance is learned, not built in: it holds as far as the results say, for the
  transformations of the training sequences."""
_ACE_LIMITS = """
* It has as many classes as it was trained with, and gives every image one of them."""


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
    is_ace = isinstance(run.experiment, ACEExperiment)
    model = json.loads((run.folder / "model.json").read_text())
    header = ModelCardData(
        license="apache-2.0",
        library_name="symgen",
        tags=[
            "symgen",
            "generative-model",
            "variational-autoencoder",
            "equivariance",
            "ace" if is_ace else "topographic-vae",
        ],
    ).to_yaml()
    kind = model["model"]
    programs = _ACE_PROGRAMS if is_ace else _TOPOGRAPHIC_PROGRAMS
    limits = _LIMITS + (_ACE_LIMITS if is_ace else _TOPOGRAPHIC_LIMITS)
    paper = _GEORGIEV if is_ace else _KELLER
    text = f"""\
---
{header}
---

# {run.name}

{_described(kind, is_ace)}, trained with symgen.

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
{programs}
```

## Arguments of the model

```json
{json.dumps(model["arguments"], indent=2)}
```

## Training

{_training(run, "images" if is_ace else "sequences")}

## Results

{_results(run)}

## Limits

{limits}

## Citation

```bibtex
{paper}
```
"""
    path = folder / "README.md"
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))
    return path


def _described(kind: str, is_ace: bool) -> str:
    if is_ace:
        return (
            f"`{kind}`, a classifier with one auto-encoder per class, behind a pose that is "
            "factored out of the image and in again (Georgiev 2016)"
        )
    return (
        f"`{kind}`, a variational auto-encoder of the family of the Topographic VAE "
        "(Keller & Welling 2021)"
    )


def _training(run: OpenRun, items: str) -> str:
    config = json.loads((run.folder / "config.json").read_text())
    done = [line for line in read_records(run.folder / "metrics.jsonl") if "loss" in line]
    if not done:
        raise ValueError(
            f"{run.folder} has no record of its training in metrics.jsonl: "
            f"let it run on with symgen train --resume {run.folder}"
        )
    last = done[-1]
    settings = config["experiment"]
    data = {name: value for name, value in settings["data"].items() if name not in _PLACES}
    rows = [
        ("command", f"`{config['command']}`"),
        ("commit", config["commit"] or "unknown"),
        (items, f"{last['sequences']:,} of {settings['training']['sequences']:,}"),
        ("seconds", f"{last['seconds']:,.0f}"),
        ("hardware", config["hardware"]),
        ("precision", config.get("precision", settings["training"]["precision"])),
    ]
    return (
        f"{_table(('', ''), rows)}\nData and settings of the training:\n\n```json\n"
        f"{json.dumps({'data': data, 'training': settings['training']}, indent=2)}\n```"
    )


_PLACES = ("root", "data", "cache", "download")  # of files on the machine of the training


def _results(run: OpenRun) -> str:
    path = run.folder / "summary.json"
    if not path.is_file():
        return "This run was not measured: `symgen evaluate` does it."
    summary: dict[str, Any] = json.loads(path.read_text())
    measured = summary["evaluation"]
    rows = measures(run.experiment, measured)
    evaluated = summary["evaluated"]
    return (
        f"{_table(('measure', 'value', 'beside it'), rows)}\n"
        f"On held-out data: {counted(run.experiment, measured)}, seed {measured['seed']}, commit "
        f"{evaluated['commit'] or 'unknown'}, {evaluated['hardware']}."
    )


def _table(header: tuple[str, ...], rows: list[Any]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)
