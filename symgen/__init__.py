"""Generative models whose latent space carries the symmetries of the data."""

from symgen import data, groups, latents, likelihoods, metrics, nets
from symgen.models import ACE, TVAE, VAE, BubbleVAE, TopographicVAE, TorusVAE
from symgen.training import Training, fit

__all__ = [
    "ACE",
    "BubbleVAE",
    "TVAE",
    "TopographicVAE",
    "TorusVAE",
    "Training",
    "VAE",
    "data",
    "fit",
    "groups",
    "latents",
    "likelihoods",
    "metrics",
    "nets",
]
__version__ = "0.1.0"
