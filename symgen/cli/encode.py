"""The verb encode: the latents of a run's data, for analyses elsewhere."""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from symgen._files import file_to_write, write_atomically
from symgen.cli._options import Data, Device, Root, RunFolder, usable_device
from symgen.cli._terminal import batches_shown, print_paths, progress
from symgen.data.batches import Batches, fitting
from symgen.experiments.encoding import encode_batches
from symgen.experiments.runs import open_run


def encode(
    folder: RunFolder,
    /,
    *,
    out: Path,
    split: Literal["test", "train"] = "test",
    examples: int | None = None,
    root: Root = None,
    data: Data = None,
    device: Device = "cpu",
) -> None:
    """Write the latents of a run's data to a file of arrays, in the order of the items.

    Of a Topographic VAE t (n, S, C, D); of ACE the classes' probabilities, the class, the style
    and the pose as matrix. Factors and labels are written too, where they are known.

    Args:
        out: File to write, .npz.
        split: Held-out data, or those that were trained on.
        examples: How many items; all by default.
    """
    if out.suffix != ".npz":
        raise ValueError(f"out={out}: let the name end in .npz")
    run = open_run(folder, data or root)
    model = run.model().to(usable_device(device))
    source = run.require_data().source(split == "train")
    batches = Batches(source, fitting(source, run.family.batch_size), shuffle=False)
    file_to_write(out)
    with progress("encoding") as show:
        found = encode_batches(model, batches, examples, batches_shown(show))
    arrays: dict[str, Any] = {name: part.numpy() for name, part in found.items()}

    def write(partial: Path) -> None:
        with partial.open("wb") as file:
            np.savez(file, **arrays)

    write_atomically(out, write)
    print_paths([out])
