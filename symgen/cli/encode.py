"""The verb encode: the latents of a run's data, for analyses elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from tyro.conf import Positional

from symgen._files import write_atomically
from symgen.cli._terminal import batches_shown, parse, print_paths, progress, usable_device
from symgen.data.batches import Batches
from symgen.experiments.encoding import encode_batches
from symgen.experiments.runs import open_run

__all__ = ["encode"]


@dataclass(frozen=True)
class _Encode:
    """Write the latents of a run's data to a file of arrays, in the order of the items.

    Of a Topographic VAE t (n, S, C, D); of ACE the classes' probabilities, the class, the style
    and the pose as matrix. Factors and labels are written too, where they are known.
    """

    run: Positional[Path]
    """Run folder."""
    out: Path
    """File to write, .npz."""
    split: Literal["test", "train"] = "test"
    """Held-out data, or those that were trained on."""
    examples: int | None = None
    """How many items; all by default."""
    root: Path | None = None
    """Folder of the image files, if they have moved."""
    data: Path | None = None
    """Recordings, if they have moved, or what to encode with a run from Python."""
    device: str = "cpu"
    """Where to compute: cpu, cuda."""


@torch.no_grad()
def encode(words: Sequence[str]) -> None:
    """Write latents."""
    options = parse(_Encode, "encode", words)
    if options.out.suffix != ".npz":
        raise ValueError(f"out={options.out}: let the name end in .npz")
    run = open_run(options.run, options.data or options.root)
    model = run.model().to(usable_device(options.device))
    source = run.require_data().source(options.split == "train")
    batches = Batches(source, min(run.family.batch_size, len(source)), shuffle=False)
    with progress("encoding") as show:
        found = encode_batches(model, batches, options.examples, batches_shown(show))
    options.out.parent.mkdir(parents=True, exist_ok=True)

    def write(partial: Path) -> None:
        with partial.open("wb") as file:
            parts: dict[str, Any] = {name: part.numpy() for name, part in found.items()}
            np.savez(file, **parts)

    write_atomically(options.out, write)
    print_paths([options.out])
