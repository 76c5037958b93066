"""Linear layers with a weight of their own for every group of rows: one decoder per class."""

import math
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["GroupedConvTranspose", "GroupedLinear", "grouped_linear"]

_LINE = 16  # bytes: torch's grouped product wants rows of whole lines, others are widened


def _sorted(groups: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the order that sorts rows by group, and where every group ends."""
    order = groups.argsort(stable=True)
    ends = torch.bincount(groups, minlength=count).cumsum(0).to(torch.int32)
    return order, ends


def _widen(x: Tensor, dimensions: int = 1) -> Tensor:
    """Pad the last dimensions with zeros, to whole lines."""
    whole = _LINE // x.element_size()
    missing = [-size % whole for size in x.shape[-dimensions:]]
    pads = [pad for size in reversed(missing) for pad in (0, size)]
    return functional.pad(x, pads) if any(pads) else x


def _product(rows: Tensor, weight: Tensor, ends: Tensor) -> Tensor:
    """Multiply sorted rows (B, in) by the weights (count, in, out) of their groups."""
    if rows.dtype != torch.float64:
        return functional.grouped_mm(rows, weight, offs=ends)
    parts = rows.tensor_split(ends[:-1].tolist())  # doubles, which the grouped product refuses
    return torch.cat([part @ matrix for part, matrix in zip(parts, weight, strict=True)])


def _outer(left: Tensor, right: Tensor, ends: Tensor) -> Tensor:
    """Add up the outer products of sorted rows, group by group: (count, left, right)."""
    if left.dtype != torch.float64:
        return functional.grouped_mm(left.t(), right, offs=ends)
    cuts = ends[:-1].tolist()
    parts = zip(left.tensor_split(cuts), right.tensor_split(cuts), strict=True)
    return torch.stack([a.t() @ b for a, b in parts])


@torch.library.custom_op("symgen::grouped_linear", mutates_args=())
def _forward(x: Tensor, weight: Tensor, groups: Tensor) -> Tensor:
    order, ends = _sorted(groups, len(weight))
    outputs = weight.shape[1]
    result = x.new_empty(len(x), outputs)
    widened = _product(_widen(x[order]), _widen(weight, 2).transpose(1, 2), ends)
    result[order] = widened[:, :outputs]
    return result


@_forward.register_fake
def _(x: Tensor, weight: Tensor, groups: Tensor) -> Tensor:
    return x.new_empty(x.shape[0], weight.shape[1])


@torch.library.custom_op("symgen::grouped_linear_backward", mutates_args=())
def _backward(
    gradient: Tensor, x: Tensor, weight: Tensor, groups: Tensor
) -> tuple[Tensor, Tensor]:
    order, ends = _sorted(groups, len(weight))
    outputs, inputs = weight.shape[1:]
    sorted_gradient = _widen(gradient[order])
    to_input = x.new_empty(x.shape)
    to_input[order] = _product(sorted_gradient, _widen(weight, 2), ends)[:, :inputs]
    to_weight = _outer(sorted_gradient, _widen(x[order]), ends)
    return to_input, to_weight[:, :outputs, :inputs].contiguous()


@_backward.register_fake
def _(gradient: Tensor, x: Tensor, weight: Tensor, groups: Tensor) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), weight.new_empty(weight.shape)


def _keep(ctx, inputs, output) -> None:
    ctx.save_for_backward(*inputs)


def _differentiate(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
    x, weight, groups = ctx.saved_tensors
    return *_backward(gradient.contiguous(), x, weight, groups), None


_forward.register_autograd(_differentiate, setup_context=_keep)


def grouped_linear(
    x: Float[Tensor, "rows inputs"],
    weight: Float[Tensor, "groups outputs inputs"],
    bias: Float[Tensor, "groups outputs"],
    groups: Int64[Tensor, " rows"],
) -> Float[Tensor, "rows outputs"]:
    """Compute `x W_gᵀ + b_g` with the weight and bias of each row's group g.

    Arithmetic and memory traffic do not grow with the number of groups that hold the rows; the
    gradient of the weights does, because it is dense.

    Args:
        x: one row per item.
        weight: one matrix per group.
        bias: one vector per group.
        groups: group of each row, in any order.

    Example:
        >>> weight = torch.tensor([[[1.0]], [[10.0]]])
        >>> grouped_linear(torch.ones(3, 1), weight, torch.zeros(2, 1), torch.tensor([1, 0, 1]))
        tensor([[10.],
                [ 1.],
                [10.]])
    """
    # In the precision of the weights, whose traffic dominates: casting them would double it.
    with torch.autocast(x.device.type, enabled=False):
        return _forward(x.to(weight.dtype), weight, groups) + bias[groups]


class GroupedLinear(nn.Module):
    """As many fully connected layers as there are groups, side by side.

    Args:
        groups: number of groups, such as classes.
        inputs: size of a row.
        outputs: size of the result.
        initialisation: "fan_in" draws weights from N(0, 1/inputs) and biases from
            U(±1/√inputs), so that even a layer on a single latent bends it; "paper" draws weights
            from N(0, s²) with s = 1/(√inputs + √outputs) and leaves biases zero, as the author's
            code of ACE does (Georgiev 2015).

    Example:
        >>> layer = GroupedLinear(groups=10, inputs=8, outputs=4)
        >>> layer(torch.zeros(3, 8), torch.tensor([7, 0, 7])).shape
        torch.Size([3, 4])
        >>> layer.every(torch.zeros(10, 3, 8)).shape
        torch.Size([10, 3, 4])
    """

    def __init__(
        self,
        groups: int,
        inputs: int,
        outputs: int,
        initialisation: Literal["fan_in", "paper"] = "fan_in",
    ) -> None:
        super().__init__()
        paper = initialisation == "paper"
        scale = 1 / (math.sqrt(inputs) + (math.sqrt(outputs) if paper else 0))
        self.weight = nn.Parameter(scale * torch.randn(groups, outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(groups, outputs))
        if not paper:
            nn.init.uniform_(self.bias, -scale, scale)
        for parameter in self.parameters():
            parameter.per_class = True  # pyright: ignore[reportAttributeAccessIssue]

    def forward(
        self, x: Float[Tensor, "rows inputs"], groups: Int64[Tensor, " rows"]
    ) -> Float[Tensor, "rows outputs"]:
        """Apply to every row the layer of its group."""
        return grouped_linear(x, self.weight, self.bias, groups)

    def every(
        self, x: Float[Tensor, "groups rows inputs"]
    ) -> Float[Tensor, "groups rows outputs"]:
        """Apply all layers, each to rows of its own; one group's rows may be expanded to all."""
        rows = x.to(self.weight.dtype)
        return torch.baddbmm(self.bias[:, None], rows, self.weight.transpose(1, 2))

    def extra_repr(self) -> str:
        """Describe the layer in the printed model."""
        groups, outputs, inputs = self.weight.shape
        return f"{groups} × ({inputs} -> {outputs})"


class GroupedConvTranspose(nn.Module):
    """A transposed convolution with kernels of its own for every group, doubling the size.

    Each input pixel paints a patch: a linear layer per pixel, whose patches are then added where
    they overlap.

    Args:
        groups: number of groups.
        inputs: input channels.
        outputs: output channels.
        kernel: side of the patches, odd.
        initialisation: of the weights, see `GroupedLinear`.

    Example:
        >>> layer = GroupedConvTranspose(groups=10, inputs=8, outputs=3, kernel=5)
        >>> layer(torch.zeros(2, 8, 4, 4), torch.tensor([7, 0])).shape
        torch.Size([2, 3, 8, 8])
    """

    def __init__(
        self,
        groups: int,
        inputs: int,
        outputs: int,
        kernel: int,
        initialisation: Literal["fan_in", "paper"] = "fan_in",
    ) -> None:
        super().__init__()
        self.kernel = kernel
        self.patches = GroupedLinear(groups, inputs, outputs * kernel * kernel, initialisation)
        self.patches.bias.data.zero_()
        self.patches.bias.requires_grad_(False)  # one bias per channel instead
        self.bias = nn.Parameter(torch.zeros(groups, outputs))
        self.bias.per_class = True  # pyright: ignore[reportAttributeAccessIssue]

    def forward(
        self, x: Float[Tensor, "rows inputs height width"], groups: Int64[Tensor, " rows"]
    ) -> Float[Tensor, "rows outputs height2 width2"]:
        """Apply to every image the kernels of its group."""
        pixels = x.shape[2] * x.shape[3]
        rows = x.flatten(2).transpose(1, 2).flatten(0, 1)
        patches = self.patches(rows, groups.repeat_interleave(pixels))
        return self._fold(patches.unflatten(0, (-1, pixels)), x) + self.bias[groups, :, None, None]

    def every(
        self, x: Float[Tensor, "groups rows inputs height width"]
    ) -> Float[Tensor, "groups rows outputs height2 width2"]:
        """Apply the kernels of every group to images of its own."""
        count, rows = x.shape[:2]
        patches = self.patches.every(x.flatten(3).transpose(2, 3).flatten(1, 2))
        flat = patches.reshape(count * rows, -1, patches.shape[-1])
        images = self._fold(flat, x.flatten(0, 1))
        return images.unflatten(0, (count, rows)) + self.bias[:, None, :, None, None]

    def _fold(self, patches: Tensor, x: Tensor) -> Tensor:
        size = (2 * x.shape[2], 2 * x.shape[3])
        columns = patches.transpose(1, 2)
        return functional.fold(columns, size, self.kernel, padding=self.kernel // 2, stride=2)
