"""Generative models whose latent space carries the symmetries of the data."""

from symgen.models import TVAE, VAE, BubbleVAE, TopographicVAE

__all__ = ["BubbleVAE", "TVAE", "TopographicVAE", "VAE"]
__version__ = "0.1.0"
