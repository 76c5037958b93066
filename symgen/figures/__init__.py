"""Figures of models and runs: traversals, manifolds, control by pose, maps, curves.

A `path` in a folder that does not exist raises a FileNotFoundError, and nothing is written.
"""

from symgen.figures.contact_sheet import *
from symgen.figures.control import *
from symgen.figures.curves import *
from symgen.figures.manifold import *
from symgen.figures.pictures import *
from symgen.figures.rolls import *
from symgen.figures.torus import *
from symgen.figures.traversal import *
from symgen.figures.vectors import *
from symgen.figures.windows import *
