"""A causal Topographic VAE that follows a stream, one frame at a time."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from symgen.models.checks import check_data
from symgen.models.topographic import TopographicVAE
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
        model: a causal model with a zero boundary of time.

    Raises:
        ValueError: if the model sees the future.

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
        self._encode = model.encoder
        if isinstance(model.encoder, DenseEncoder):
            self._encode = _PreparedEncoder(model.encoder)

    @torch.no_grad()
    def step(
        self, frame: Float[Tensor, " B *data"], state: Float[Tensor, "B window C D"] | None = None
    ) -> tuple[Float[Tensor, "B C D"], Float[Tensor, "B window C D"]]:
        """Take the next frame of B streams, see `TopographicVAE.step`."""
        check_data(self.model, "frame", frame)
        return self.model.advance(self.model.posterior(self._encode(frame)), state)


class _PreparedEncoder:
    """A dense encoder whose first weight lies column by column."""

    @torch.no_grad()
    def __init__(self, encoder: DenseEncoder) -> None:
        self.activation = encoder.activation
        weight, self._bias = _prepared(encoder.first)
        self._columns = weight.t().contiguous()  # (values, hidden)
        self._branches = [
            [_prepared(layer) for layer in branch.layers]  # pyright: ignore
            for branch in encoder.branches
        ]

    def __call__(self, frame: Float[Tensor, " B *data"]) -> Float[Tensor, "B outputs"]:
        shared = self.activation(self._first(frame.flatten(1)))
        outputs = []
        for h, (layer, *rest) in zip(
            shared.chunk(len(self._branches), dim=-1), self._branches, strict=True
        ):
            h = functional.linear(h, *layer)
            for weight_and_bias in rest:
                h = functional.linear(self.activation(h), *weight_and_bias)
            outputs.append(h)
        return torch.cat(outputs, -1)

    def _first(self, values: Float[Tensor, "B values"]) -> Float[Tensor, "B hidden"]:
        row, column = values.nonzero(as_tuple=True)
        if len(row) > _SPARSE * values.numel():
            return torch.addmm(self._bias, values, self._columns)
        offsets = torch.searchsorted(row, torch.arange(len(values), device=row.device))
        bright = functional.embedding_bag(
            column, self._columns, offsets, mode="sum", per_sample_weights=values[row, column]
        )
        return bright + self._bias


def _prepared(layer: Linear) -> tuple[Tensor, Tensor]:
    """Return the weight and bias that a layer applies, contiguous and without gradient."""
    weight = layer.effective_weight().detach().contiguous()
    return weight, layer.bias.detach().repeat_interleave(len(weight) // len(layer.bias))
