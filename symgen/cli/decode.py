"""The verb decode: latents back to frames."""

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Annotated, Any

import torch
from tyro.conf import Positional, arg

from symgen._devices import usable_device
from symgen._files import file_to_write
from symgen._signals import signals_clean_up
from symgen.cli._frames import levels_of, write_frames
from symgen.cli._options import Device, RunFolder
from symgen.cli._terminal import new_file, print_paths, progress, writing_new
from symgen.experiments.latent_files import LatentsFile, open_latents
from symgen.experiments.runs import OpenRun, open_run

_ROWS, _ROOM = 1024, 2**28  # decoded together: rows, or bytes of frames if that is less


def decode(
    folder: RunFolder,
    latents: Annotated[Positional[Path], arg(metavar="LATENTS", help="File of latents.")],
    /,
    *,
    out: Path,
    original_scale: bool = False,
    force: bool = False,
    device: Device = "cpu",
) -> None:
    """Decode latents to frames: the means of the likelihood, row by row.

    Args:
        out: File to write, .npy, of shape (rows, channels, height, width) or (rows, features).
        original_scale: Write values on the scale of the run's recordings.
        force: Replace a file that is there.
    """
    if out.suffix != ".npy":
        raise ValueError(f"out={out}: let the name end in .npy")
    new_file(out, force, latents)
    run = open_run(folder)
    levels = levels_of(run) if original_scale else None
    model = run.model().to(usable_device(device)).eval()
    with open_latents(latents) as file:
        wanted = run.family.decodes(model)
        _require_columns(file, wanted, latents, folder)
        file_to_write(out)
        with writing_new(out, force), signals_clean_up(), progress("decoding") as show:
            size = max(1, min(_ROWS, _ROOM // (4 * prod(model.data_shape))))

            def parts() -> Iterator[torch.Tensor]:
                blocks = _finite(latents, file.blocks([*wanted], size))
                for done, part in _decoded(run, model, blocks):
                    yield part
                    show(done, file.rows, f"row {done:,}")

            write_frames(out, (file.rows, *model.data_shape), parts(), levels)
    print_paths([out])


def _decoded(
    run: OpenRun, model: Any, blocks: Iterator[dict[str, torch.Tensor]]
) -> Iterator[tuple[int, torch.Tensor]]:
    """Decode blocks, and tell the row at which each ends."""
    like, done = next(model.parameters()), 0
    for block in blocks:
        there = {name: values.to(like) for name, values in block.items()}
        with torch.no_grad():
            part = run.family.decoded(model, there).float().cpu()
        done += len(part)
        yield done, part


def _finite(
    path: Path, blocks: Iterator[dict[str, torch.Tensor]]
) -> Iterator[dict[str, torch.Tensor]]:
    """Refuse latents that are not finite, which would become frames that are none."""
    begin = 0
    for block in blocks:
        for name, values in block.items():
            wrong = ~values.reshape(len(values), -1).isfinite().all(1)
            if wrong.any():
                row = begin + int(wrong.nonzero()[0, 0])
                raise ValueError(
                    f"{path} has {name} that is not finite in row {row}: leave it out"
                )
        yield block
        begin += len(next(iter(block.values())))


def _require_columns(
    file: LatentsFile, wanted: dict[str, tuple[int, ...]], path: Path, folder: Path
) -> None:
    for name, shape in wanted.items():
        needed = f"{folder} decodes {', '.join(f'{n} {s}' for n, s in wanted.items())}"
        if name not in file.shapes:
            raise ValueError(f"{path} has no {name}, but {', '.join(file.shapes)}: {needed}")
        if file.shapes[name] != shape:
            raise ValueError(
                f"{path} has {name} of shape {file.shapes[name]} in each of its rows: {needed}"
            )
