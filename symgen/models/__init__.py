"""Models: nets, latents and a likelihood put together as a paper says."""

from symgen.models.ace import *
from symgen.models.ace_latents import *
from symgen.models.control import *
from symgen.models.export import *
from symgen.models.judge import *
from symgen.models.pretrained import *
from symgen.models.sliding import *
from symgen.models.stream import *
from symgen.models.symmetry_statistics import *
from symgen.models.topographic import *
from symgen.models.tvae import *
