"""Latent variables: capsules, topographies, and the densities over them."""

from symgen.latents.axes import AxesTopography, observed_rolls
from symgen.latents.capsules import Boundary, observed_roll, roll
from symgen.latents.gaussian import Gaussian, standard_normal_log_prob
from symgen.latents.kernel import kernel_speed, moving_kernel, pool_kernel
from symgen.latents.laplace import Laplace
from symgen.latents.student_t import student_t
from symgen.latents.topographic import Topographic
from symgen.latents.topography import Topography

Density = Gaussian | Laplace

__all__ = [
    "AxesTopography",
    "Boundary",
    "Density",
    "Gaussian",
    "Laplace",
    "Topographic",
    "Topography",
    "kernel_speed",
    "moving_kernel",
    "observed_roll",
    "observed_rolls",
    "pool_kernel",
    "roll",
    "standard_normal_log_prob",
    "student_t",
]
