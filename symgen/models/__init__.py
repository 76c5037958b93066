"""Models: nets, latents and a likelihood put together as a paper says."""

from symgen.models.likelihood import PixelBernoulli
from symgen.models.pretrained import Pretrained
from symgen.models.topographic import Elbo, Posterior, TopographicVAE
from symgen.models.tvae import TVAE, VAE, BubbleVAE

__all__ = [
    "BubbleVAE",
    "Elbo",
    "PixelBernoulli",
    "Posterior",
    "Pretrained",
    "TVAE",
    "TopographicVAE",
    "VAE",
]
