"""Latent variables: capsules, topographies, and the densities over them."""

from symgen.latents.capsules import Boundary, observed_roll, roll
from symgen.latents.gaussian import Gaussian, standard_normal_log_prob
from symgen.latents.laplace import Laplace
from symgen.latents.topography import Topography, student_t

Density = Gaussian | Laplace

__all__ = [
    "Boundary",
    "Density",
    "Gaussian",
    "Laplace",
    "Topography",
    "observed_roll",
    "roll",
    "standard_normal_log_prob",
    "student_t",
]
