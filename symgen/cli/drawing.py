"""The verbs that draw a run: traverse for Topographic VAEs, manifold for ACE."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor
from tyro.conf import Positional, arg

from symgen.cli._terminal import folder_to_write, parse, print_paths, sequence_titles
from symgen.data import Sequences
from symgen.experiments import (
    ACEExperiment,
    Experiment,
    OpenRun,
    SequenceExperiment,
    open_run,
)
from symgen.figures import (
    factored_sheet,
    learning_curves,
    manifold_grid,
    manifold_rows,
    torus_map,
    traversal_gif,
    traversal_strip,
)
from symgen.models import ACE
from symgen.training import read_records

__all__ = ["manifold", "open_ace", "traverse"]


@dataclass(frozen=True)
class _Traverse:
    """Draw what rolling the capsules does, and the learning curves, into RUN/figures.

    Row by row: the given frames (those the first frame's latents cannot see are greyed), their
    reconstruction, and the first frame's capsules rolled step by step and decoded.
    """

    run: Positional[Path]
    """Run folder."""
    examples: int = 4
    """Number of held-out sequences; they cover the factors that move in turn."""
    seed: int = 0
    """Seed of their choice."""
    root: Path | None = None
    """Folder of the image files, or recordings, if they have moved."""


@dataclass(frozen=True)
class _Manifold:
    """Draw the manifolds of an ACE run into RUN/figures, with learning curves.

    manifold.png has a row for each class, in which the first latent runs and all others are 0.
    With two latents or more, manifold-CLASS.png is a grid of the first two. factored.png shows
    test images, the same with their pose factored out, and their reconstruction.
    """

    run: Positional[Path]
    """Run folder."""
    only: Annotated[int | None, arg(name="class")] = None
    """Draw this class alone."""
    points: int | None = None
    """Values of a latent; by default 20 in rows, in grids the middle 7 of 30 as in Fig. 3."""
    range: float | None = None
    """Greatest value of a latent, whose least is minus that; by default 4, in grids 6."""
    root: Path | None = None
    """Folder of the image files, or recordings, if they have moved."""


@torch.no_grad()
def traverse(words: Sequence[str]) -> None:
    """Draw traversals or the torus map, and learning curves."""
    options = parse(_Traverse, "traverse", words)
    run = open_run(options.run, options.root)
    experiment = run.experiment
    if not isinstance(experiment, SequenceExperiment):
        raise ValueError(
            f"{run.folder} is a run of ACE, which has no capsules to roll: draw it with "
            f"symgen manifold {run.folder}, or symgen control {run.folder} test:0 --rotate 30"
        )
    if options.examples < 1:
        raise ValueError(f"examples={options.examples}: draw at least one")
    model = run.model()
    if isinstance(experiment, Experiment) and model.frames == 1:
        images, labels = experiment.data.labelled_images()
        x = images[:, None].float() / 255
        t = model.latents(model.encode(x), sampled=False)[:, 0]
        curves, torus = _draw_curves(run), run.folder / "figures" / "torus.png"
        torus_map(t, x[:, 0], labels, (model.capsules, model.units), torus)
        print_paths([curves, torus])
        return
    frames, titles = _examples(experiment, options.examples, options.seed)
    reconstruction = model.decode(model.latents(model.encode(frames), sampled=False)).mean
    rolled = model.traverse(frames, steps=model.frames)
    seen = model.topography.seen_frames()
    written = [_draw_curves(run)]
    written += [written[0].with_name(name) for name in ("traversal.png", "traversal.gif")]
    traversal_strip(frames, reconstruction, rolled, seen, written[1], titles)
    traversal_gif(frames, reconstruction, rolled, seen, written[2])
    print_paths(written)


def _draw_curves(run: OpenRun) -> Path:
    """Draw the learning curves, which need the folder of the figures as all others do."""
    path = folder_to_write(run.folder / "figures") / "curves.png"
    learning_curves(read_records(run.folder / "metrics.jsonl"), path)
    return path


def _examples(experiment: SequenceExperiment, count: int, seed: int) -> tuple[Tensor, list[str]]:
    """Choose held-out sequences so that the factors take turns."""
    source = experiment.data.source(train=False)
    batch = Sequences(source, min(len(source), 40 * count), seed=seed).batch(0)
    by_factor = [(batch.moved == f).nonzero()[:, 0].tolist() for f in batch.moved.unique()]
    chosen = []
    while len(chosen) < min(count, len(batch.moved)):
        chosen += [indices.pop(0) for indices in by_factor if indices]
    chosen = chosen[:count]
    return batch.frames[chosen], sequence_titles(source, batch.moved[chosen])


def open_ace(folder: Path, root: Path | None) -> tuple[OpenRun, ACEExperiment, ACE]:
    """Open a run of ACE.

    Raises:
        ValueError: if it is a run of a Topographic VAE, for which there is another verb.
    """
    run = open_run(folder, root)
    if not isinstance(run.experiment, ACEExperiment):
        raise ValueError(
            f"{folder} is a run of a Topographic VAE, which has neither classes nor poses: draw "
            f"it with symgen traverse {folder}"
        )
    return run, run.experiment, run.model()


@torch.no_grad()
def manifold(words: Sequence[str]) -> None:
    """Draw manifolds, images without their pose, and learning curves."""
    options = parse(_Manifold, "manifold", words)
    run, experiment, model = open_ace(options.run, options.root)
    classes = range(model.classes)
    if options.only is not None:
        if options.only not in classes:
            raise ValueError(f"class={options.only}: choose one from 0 to {model.classes - 1}")
        classes = [options.only]
    rows, cells = _values(options.points, options.range)
    images = model.manifold(_styles(rows[:, None], model))[list(classes)]
    examples = _one_of_each_class(experiment)
    written = [_draw_curves(run)]
    figures = written[0].parent
    written.append(figures / "manifold.png")
    manifold_rows(images, rows.tolist(), [str(label) for label in classes], written[-1])
    if model.latent_count > 1:
        grid = model.manifold(_styles(torch.cartesian_prod(cells, cells), model))
        grid = grid.unflatten(1, (len(cells), len(cells)))
        for label in classes:
            written.append(figures / f"manifold-{label}.png")
            axis = cells.tolist()
            manifold_grid(grid[label], axis, axis, written[-1], f"class {label}")
    if model.pose is not None:
        written.append(figures / "factored.png")
        factored_sheet(*_factored(model, examples), written[-1])
    print_paths(written)


def _values(points: int | None, greatest: float | None) -> tuple[Tensor, Tensor]:
    """Return the values of a latent in rows and in grids."""
    if points is not None and points < 2:
        raise ValueError(f"points={points}: give two or more")
    if greatest is not None and not 0 < greatest < math.inf:
        raise ValueError(f"range={greatest}: give a positive number, the greatest value")
    end = greatest or 4.0
    rows = torch.linspace(-end, end, points or 20)
    if points is None and greatest is None:  # the middle of an even number is not quite at 0
        return rows, torch.linspace(-6, 6, 30)[12:19]
    return rows, torch.linspace(-end, end, points or 7)


def _styles(values: Tensor, model: ACE) -> Tensor:
    """Return styles whose first latents have these values and whose others are 0."""
    return torch.nn.functional.pad(values, (0, model.latent_count - values.shape[1]))


def _one_of_each_class(experiment: ACEExperiment) -> Tensor:
    """Return the first test image of every class."""
    source = experiment.data.source(train=False)
    labels = source.images.labels
    first = torch.stack([(labels == label).nonzero()[0, 0] for label in labels.unique()])
    return source.make(first, torch.Generator()).images


def _factored(model: ACE, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return images, the same without their pose, and their reconstruction."""
    code = model.latents(model.encode(x), sampled=False)
    # Of several maps the first; feature maps are no picture, so the stem is left out.
    pose = code.pose._replace(affine=code.pose.affine[:, :1])
    canonical = pose.factor_out(x, model.outside).clamp(0, 1)
    return x, canonical, model.decode(code).mean
