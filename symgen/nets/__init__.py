"""Networks that know no paper."""

from symgen.nets.dense import *
from symgen.nets.grouped import *
from symgen.nets.linear import *
from symgen.nets.names import *
from symgen.nets.per_class import *
from symgen.nets.pooling import *
from symgen.nets.residual import *
from symgen.nets.strided import *
