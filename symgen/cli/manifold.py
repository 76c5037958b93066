"""The verb manifold: the styles of every class of an ACE, and images without their pose."""

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor
from tyro.conf import arg

from symgen.cli._options import Root, RunFolder
from symgen.cli._terminal import print_paths
from symgen.cli.traverse import draw_curves
from symgen.data.options import require_real, require_whole
from symgen.experiments.foreign import held_out_images, names_of_classes, one_of_each_class
from symgen.experiments.runs import OpenRun, open_run
from symgen.figures import as_pictures, factored_sheet, manifold_grid, manifold_rows
from symgen.models import ACE, canonical_images

_MOST = 100  # images in a row
_LOOKED_AT, _DRAWS, _FEWEST = 1000, 5, 5  # held-out images, styles of each, images of a class
_TAIL = 0.01  # of the styles on either side
Reach = tuple[float, float]


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
    With two latents or more, manifold-CLASS.png is a grid of the first two. They run over the
    styles of held-out images, 98 % of them; what lies beyond those of a class is pale.
    factored.png shows test images, the same with their pose factored out, and their
    reconstruction.

    Args:
        only: Draw this class alone.
        points: Values of a latent; by default 20 in rows, and in grids 7.
        greatest: Greatest value of a latent, whose least is minus that; by default both as images
            have them. The paper has 4 in rows, and in grids the middle 7 of 30 points up to 6.
    """
    run = open_run(folder, root)
    run.require_verb("manifold")
    model = run.model()
    classes = range(model.classes)
    if only is not None:
        if only not in classes:
            raise ValueError(f"class={only}: choose one from 0 to {model.classes - 1}")
        classes = [only]
    _require_points(points, greatest)
    reach = _reach(model, run)
    rows, down, across = _axes(reach, points, greatest)
    images = model.manifold(_styles(rows[:, None], model))[list(classes)]
    examples = one_of_each_class(run)
    images = as_pictures(examples, images, dims=3)[1]
    written = [draw_curves(run)]
    figures = written[0].parent
    written.append(figures / "manifold.png")
    names = names_of_classes(run, model.classes)
    titles = [names[label] for label in classes]
    of_rows = [None if (own := reach[label]) is None else own[0] for label in classes]
    manifold_rows(images, rows.tolist(), titles, written[-1], of_rows)
    if model.latent_count > 1:
        grid = model.manifold(_styles(torch.cartesian_prod(down, across), model))
        grid = as_pictures(examples, grid, dims=3)[1].unflatten(1, (len(down), len(across)))
        for label in classes:
            written.append(figures / f"manifold-{label}.png")
            own = reach[label] or (None, None)
            sides, title = (down.tolist(), across.tolist()), f"class {names[label]}"
            manifold_grid(grid[label], *sides, written[-1], title, (own[0], own[1]))
    if model.pose is not None:
        written.append(figures / "factored.png")
        given, canonical, means = _factored(model, examples)
        factored_sheet(given, canonical, means, written[-1])
    print_paths(written)


def _require_points(points: int | None, greatest: float | None) -> None:
    """Refuse options that give no axis."""
    if points is not None:
        require_whole("points", points, 2, _MOST)
    if greatest is not None:
        require_real("range", greatest, 1e-3, 1e6)


def _reach(model: ACE, run: OpenRun) -> list[tuple[Reach, ...] | None]:
    """Return for every class between which values 98 % of its styles lie, latent by latent.

    Styles of held-out images, drawn from their posteriors: quantiles of the aggregate posterior.
    None for a class of hardly any images.
    """
    x = held_out_images(run, _LOOKED_AT)
    if x is None:
        return [None] * model.classes
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        posterior = model.encode(x)
        styles = posterior.z.rsample(_DRAWS)  # (draws, n, latents)
    found: list[tuple[Reach, ...] | None] = []
    for label in range(model.classes):
        own = styles[:, posterior.y == label].flatten(0, 1)
        if len(own) < _DRAWS * _FEWEST:
            found.append(None)
            continue
        ends = own.quantile(torch.tensor([_TAIL, 1 - _TAIL]), 0)
        found.append(tuple((low, high) for low, high in ends.T.tolist()))
    return found


def _axes(
    reach: Sequence[tuple[Reach, ...] | None], points: int | None, greatest: float | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the values of the first latent in rows, and of two latents in grids."""
    known = [each for each in reach if each is not None]
    if greatest is not None or not known:
        end = greatest or 4.0
        ends = [(-end, end)]
    else:
        of_latents = [*zip(*known, strict=True)][:2]
        ends = [(min(e[0] for e in each), max(e[1] for e in each)) for each in of_latents]
    down, across = (torch.linspace(*each, points or 7) for each in (ends[0], ends[-1]))
    return torch.linspace(*ends[0], points or 20), down, across


def _styles(values: Tensor, model: ACE) -> Tensor:
    """Return styles whose first latents have these values and whose others are 0."""
    return torch.nn.functional.pad(values, (0, model.latent_count - values.shape[1]))


def _factored(model: ACE, x: Tensor) -> tuple[Tensor, ...]:
    """Return pictures of images, of the same without their pose, and of their reconstruction."""
    latents = model.latents(x)
    canonical = canonical_images(model, x, latents.pose)
    return as_pictures(x, canonical, model.decode(latents).mean, dims=3)
