"""A causal Topographic VAE that follows a stream, one frame at a time."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from symgen.data.images import require_unit_range
from symgen.models.topographic import TopographicVAE
from symgen.nets import Linear

__all__ = ["Stream"]

# Below this share of pixels that are not zero, adding up their columns of the first weight is
# faster than the whole product, which must read every column (bench/online.py).
_SPARSE = 0.25


class Stream:
    """Follows streams with the weights of a model, laid out for one frame a call.

    `step` gives what `TopographicVAE.step` gives, in a fraction of the time. The time of one frame
    is that of reading the first encoder weight from memory. Here it lies column by column, and
    black pixels, which add nothing to the product, are not read at all: exact, and fast for images
    on a black ground. The weights are copied: make a new stream after training on.

    Args:
        model: a causal model with a zero boundary of time.

    Raises:
        ValueError: if the model sees the future.

    Example:
        >>> from symgen import TVAE
        >>> size = {"image_shape": (1, 8, 8), "capsules": 2, "units": 6, "frames": 6}
        >>> model = TVAE(**size, window=3, causal=True, boundary="zero")
        >>> stream, state = Stream(model), None
        >>> for frame in torch.rand(100, 1, 1, 8, 8):
        ...     t, state = stream.step(frame, state)
        >>> t.shape
        torch.Size([1, 2, 6])
    """

    def __init__(self, model: TopographicVAE) -> None:
        model.require_causal()
        self.model = model
        with torch.no_grad():
            weight, self._bias = _prepared(model.encoder.first)
            self._columns = weight.t().contiguous()  # (pixels, hidden)
            self._branches = [
                [_prepared(layer) for layer in branch.layers]  # pyright: ignore
                for branch in model.encoder.branches
            ]

    @torch.no_grad()
    def step(
        self,
        frame: Float[Tensor, "B channels height width"],
        state: Float[Tensor, "B window C D"] | None = None,
    ) -> tuple[Float[Tensor, "B C D"], Float[Tensor, "B window C D"]]:
        """Take the next frame of B streams, see `TopographicVAE.step`."""
        require_unit_range("frame", frame)
        shared = self._first(frame.flatten(1)).relu_().chunk(len(self._branches), dim=-1)
        outputs = []
        for h, (layer, *rest) in zip(shared, self._branches, strict=True):
            h = functional.linear(h, *layer)
            for weight_and_bias in rest:
                h = functional.linear(h.relu_(), *weight_and_bias)
            outputs.append(h)
        return self.model.advance(self.model.posterior(outputs), state)

    def _first(self, pixels: Float[Tensor, "B pixels"]) -> Float[Tensor, "B hidden"]:
        row, column = pixels.nonzero(as_tuple=True)
        if len(row) > _SPARSE * pixels.numel():
            return torch.addmm(self._bias, pixels, self._columns)
        offsets = torch.searchsorted(row, torch.arange(len(pixels), device=row.device))
        bright = functional.embedding_bag(
            column, self._columns, offsets, mode="sum", per_sample_weights=pixels[row, column]
        )
        return bright + self._bias


def _prepared(layer: Linear) -> tuple[Tensor, Tensor]:
    """Return the weight and bias that a layer applies, contiguous and without gradient."""
    weight = layer.effective_weight().detach().contiguous()
    return weight, layer.bias.detach().repeat_interleave(len(weight) // len(layer.bias))
