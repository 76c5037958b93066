"""A check that tensors fit together, for the functions that users hand their own tensors to."""

from torch import Tensor

__all__ = ["require_shapes"]


def require_shapes(*named: tuple[str, Tensor, str]) -> None:
    """Require that tensors have the given axes, of equal size where axes have equal names.

    Args:
        named: name of a tensor, the tensor, and the names of its axes in one string; a last name
            with a star stands for one axis or more, equal wherever it stands.

    Raises:
        ValueError: if a tensor has other axes than it should, or sizes disagree.

    Example:
        >>> import torch
        >>> require_shapes(("t", torch.zeros(2, 3), "B S"), ("moved", torch.zeros(2), "B"))
    """
    sizes: dict[str, object] = {}
    fits = True
    for _, tensor, axes in named:
        *names, last = axes.split()
        shape: tuple[object, ...] = tuple(tensor.shape)
        if last.startswith("*"):
            fits = fits and len(shape) > len(names)
            shape = (*shape[: len(names)], shape[len(names) :])
        fits = fits and len(shape) == len(names) + 1
        pairs = zip((*names, last), shape, strict=False)
        fits = fits and all(sizes.setdefault(name, size) == size for name, size in pairs)
    if not fits:
        given = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor, _ in named)
        expected = ", ".join(f"{name} ({', '.join(axes.split())})" for name, _, axes in named)
        raise ValueError(f"shapes do not fit: got {given}; expected {expected}")
