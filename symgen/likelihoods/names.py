"""Likelihoods by name, for command lines and files."""

from typing import Any, Literal, get_args

from symgen._errors import nearest
from symgen.likelihoods.base import Likelihood
from symgen.likelihoods.bernoulli import Bernoulli, ContinuousBernoulli
from symgen.likelihoods.gaussian import Gaussian
from symgen.likelihoods.logistic import DiscretisedLogistic
from symgen.likelihoods.poisson import Poisson
from symgen.likelihoods.scales import Scale

__all__ = ["LikelihoodName", "make_likelihood"]

LikelihoodName = Literal[
    "bernoulli", "continuous-bernoulli", "gaussian", "poisson", "discretised-logistic"
]
_CLASSES = (Bernoulli, ContinuousBernoulli, Gaussian, Poisson, DiscretisedLogistic)
_KINDS = dict(zip(get_args(LikelihoodName), _CLASSES, strict=True))


def make_likelihood(
    likelihood: LikelihoodName | Likelihood, scale: Scale | None = None, clamp: bool = False
) -> Likelihood:
    """Return a likelihood by its name, or as it is.

    Args:
        likelihood: name or value.
        scale: of a Gaussian or discretised logistic likelihood; None leaves its default.
        clamp: clamp the logits of a Bernoulli likelihood as the authors' code does.

    Raises:
        ValueError: for an unknown name, or an option that the likelihood does not have.

    Example:
        >>> make_likelihood("gaussian", scale=0.1)
        Gaussian(scale=0.1)
    """
    if not isinstance(clamp, bool):
        raise ValueError(f"clamp={clamp!r}: give True or False")
    given = f"likelihood={likelihood!r} with likelihood_scale={scale}, clamp_logits={clamp}: "
    options: dict[str, Any] = {} if scale is None else {"scale": scale}
    options |= {"clamped": True} if clamp else {}
    if isinstance(likelihood, Likelihood):
        if options:
            raise ValueError(given + "give these to the likelihood itself")
        return likelihood
    if not isinstance(likelihood, str) or likelihood not in _KINDS:
        raise ValueError(f"unknown likelihood {likelihood!r}: {nearest(str(likelihood), _KINDS)}")
    kind = _KINDS[likelihood]
    if not options.keys() <= kind.__dataclass_fields__.keys():
        raise ValueError(
            f"{given}a scale is for 'gaussian' and 'discretised-logistic', clamped logits for "
            "'bernoulli'"
        )
    return kind(**options)
