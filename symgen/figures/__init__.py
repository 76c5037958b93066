"""Figures of models and runs: traversals, manifolds, control by pose, maps, curves."""

from symgen.figures.contact_sheet import contact_sheet
from symgen.figures.control import control_gif, control_strip, factored_sheet
from symgen.figures.curves import learning_curves
from symgen.figures.manifold import manifold_grid, manifold_rows
from symgen.figures.pictures import as_pictures
from symgen.figures.rolls import traversal
from symgen.figures.torus import torus_map
from symgen.figures.traversal import traversal_gif, traversal_strip
from symgen.figures.vectors import vector_maps
from symgen.figures.windows import WindowPoint, window_curves

__all__ = [
    "WindowPoint",
    "as_pictures",
    "contact_sheet",
    "control_gif",
    "control_strip",
    "factored_sheet",
    "learning_curves",
    "manifold_grid",
    "manifold_rows",
    "torus_map",
    "traversal",
    "traversal_gif",
    "traversal_strip",
    "vector_maps",
    "window_curves",
]
