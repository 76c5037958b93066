"""Generative models whose latent space carries the symmetries of the data.

Everything is imported when it is first asked for, so that `import symgen` takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symgen import data, figures, groups, latents, likelihoods, metrics, nets
    from symgen.data import open
    from symgen.experiments.citation import citation
    from symgen.experiments.encoding import encode
    from symgen.experiments.evaluation import evaluate
    from symgen.experiments.forecasting import forecast
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
    "citation",
    "data",
    "encode",
    "evaluate",
    "figures",
    "fit",
    "forecast",
    "groups",
    "latents",
    "likelihoods",
    "metrics",
    "nets",
    "open",
]
__version__ = "0.1.0"

_ROOMS = ("data", "figures", "groups", "latents", "likelihoods", "metrics", "nets")
_PLACES = {
    "open": "symgen.data",
    "citation": "symgen.experiments.citation",
    "encode": "symgen.experiments.encoding",
    "forecast": "symgen.experiments.forecasting",
    "evaluate": "symgen.experiments.evaluation",
    "Training": "symgen.training",
    "fit": "symgen.training",
} | dict.fromkeys(
    ("ACE", "BubbleVAE", "TVAE", "TopographicVAE", "TorusVAE", "VAE"), "symgen.models"
)


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"symgen.{name}")
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'symgen' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
