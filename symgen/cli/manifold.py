"""The verb manifold: the styles of every class of an ACE, and images without their pose."""

from typing import Annotated, Any

import torch
from torch import Tensor
from tyro.conf import arg

from symgen.cli._options import Root, RunFolder
from symgen.cli._terminal import print_paths
from symgen.cli.traverse import draw_curves
from symgen.data.options import require_real, require_whole
from symgen.experiments.runs import OpenRun, open_run
from symgen.figures import factored_sheet, manifold_grid, manifold_rows
from symgen.models import ACE

_MOST = 100  # images in a row


@torch.no_grad()
def manifold(
    folder: RunFolder,
    /,
    *,
    only: Annotated[int | None, arg(name="class")] = None,
    points: int | None = None,
    greatest: Annotated[float | None, arg(name="range")] = None,
    root: Root = None,
) -> None:
    """Draw the manifolds of an ACE run into RUN/figures, with learning curves.

    manifold.png has a row for each class, in which the first latent runs and all others are 0.
    With two latents or more, manifold-CLASS.png is a grid of the first two. factored.png shows
    test images, the same with their pose factored out, and their reconstruction.

    Args:
        only: Draw this class alone.
        points: Values of a latent; by default 20 in rows, in grids the middle 7 of 30 (Fig. 3).
        greatest: Greatest value of a latent, whose least is minus that; by default 4, in grids 6.
    """
    run = open_run(folder, root)
    run.require_verb("manifold")
    model = run.model()
    classes = range(model.classes)
    if only is not None:
        if only not in classes:
            raise ValueError(f"class={only}: choose one from 0 to {model.classes - 1}")
        classes = [only]
    rows, cells = _values(points, greatest)
    images = model.manifold(_styles(rows[:, None], model))[list(classes)]
    examples = _one_of_each_class(run)
    written = [draw_curves(run)]
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
    if points is not None:
        require_whole("points", points, 2, _MOST)
    if greatest is not None:
        require_real("range", greatest, 1e-3, 1e6)
    end = greatest or 4.0
    rows = torch.linspace(-end, end, points or 20)
    if points is None and greatest is None:  # the middle of an even number is not quite at 0
        return rows, torch.linspace(-6, 6, 30)[12:19]
    return rows, torch.linspace(-end, end, points or 7)


def _styles(values: Tensor, model: ACE) -> Tensor:
    """Return styles whose first latents have these values and whose others are 0."""
    return torch.nn.functional.pad(values, (0, model.latent_count - values.shape[1]))


def _one_of_each_class(run: OpenRun) -> Tensor:
    """Return the first test image of every class."""
    source: Any = run.require_data().source(train=False)
    labels = source.images.labels
    first = torch.stack([(labels == label).nonzero()[0, 0] for label in labels.unique()])
    return source.batch(first, torch.Generator()).inputs[0]


def _factored(model: ACE, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return images, the same without their pose, and their reconstruction."""
    latents = model.latents(x)
    # Of several maps the first; feature maps are no picture, so the stem is left out.
    pose = latents.pose._replace(affine=latents.pose.affine[:, :1])
    canonical = pose.factor_out(x, model.padding_mode).clamp(0, 1)
    return x, canonical, model.decode(latents).mean
