"""Random draws of a share of a batch: the rows that one process would have drawn for it."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["SharedDraws"]


class SharedDraws(TorchDispatchMode):
    """Lets every draw be that of the whole batch, of which the rows of a share are kept.

    What is computed within from one of `shares` equal parts of a batch draws the numbers that it
    would have drawn from the whole, and leaves the generators where the whole would have: the
    noise of an example does not depend on how many processes share the batch. A draw belongs to
    the batch if its first dimension is a multiple of the examples of a share; any other, such as
    that of a single number, is the same for all. Draws that are rejected now and then, such as
    Gamma's, use up numbers by their parameters, which a share does not know of the others.

    Args:
        share: number of the share, from 0.
        shares: how many there are.
        examples: examples in a share.

    Example:
        >>> whole = torch.randn(6, 2, generator=torch.Generator().manual_seed(3))
        >>> with SharedDraws(1, shares=3, examples=2):
        ...     share = torch.randn(2, 2, generator=torch.Generator().manual_seed(3))
        >>> torch.equal(share, whole[2:4])
        True
    """

    def __init__(self, share: int, shares: int, examples: int) -> None:
        super().__init__()
        self.share, self.shares, self.examples = share, shares, examples

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call an operation, of the whole batch if it is a random one."""
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **kwargs)
        place = next((n for n, each in enumerate(args) if self._is_share(each)), None)
        if place is None:
            return func(*args, **kwargs)
        given = args[place]
        rows = given.shape[0] if isinstance(given, Tensor) else given[0]
        wide = [self._widened(each, rows) for each in args]
        drawn = func(*wide, **kwargs)
        if isinstance(given, Tensor) and drawn is wide[place]:  # drawn in place
            return given.copy_(self._own(drawn, rows))
        if isinstance(drawn, Tensor):
            return self._own(drawn, rows)
        return type(drawn)(self._own(each, rows) for each in drawn)

    def _is_share(self, value: Any) -> bool:
        """Tell whether a tensor, or the size of one, has as many rows as examples, or a multiple.

        The first of the arguments that can be one decides.
        """
        if isinstance(value, Tensor):
            return value.dim() > 0 and value.shape[0] > 0 and value.shape[0] % self.examples == 0
        if not isinstance(value, list | tuple | torch.Size) or not value:
            return False
        return all(isinstance(each, int) for each in value) and value[0] % self.examples == 0

    def _widened(self, value: Any, rows: int) -> Any:
        if isinstance(value, Tensor) and value.dim() > 0 and value.shape[0] == rows:
            return value.repeat(self.shares, *[1] * (value.dim() - 1))
        if isinstance(value, list | tuple) and value and value[0] == rows:
            return [rows * self.shares, *value[1:]]
        return value

    def _own(self, drawn: Tensor, rows: int) -> Tensor:
        return drawn[self.share * rows : (self.share + 1) * rows].clone()
