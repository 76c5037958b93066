"""Likelihoods: what the numbers of a decoder mean, each a torch `Distribution` of the data."""

from symgen.likelihoods.base import Likelihood
from symgen.likelihoods.bernoulli import Bernoulli, ContinuousBernoulli, GrayBernoulli
from symgen.likelihoods.gaussian import Gaussian
from symgen.likelihoods.logistic import DiscretisedLogistic, LogisticLevels
from symgen.likelihoods.names import LikelihoodName, make_likelihood
from symgen.likelihoods.poisson import Poisson
from symgen.likelihoods.scales import Scale

__all__ = [
    "Bernoulli",
    "ContinuousBernoulli",
    "DiscretisedLogistic",
    "Gaussian",
    "GrayBernoulli",
    "Likelihood",
    "LikelihoodName",
    "LogisticLevels",
    "Poisson",
    "Scale",
    "make_likelihood",
]
