"""The verb export: what others need to use a trained model."""

from pathlib import Path

from symgen.cli._options import RunFolder
from symgen.cli._terminal import folder_to_write, print_paths
from symgen.experiments.card import write_card
from symgen.experiments.runs import open_run
from symgen.models import export_model


def export(folder: RunFolder, /, *, out: Path) -> None:
    """Write a trained model to share: weights, a model card for the hub, programs for torch.

    Args:
        out: Folder to write, new or empty.
    """
    run = open_run(folder)
    out = folder_to_write(out)
    if any(out.iterdir()):
        raise ValueError(f"{out} is not empty: give --out a new or empty folder")
    model = run.model()
    model.save_pretrained(out)
    card = write_card(run, out)
    print_paths([out / "model.safetensors", out / "model.json", card, *export_model(model, out)])
