"""Generative models whose latent space carries the symmetries of the data."""

from symgen import data, groups, latents, metrics
from symgen.models import ACE, TVAE, VAE, BubbleVAE, TopographicVAE
from symgen.training import fit

__all__ = [
    "ACE",
    "BubbleVAE",
    "TVAE",
    "TopographicVAE",
    "VAE",
    "data",
    "fit",
    "groups",
    "latents",
    "metrics",
]
__version__ = "0.1.0"
