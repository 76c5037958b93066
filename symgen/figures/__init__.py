"""Figures of models and runs: traversals, manifolds, control by pose, maps, curves.

Images have 1 or 3 channels. Values that leave [0, 1], shapes or titles that disagree and a `path`
of another suffix raise a ValueError, a folder that does not exist a FileNotFoundError; nothing is
written then.
"""

from symgen.figures.alignment import *
from symgen.figures.contact_sheet import *
from symgen.figures.control import *
from symgen.figures.curves import *
from symgen.figures.forecast import *
from symgen.figures.manifold import *
from symgen.figures.pictures import *
from symgen.figures.report import *
from symgen.figures.rolls import *
from symgen.figures.sweep import *
from symgen.figures.torus import *
from symgen.figures.traversal import *
from symgen.figures.vectors import *
from symgen.figures.windows import *
