"""What the Topographic VAE infers, and the terms of its bound."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from symgen.latents import Gaussian

__all__ = ["Elbo", "Posterior"]


class Posterior(NamedTuple):
    """Posteriors of a sequence: q(z|x) and q(u|x), each (B, S, C, D); u is None in a VAE.

    Returned by `TopographicVAE.encode`.

    Attributes:
        z: of z.
        u: of u, whose squares are energies; None in a VAE.
    """

    z: Gaussian
    u: Gaussian | None


class Elbo(NamedTuple):
    """The terms of the evidence lower bound, nats per frame.

    A model that looks `ahead` has no terms for the last frames, which have no target.

    Returned by `TopographicVAE.forward`.

    Attributes:
        nll: one-sample estimate of -E[log p(x|t)].
        kl_z: KL(q(z|x) ‖ p(z)).
        kl_u: KL(q(u|x) ‖ p(u)), zero in a VAE.
    """

    nll: Float[Tensor, "B targets"]
    kl_z: Float[Tensor, "B S"]
    kl_u: Float[Tensor, "B S"]

    @property
    def kl(self) -> Float[Tensor, "B S"]:
        """Both divergences together."""
        return self.kl_z + self.kl_u

    @property
    def loss(self) -> Float[Tensor, ""]:
        """The negative bound, averaged over frames and sequences."""
        return self.nll.mean() + self.kl.mean()
