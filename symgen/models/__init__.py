"""Models: nets, latents and a likelihood put together as a paper says."""

from symgen.models.ace import ACE
from symgen.models.elbo import Elbo, Posterior
from symgen.models.export import export_model
from symgen.models.likelihood import PixelBernoulli
from symgen.models.online import Stream
from symgen.models.pretrained import Pretrained
from symgen.models.readings import ClassTerms, Code, Reading, SupervisedElbo
from symgen.models.symmetry_statistics import Pose, SymmetryStatistics
from symgen.models.topographic import TopographicVAE
from symgen.models.tvae import TVAE, VAE, BubbleVAE

__all__ = [
    "ACE",
    "BubbleVAE",
    "ClassTerms",
    "Code",
    "Elbo",
    "PixelBernoulli",
    "Pose",
    "Posterior",
    "Pretrained",
    "Reading",
    "Stream",
    "SupervisedElbo",
    "SymmetryStatistics",
    "TVAE",
    "TopographicVAE",
    "VAE",
    "export_model",
]
