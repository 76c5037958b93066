"""The verb export: what others need to use a trained model."""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from symgen._signals import signals_clean_up
from symgen.cli._options import Best, RunFolder
from symgen.cli._terminal import folder_to_write, print_paths
from symgen.experiments.card import write_card
from symgen.experiments.runs import open_run
from symgen.models import ProgramFormat, export_model
from symgen.models.pretrained import CONFIG, WEIGHTS, weights_step


def export(
    folder: RunFolder, /, *, out: Path, format: ProgramFormat = "torch", best: Best = False
) -> None:
    """Write a trained model to share: weights, a model card for the hub, programs for others.

    Args:
        out: Folder to write, new or empty.
        format: Programs for torch, or for ONNX, which needs symgen[onnx].
    """
    run, there = open_run(folder, best=best), out.exists()
    out = folder_to_write(out)
    if any(out.iterdir()):
        raise ValueError(f"{out} is not empty: give --out a new or empty folder")
    model = run.model()
    with signals_clean_up():
        partial = Path(tempfile.mkdtemp(prefix=".partial-export-", dir=out.absolute().parent))
        try:
            model.save_pretrained(partial, step=weights_step(run.weights))
            written = [partial / WEIGHTS, partial / CONFIG, write_card(run, partial, format)]
            written += export_model(model, partial, format)
            partial.chmod(out.stat().st_mode)
            out.rmdir()  # whose place Windows gives to none
            partial.replace(out)  # all or nothing: what is half done would block the next
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            with suppress(OSError):  # it is not empty once all has gone well
                if not there:
                    out.rmdir()
    print_paths([out / path.name for path in written])
