"""Models: nets, latents and a likelihood put together as a paper says."""

from symgen.models.ace import ACE
from symgen.models.ace_latents import ACELatents, ACEPosterior, ClassTerms, SupervisedElbo
from symgen.models.control import Motion, draw_poses, move
from symgen.models.elbo import Elbo, Posterior
from symgen.models.export import export_model
from symgen.models.judge import Judge
from symgen.models.learned_neighbourhood import LearnedNeighbourhood
from symgen.models.pretrained import Pretrained
from symgen.models.stream import Stream
from symgen.models.symmetry_statistics import Pose, SymmetryStatistics
from symgen.models.topographic import TopographicVAE
from symgen.models.tvae import TVAE, VAE, BubbleVAE, TorusVAE

__all__ = [
    "ACE",
    "ACELatents",
    "ACEPosterior",
    "BubbleVAE",
    "ClassTerms",
    "Elbo",
    "Judge",
    "LearnedNeighbourhood",
    "Motion",
    "Pose",
    "Posterior",
    "Pretrained",
    "Stream",
    "SupervisedElbo",
    "SymmetryStatistics",
    "TVAE",
    "TopographicVAE",
    "TorusVAE",
    "VAE",
    "draw_poses",
    "export_model",
    "move",
]
