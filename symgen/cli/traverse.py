"""The verb traverse: what rolling the capsules of a Topographic VAE does."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from symgen.cli._options import Data, Root, RunFolder
from symgen.cli._terminal import folder_to_write, print_paths, sequence_titles
from symgen.data import Recordings
from symgen.data.batches import Batches, fitting
from symgen.data.options import require_seed, require_whole
from symgen.experiments.runs import OpenRun, open_run
from symgen.experiments.turns import in_turn
from symgen.figures import learning_curves, torus_map, traversal
from symgen.training import read_records
from symgen.training.run_folder import METRICS

_MOST = 100  # sequences
_AT_ONCE = 4  # sequences that are chosen from a batch of 40 times as many


@torch.no_grad()
def traverse(
    folder: RunFolder,
    /,
    *,
    examples: int = 4,
    seed: int = 0,
    root: Root = None,
    data: Data = None,
) -> None:
    """Draw what rolling the capsules does, and the learning curves, into RUN/figures.

    Row by row: the given frames (those the first frame's latents cannot see are greyed), their
    reconstruction, and the first frame's capsules rolled step by step and decoded. Vectors are
    drawn as heat maps over time.

    Args:
        examples: Number of held-out sequences; they cover the factors that move in turn.
        seed: Seed of their choice.
    """
    run = open_run(folder, data or root)
    run.require_verb("traverse")
    require_whole("examples", examples, 1, _MOST)
    require_seed("seed", seed)
    model = run.model()
    if model.frames == 1:
        written = _draw_torus(run, model)
    else:
        frames, titles = _examples(run, examples, seed)
        written = [draw_curves(run)]
        names = ["traversal.png", "traversal.gif"][: 1 if len(model.data_shape) == 1 else 2]
        written += [written[0].with_name(name) for name in names]
        gif = written[2] if len(written) > 2 else None
        traversal(model, frames, written[1], gif=gif, titles=titles)
    print_paths(written)


def draw_curves(run: OpenRun) -> Path:
    """Draw the learning curves, which need the folder of the figures as all others do."""
    path = folder_to_write(run.outputs / "figures") / "curves.png"
    learning_curves(read_records(run.folder / METRICS), path)
    return path


def _draw_torus(run: OpenRun, model: Any) -> list[Path]:
    data: Any = run.require_data()
    if not hasattr(data, "labelled_images"):
        raise ValueError(
            f"{run.folder} was not trained on labelled images: draw its map from Python with "
            "symgen.figures.torus_map(t, None, labels)"
        )
    images, labels = data.labelled_images()
    x = images[:, None].float() / 255
    t = torch.cat([model.latents(part)[:, 0] for part in x.split(500)])
    curves, torus = draw_curves(run), run.outputs / "figures" / "torus.png"
    torus_map(t, x[:, 0], labels, (model.capsules, model.units), torus)
    return [curves, torus]


def _examples(run: OpenRun, count: int, seed: int) -> tuple[Tensor, list[str]]:
    """Choose held-out sequences so that the factors, or the recordings, take turns."""
    source = run.require_data().source(train=False)
    count = min(count, len(source))
    size = fitting(source, 40 * min(count, _AT_ONCE))
    batches = Batches(source, size, seed=seed)
    each = max(min(_AT_ONCE, size), -(-count // len(batches)))
    frames, titles = [], []
    while len(titles) < count:
        batch, items = batches.batch(len(frames)), batches.indices(len(frames))
        recorded = isinstance(source, Recordings)
        named = source.recording_names(items) if recorded else sequence_titles(source, batch)
        chosen = in_turn(named, min(each, count - len(titles)))
        frames.append(batch.inputs[0][chosen])
        titles += [named[index] for index in chosen]
    return torch.cat(frames), titles
