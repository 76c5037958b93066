"""Parts of a model that a training leaves as they are."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn

__all__ = ["frozen"]


@contextmanager
def frozen(model: nn.Module, parts: Sequence[str]) -> Iterator[None]:
    """Let parts of a model need no gradient until the end.

    Args:
        model: whose parts have the names of its submodules and parameters.
        parts: names, such as "encoder", "decoder" or "mu".

    Raises:
        ValueError: for a part without parameters, with the names of those that have some.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        >>> with frozen(model, ["0"]):
        ...     [name for name, weight in model.named_parameters() if weight.requires_grad]
        ['1.weight', '1.bias']
    """
    named = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    known = {name.split(".")[0] for name in named}
    for part in parts:
        if part not in known:
            raise ValueError(
                f"freeze={list(parts)} but {type(model).__name__} trains no {part!r}: choose "
                f"among {', '.join(sorted(known))}"
            )
    if known and known <= set(parts):
        raise ValueError(f"freeze={list(parts)} leaves nothing to train: name fewer parts")
    kept = [weight for name, weight in named.items() if name.split(".")[0] in parts]
    try:
        for weight in kept:
            weight.grad = None
            weight.requires_grad_(False)
        yield
    finally:
        for weight in kept:
            weight.requires_grad_(True)


def train_mode(model: nn.Module, parts: Sequence[str]) -> None:
    """Put a model into training mode, without the parts that are to stay as they are."""
    model.train()
    for name in parts:
        if isinstance(module := getattr(model, name), nn.Module):
            module.eval()
