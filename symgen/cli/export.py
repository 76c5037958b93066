"""The verb export: what others need to use a trained model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from symgen.cli._terminal import folder_to_write, parse, print_paths
from symgen.experiments.card import write_card
from symgen.experiments.runs import open_run
from symgen.models import export_model

__all__ = ["export"]


@dataclass(frozen=True)
class _Export:
    """Write a trained model to share: weights, a model card for the hub, programs for torch."""

    run: Positional[Path]
    """Run folder."""
    out: Path
    """Folder to write, new or empty."""


def export(words: Sequence[str]) -> None:
    """Write what others need to use a trained model."""
    options = parse(_Export, "export", words)
    run = open_run(options.run)
    out = folder_to_write(options.out)
    if any(out.iterdir()):
        raise ValueError(f"{out} is not empty: give --out a new or empty folder")
    model = run.model()
    model.save_pretrained(out)
    card = write_card(run, out)
    print_paths([out / "model.safetensors", out / "model.json", card, *export_model(model, out)])
