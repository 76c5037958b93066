"""TVAE, BubbleVAE and VAE: values of one model, made from plain numbers."""

from collections.abc import Sequence
from typing import Any

from symgen.latents import Boundary, Topography
from symgen.models.topographic import TopographicVAE

__all__ = ["BubbleVAE", "TVAE", "VAE"]


class _TemporalVAE(TopographicVAE):
    """What TVAE and BubbleVAE share: all but the shift of their neighbourhoods."""

    _shift: int

    def __init__(
        self,
        *,
        image_shape: Sequence[int],
        capsules: int,
        units: int,
        frames: int,
        window: int,
        neighbourhood: int = 1,
        reference_window: bool = False,
        boundary: Boundary = "cyclic",
        capsule_boundary: Boundary = "cyclic",
        causal: bool = False,
        shift: int | float | None = None,
        **network: Any,
    ) -> None:
        topography = Topography(
            capsules,
            units,
            frames,
            window,
            neighbourhood,
            shift=self._shift if shift is None else shift,
            reference_window=reference_window,
            boundary=boundary,
            capsule_boundary=capsule_boundary,
            causal=causal,
        )
        super().__init__(image_shape=image_shape, topography=topography, **network)


class TVAE(_TemporalVAE):
    """A topographic VAE with shifting temporal coherence: learned capsules roll with time.

    Args:
        image_shape: channels, height and width of a frame.
        capsules: number of capsules, C.
        units: units in a capsule, D.
        frames: frames in a sequence, S.
        window: frames that share energy, 2L in the paper; 1 is its L = 0.
        neighbourhood: units of a capsule that share energy, K.
        reference_window: the window of the authors' code, see `Topography`.
        boundary: of time, "cyclic" or "zero".
        capsule_boundary: of the units of a capsule, "cyclic" or "zero".
        causal: share energy with past frames only.
        shift: units by which the neighbourhood advances per frame, None for 1.
        network: further arguments of `TopographicVAE`.

    Example:
        >>> model = TVAE(image_shape=(1, 64, 64), capsules=15, units=15, frames=15, window=10)
        >>> model.topography.shift, model.mu.item()
        (1, -30.0)
    """

    _shift = 1


class BubbleVAE(_TemporalVAE):
    """A topographic VAE with stationary temporal coherence: energy is shared without a roll.

    Takes the arguments of `TVAE`.

    Example:
        >>> model = BubbleVAE(image_shape=(1, 8, 8), capsules=2, units=6, frames=6, window=3)
        >>> model.topography.shift
        0
    """

    _shift = 0


class VAE(TopographicVAE):
    """A plain variational auto-encoder of every frame, the baseline: t = z.

    Args:
        image_shape: channels, height and width of a frame.
        capsules: number of groups into which the latents are arranged for the metrics, C.
        units: latents in a group, D.
        frames: frames in a sequence, S.
        network: further arguments of `TopographicVAE`.

    Example:
        >>> VAE(image_shape=(1, 8, 8), capsules=2, units=6, frames=6).mu is None
        True
    """

    def __init__(
        self,
        *,
        image_shape: Sequence[int],
        capsules: int,
        units: int,
        frames: int,
        **network: Any,
    ) -> None:
        topography = Topography.none(capsules=capsules, units=units, frames=frames)
        super().__init__(image_shape=image_shape, topography=topography, **network)
