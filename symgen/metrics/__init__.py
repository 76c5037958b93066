"""Metrics: plain functions from tensors to one value per sequence, or per factor.

What does not fit, such as shapes that disagree, raises a ValueError that names it.
"""

from symgen.metrics.axes import *
from symgen.metrics.capcorr import *
from symgen.metrics.clusters import *
from symgen.metrics.control import *
from symgen.metrics.disentanglement import *
from symgen.metrics.equivariance import *
from symgen.metrics.forecast import *
from symgen.metrics.images import *
from symgen.metrics.likelihood import *
from symgen.metrics.pose_recovery import *
from symgen.metrics.probes import *
from symgen.metrics.roll_prediction import *
from symgen.metrics.selectivity import *
