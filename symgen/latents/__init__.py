"""Latent variables: capsules, topographies, and the densities over them."""

from symgen.latents.axes import *
from symgen.latents.capsules import *
from symgen.latents.density import *
from symgen.latents.gaussian import *
from symgen.latents.laplace import *
from symgen.latents.phase import *
from symgen.latents.topographic import *
from symgen.latents.topography import *
