"""A causal Topographic VAE that follows a stream, one frame at a time."""

from copy import deepcopy

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from symgen.models.checks import check_data
from symgen.models.topographic import State, TopographicVAE
from symgen.nets import DenseEncoder, Linear

__all__ = ["Stream"]

# Below this share of pixels that are not zero, adding up their columns of the first weight is
# faster than the whole product, which must read every column (bench/online.py).
_SPARSE = 0.25


class Stream:
    """Follows streams with the weights of a model, laid out for one frame a call.

    `step` gives what `TopographicVAE.step` gives, with a dense encoder in a fraction of the time:
    that of reading the first encoder weight from memory. Here it lies column by column, and black
    pixels, which add nothing to the product, are not read at all. The weights are copied: make a
    new stream after training on.

    Args:
        model: a causal model with a zero boundary of time, or ValueError.

    Example:
        >>> from symgen import TVAE
        >>> size = {"capsules": 2, "units": 6, "frames": 6, "window": 3}
        >>> model = TVAE((1, 8, 8), **size, causal=True, boundary="zero")
        >>> stream, state = Stream(model), None
        >>> for frame in torch.rand(100, 1, 1, 8, 8):
        ...     t, state = stream.step(frame, state)
        >>> t.shape
        torch.Size([1, 2, 6])
    """

    def __init__(self, model: TopographicVAE) -> None:
        model.require_causal()
        self.model = model
        self._encode = deepcopy(model.encoder).requires_grad_(False)
        for layer in self._encode.modules():
            if isinstance(layer, Linear):  # normalise the weights once
                layer.weight.copy_(layer.effective_weight())
                layer.gain = None
        self._mean = model.data_mean
        if isinstance(self._encode, DenseEncoder):  # whose black pixels are left out as they are
            self._encode.first = _ByColumns(self._encode.first, self._mean)  # pyright: ignore
            self._mean = None

    @torch.no_grad()
    def step(
        self, frame: Float[Tensor, " B *data"], state: State | None = None
    ) -> tuple[Float[Tensor, "B C D"], State]:
        """Take the next frame of B streams, see `TopographicVAE.step`."""
        check_data(self.model, "frame", frame)
        centred = frame if self._mean is None else frame - self._mean
        return self.model.advance(self.model.posterior(self._encode(centred)), state)


class _ByColumns(nn.Module):
    """A linear layer of values minus their mean, whose weight lies column by column."""

    def __init__(self, layer: Linear, mean: Tensor | None) -> None:
        super().__init__()
        self.columns = layer.weight.t().contiguous()  # (values, hidden)
        self.bias = layer.bias.repeat_interleave(len(layer.weight) // len(layer.bias))
        self.mean = torch.zeros(()) if mean is None else mean.flatten()
        self.black = self.bias if mean is None else self.bias - self.mean @ self.columns

    def forward(self, values: Float[Tensor, "B values"]) -> Float[Tensor, "B hidden"]:
        row, column = values.nonzero(as_tuple=True)
        if len(row) > _SPARSE * values.numel():
            return torch.addmm(self.bias, values - self.mean, self.columns)
        offsets = torch.searchsorted(row, torch.arange(len(values), device=row.device))
        weights = {"mode": "sum", "per_sample_weights": values[row, column]}
        return functional.embedding_bag(column, self.columns, offsets, **weights) + self.black
