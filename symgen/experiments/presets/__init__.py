"""Presets: every experiment that has a name, one module per item of the papers."""

from symgen.experiments.presets import ace, extensions, mnist, recordings, sprites, torus
from symgen.experiments.serialisation import AnyExperiment
from symgen.training.optimisation import nearest

__all__ = ["PRESETS", "preset"]

PRESETS: dict[str, tuple[str, AnyExperiment]] = {
    **dict(sorted(sprites.PRESETS.items())),
    **dict(sorted(mnist.PRESETS.items())),
    **torus.PRESETS,
    **extensions.PRESETS,
    **recordings.PRESETS,
    **ace.PRESETS,
}
"""Description and experiment by name."""


def preset(name: str) -> AnyExperiment:
    """Look up an experiment by its name.

    Raises:
        ValueError: if there is none; the message lists the near names.

    Example:
        >>> preset("demo").model.window
        10
        >>> preset("dmeo")
        Traceback (most recent call last):
        ValueError: unknown preset 'dmeo': did you mean demo?
    """
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}: {nearest(name, PRESETS)}")
    return PRESETS[name][1]
