"""Linear layers at the speed of the machine, with the normalisations of the paper's Table 3."""

import math
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from symgen._errors import require_choice
from symgen.nets.products import fastest_product, onednn_product

__all__ = ["Linear", "Normalisation", "linear"]

Normalisation = Literal["none", "weight", "projected"]
_SMALL = 2**20  # multiplications below which nothing is to be gained


class _OneDNNLinear(torch.autograd.Function):
    """x Wᵀ + b whose three products all go through oneDNN."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return onednn_product(x, weight, bias)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        to_input = onednn_product(gradient, weight.t(), None) if ctx.needs_input_grad[0] else None
        return to_input, onednn_product(gradient.t(), x.t(), None), gradient.sum(0)


def linear(
    x: Float[Tensor, "*batch inputs"],
    weight: Float[Tensor, "outputs inputs"],
    bias: Float[Tensor, " outputs"],
) -> Float[Tensor, "*batch outputs"]:
    """Compute `x Wᵀ + b` with the faster of torch's two float32 products.

    Args:
        x: rows of any batch shape.
        weight, bias: as in `torch.nn.Linear`.

    Example:
        >>> linear(torch.ones(2, 3), torch.ones(4, 3), torch.zeros(4))[0]
        tensor([3., 3., 3., 3.])
    """
    plain = x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu")
    # What is compiled or exported is left to the compiler, and to other machines.
    plain = plain or torch.compiler.is_compiling() or x.numel() * len(weight) < _SMALL
    # vmap, jvp and the like of torch.func know torch's own product alone.
    plain = plain or torch._C._are_functorch_transforms_active()  # pyright: ignore
    if plain or fastest_product() == "torch":
        return functional.linear(x, weight, bias)
    flat = x.reshape(-1, x.shape[-1]).contiguous()  # strided rows take a slow path
    return _OneDNNLinear.apply(flat, weight, bias).view(*x.shape[:-1], -1)  # pyright: ignore


class Linear(nn.Module):
    """A fully connected layer `x Wᵀ + b`.

    Args:
        inputs, outputs: sizes of the last dimension of input and output.
        fan: m in the initial U(±1/√m) of weights and biases; None for `inputs`, torch's default.
            The authors' decoder uses its outputs.
        gain: factor of the initial weights, not of the biases.
        normalisation: "weight" reparametrises each row as g·v/‖v‖ (Salimans & Kingma 2016);
            "projected" has `project_` rescale weights to length one after each optimiser step.
        projected_dimension: of "projected" weights: 1 for those into each output, 0 for those out
            of each input.
        shared_bias: number of distinct biases, each shared by as many consecutive outputs, such
            as one per colour channel in the authors' decoder; None for one per output.

    Example:
        >>> layer = Linear(3, 2, normalisation="weight")
        >>> layer(torch.zeros(5, 3)).shape
        torch.Size([5, 2])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        fan: int | None = None,
        gain: float = 1.0,
        normalisation: Normalisation = "none",
        projected_dimension: int = 1,
        shared_bias: int | None = None,
    ) -> None:
        super().__init__()
        require_choice("normalisation", normalisation, get_args(Normalisation))
        bound = 1 / math.sqrt(fan or inputs)
        weight = torch.empty(outputs, inputs).uniform_(-bound, bound)
        self.weight = nn.Parameter(weight if gain == 1 else gain * weight)
        self.bias = nn.Parameter(torch.empty(shared_bias or outputs).uniform_(-bound, bound))
        self.gain: nn.Parameter | None = None
        if normalisation == "weight":
            self.gain = nn.Parameter(self.weight.detach().norm(dim=1))
        self.normalisation, self.projected_dimension = normalisation, projected_dimension
        self.project_()

    def effective_weight(self) -> Float[Tensor, "outputs inputs"]:
        """Return the weight that multiplies the input, after weight normalisation."""
        if self.gain is None:
            return self.weight
        return self.weight * (self.gain / self.weight.norm(dim=1)).unsqueeze(1)

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """Apply the layer."""
        weight = self.effective_weight()
        bias = self.bias.repeat_interleave(weight.shape[0] // self.bias.shape[0])
        return linear(x, weight, bias)

    @torch.no_grad()
    def project_(self) -> None:
        """Rescale weights that are trained to unit length if the layer is "projected"."""
        if self.normalisation == "projected" and self.weight.requires_grad:
            self.weight /= self.weight.norm(dim=self.projected_dimension, keepdim=True)

    def extra_repr(self) -> str:
        """Describe the layer in the printed model."""
        outputs, inputs = self.weight.shape
        return f"{inputs} -> {outputs}, normalisation={self.normalisation!r}"
