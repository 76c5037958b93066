"""The verb export: what others need to use a trained model."""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from symgen._signals import signals_clean_up
from symgen.cli._options import RunFolder
from symgen.cli._terminal import folder_to_write, print_paths
from symgen.experiments.card import write_card
from symgen.experiments.runs import open_run
from symgen.models import export_model
from symgen.models.pretrained import CONFIG, WEIGHTS, weights_step


def export(folder: RunFolder, /, *, out: Path) -> None:
    """Write a trained model to share: weights, a model card for the hub, programs for torch.

    Args:
        out: Folder to write, new or empty.
    """
    run, there = open_run(folder), out.exists()
    out = folder_to_write(out)
    if any(out.iterdir()):
        raise ValueError(f"{out} is not empty: give --out a new or empty folder")
    model = run.model()
    with signals_clean_up():
        partial = Path(tempfile.mkdtemp(prefix=".partial-export-", dir=out.absolute().parent))
        try:
            model.save_pretrained(partial, step=weights_step(run.folder))
            written = [partial / WEIGHTS, partial / CONFIG, write_card(run, partial)]
            written += export_model(model, partial)
            partial.chmod(out.stat().st_mode)
            partial.replace(out)  # all or nothing: what is half done would block the next
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            with suppress(OSError):  # it is not empty once all has gone well
                if not there:
                    out.rmdir()
    print_paths([out / path.name for path in written])
