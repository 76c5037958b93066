"""Likelihoods: what the outputs of a decoder mean, each a torch `Distribution` of the data."""

from symgen.likelihoods.base import *
from symgen.likelihoods.bernoulli import *
from symgen.likelihoods.gaussian import *
from symgen.likelihoods.logistic import *
from symgen.likelihoods.names import *
from symgen.likelihoods.poisson import *
from symgen.likelihoods.scales import *
