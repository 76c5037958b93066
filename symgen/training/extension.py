"""Runs that are made longer: what their schedule does then."""

from dataclasses import replace

from symgen.training.settings import Training, learning_rate_factor

__all__ = ["extension_told"]


def extension_told(training: Training, examples: int, step: int) -> str:
    """Say in a line what becomes of a run that goes on after a step for more examples in all.

    A constant learning rate and one with a half-life go on. A cosine is stretched over the new
    length, so the rate rises to what a training of that length has at this point, and falls to 0
    from there: the run ends as such a training does. The weights of the KL terms go on.

    Example:
        >>> extension_told(Training(examples=640, schedule="cosine"), 1280, step=20)
        'from 640 to 1,280 examples: the learning rate goes on from 0.0005, where it was 6.16e-06,
        on a cosine stretched over all'
        >>> extension_told(Training(examples=640), 1280, step=20)
        'from 640 to 1,280 examples: the learning rate goes on from 0.001'
    """
    rates = (
        learning_rate_factor(settings, at) * training.learning_rate
        for settings, at in (
            (replace(training, examples=examples), step),
            (training, max(step - 1, 0)),
        )
    )
    now, before = rates
    told = f"from {training.examples:,} to {examples:,} examples: the learning rate goes on from "
    if training.schedule != "cosine":
        return f"{told}{now:.3g}"
    return f"{told}{now:.3g}, where it was {before:.3g}, on a cosine stretched over all"
