"""The verb manifold: the styles of every class of an ACE, and images without their pose."""

from typing import Annotated

import torch
from torch import Tensor
from tyro.conf import arg

from symgen.cli._options import Root, RunFolder
from symgen.cli._terminal import print_paths
from symgen.cli.traverse import draw_curves
from symgen.data.options import require_real, require_whole
from symgen.experiments.foreign import (
    class_number,
    held_out_images,
    names_of_classes,
    one_of_each_class,
)
from symgen.experiments.runs import open_run
from symgen.experiments.styles import LOOKED_AT, axes_of_styles, reach_of_styles, styles
from symgen.figures import as_pictures, factored_sheet, manifold_grid, manifold_rows
from symgen.models import ACE, canonical_images

_MOST = 100  # images in a row


@torch.no_grad()
def manifold(
    folder: RunFolder,
    /,
    *,
    only: Annotated[str | None, arg(name="class", metavar="CLASS")] = None,
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
        only: Draw this class alone, by name or number, into manifold-NUMBER.png.
        points: Values of a latent; by default 20 in rows, and in grids 7.
        greatest: Greatest value of a latent, whose least is minus that; by default both as images
            have them. The paper has 4 in rows, and in grids the middle 7 of 30 points up to 6.
    """
    run = open_run(folder, root)
    run.require_verb("manifold")
    model = run.model()
    names, classes = names_of_classes(run, model.classes), [*range(model.classes)]
    if only is not None:
        classes = [class_number(names, only, "class")]
    _require_points(points, greatest)
    reach = reach_of_styles(model, held_out_images(run, LOOKED_AT))
    rows, down, across = axes_of_styles(reach, points, greatest)
    examples = one_of_each_class(run)
    written = [draw_curves(run)]
    figures = written[0].parent
    if only is None or model.latent_count == 1:
        images = model.manifold(styles(rows[:, None], model))[classes]
        images = as_pictures(examples, images, dims=3)[1]
        written.append(
            figures / ("manifold.png" if only is None else f"manifold-{classes[0]}.png")
        )
        titles = [names[label] for label in classes]
        of_rows = [None if (own := reach[label]) is None else own[0] for label in classes]
        manifold_rows(images, rows.tolist(), titles, written[-1], of_rows)
    if model.latent_count > 1:
        grid = model.manifold(styles(torch.cartesian_prod(down, across), model))
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


def _factored(model: ACE, x: Tensor) -> tuple[Tensor, ...]:
    """Return pictures of images, of the same without their pose, and of their reconstruction."""
    latents = model.latents(x)
    canonical = canonical_images(model, x, latents.pose)
    return as_pictures(x, canonical, model.decode(latents).mean, dims=3)
