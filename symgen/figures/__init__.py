"""Figures of models and runs: capsule traversals, the torus of neurons, learning curves."""

from symgen.figures.contact_sheet import contact_sheet
from symgen.figures.curves import learning_curves
from symgen.figures.torus import class_selectivity, max_activating, torus_map
from symgen.figures.traversal import traversal_gif, traversal_strip

__all__ = [
    "class_selectivity",
    "contact_sheet",
    "learning_curves",
    "max_activating",
    "torus_map",
    "traversal_gif",
    "traversal_strip",
]
