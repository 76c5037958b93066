"""Linear layers with a weight of their own for every group of rows: one decoder per class."""

import math
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["GroupedConvTranspose", "GroupedLinear", "InitialWeights", "grouped_linear"]

Labels = Int64[Tensor, " B"]
InitialWeights = Literal["fan_in", "paper"]
_LINE = 16  # bytes: torch's grouped product wants rows of whole lines, others are widened
_FEW = 8  # rows in a group, below which a call per group costs more than rows of zeros


class _Groups(NamedTuple):
    """Where the rows of every group lie once they are sorted, and once they are padded."""

    order: Tensor  # (B,) row numbers, sorted by group
    ends: Tensor  # (G,) where every group ends among the sorted rows
    group: Tensor  # (B,) group of every sorted row
    slot: Tensor  # (B,) its place within the group
    most: int  # rows of the largest group

    @classmethod
    def of(cls, groups: Tensor, count: int) -> "_Groups":
        group, order = groups.sort(stable=True)
        counts = torch.bincount(groups, minlength=count)
        ends = counts.cumsum(0)
        slot = torch.arange(len(groups), device=groups.device) - (ends - counts)[group]
        return cls(order, ends.to(torch.int32), group, slot, int(counts.max()))

    def padded(self, rows: Tensor) -> Tensor:
        """Lay sorted rows out as (G, most, size), with zeros where a group has fewer."""
        laid = rows.new_zeros(len(self.ends), self.most, rows.shape[1])
        laid[self.group, self.slot] = rows
        return laid

    def pads(self, rows: Tensor) -> bool:
        """Tell whether to pad: the grouped product refuses doubles and calls once per group."""
        few = len(rows) < _FEW * len(self.ends) and self.most <= 2 * _FEW
        return few or rows.dtype == torch.float64


def _widen(x: Tensor, dimensions: int = 1) -> Tensor:
    """Pad the last dimensions with zeros, to whole lines."""
    whole = _LINE // x.element_size()
    missing = [-size % whole for size in x.shape[-dimensions:]]
    pads = [pad for size in reversed(missing) for pad in (0, size)]
    return functional.pad(x, pads) if any(pads) else x


def _product(rows: Tensor, weight: Tensor, groups: _Groups) -> Tensor:
    """Multiply sorted rows (B, in) by the weights (G, in, out) of their groups."""
    if groups.pads(rows):
        return torch.bmm(groups.padded(rows), weight)[groups.group, groups.slot]
    wide = functional.grouped_mm(_widen(rows), _widen(weight, 2), offs=groups.ends)
    return wide[:, : weight.shape[2]]


def _outer(left: Tensor, right: Tensor, groups: _Groups) -> Tensor:
    """Add up the outer products of sorted rows, group by group: (G, left, right)."""
    if groups.pads(left):
        return torch.bmm(groups.padded(left).transpose(1, 2), groups.padded(right))
    wide = functional.grouped_mm(_widen(left).t(), _widen(right), offs=groups.ends)
    return wide[:, : left.shape[1], : right.shape[1]].contiguous()


@torch.library.custom_op("symgen::grouped_linear", mutates_args=())
def _forward(x: Tensor, weight: Tensor, groups: Tensor) -> Tensor:
    places = _Groups.of(groups, len(weight))
    result = x.new_empty(len(x), weight.shape[1])
    result[places.order] = _product(x[places.order], weight.transpose(1, 2), places)
    return result


@_forward.register_fake
def _(x: Tensor, weight: Tensor, groups: Tensor) -> Tensor:
    return x.new_empty(x.shape[0], weight.shape[1])


@torch.library.custom_op("symgen::grouped_linear_backward", mutates_args=())
def _backward(
    gradient: Tensor, x: Tensor, weight: Tensor, groups: Tensor
) -> tuple[Tensor, Tensor]:
    places = _Groups.of(groups, len(weight))
    gradient, to_input = gradient[places.order], x.new_empty(x.shape)
    to_input[places.order] = _product(gradient, weight, places)
    return to_input, _outer(gradient, x[places.order], places)


@_backward.register_fake
def _(gradient: Tensor, x: Tensor, weight: Tensor, groups: Tensor) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), weight.new_empty(weight.shape)


def _differentiate(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
    return *_backward(gradient.contiguous(), *ctx.saved_tensors), None


_forward.register_autograd(
    _differentiate, setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs)
)


def grouped_linear(
    x: Float[Tensor, "B inputs"],
    weight: Float[Tensor, "groups outputs inputs"],
    bias: Float[Tensor, "groups outputs"],
    groups: Labels,
) -> Float[Tensor, "B outputs"]:
    """Compute `x W_gᵀ + b_g` with the weight and bias of the group g of each row, in any order.

    Arithmetic and memory traffic do not grow with the number of groups that hold the rows; the
    gradient of the weights does, because it is dense.

    Args:
        x: rows.
        weight, bias: of every group.
        groups: number of the group of each row, from 0.

    Example:
        >>> weight = torch.tensor([[[1.0]], [[10.0]]])
        >>> grouped_linear(torch.ones(3, 1), weight, torch.zeros(2, 1), torch.tensor([1, 0, 1]))
        tensor([[10.],
                [ 1.],
                [10.]])
    """
    if torch.compiler.is_exporting():  # a program of torch's own operations, for other machines
        every = torch.baddbmm(bias[:, None], x.expand(weight.shape[0], *x.shape), weight.mT)
        return every[groups, torch.arange(x.shape[0], device=x.device)]
    # In the precision of the weights, whose traffic dominates: casting them would double it.
    with torch.autocast(x.device.type, enabled=False):
        return _forward(x.to(weight.dtype), weight, groups) + bias[groups]


class GroupedLinear(nn.Module):
    """As many fully connected layers as there are groups, side by side.

    Args:
        groups: number of groups, such as classes.
        inputs, outputs: sizes of a row and of its result.
        initialisation: "fan_in" draws weights from N(0, 1/inputs) and biases from U(±1/√inputs),
            so that even a layer on a single latent bends it; "paper" draws weights from N(0, s²)
            with s = 1/(√inputs + √outputs) and zero biases, as ACE's author does (Georgiev 2015).

    Example:
        >>> layer = GroupedLinear(groups=10, inputs=8, outputs=4)
        >>> layer(torch.zeros(3, 8), torch.tensor([7, 0, 7])).shape
        torch.Size([3, 4])
        >>> layer.every(torch.zeros(10, 3, 8)).shape
        torch.Size([10, 3, 4])
    """

    def __init__(
        self, groups: int, inputs: int, outputs: int, initialisation: InitialWeights = "fan_in"
    ) -> None:
        super().__init__()
        paper = initialisation == "paper"
        scale = 1 / (math.sqrt(inputs) + (math.sqrt(outputs) if paper else 0))
        self.weight = nn.Parameter(scale * torch.randn(groups, outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(groups, outputs))
        if not paper:
            nn.init.uniform_(self.bias, -scale, scale)

    def forward(self, x: Float[Tensor, "B inputs"], groups: Labels) -> Float[Tensor, "B outputs"]:
        """Apply to every row the layer of its group."""
        return grouped_linear(x, self.weight, self.bias, groups)

    def every(self, x: Float[Tensor, "groups B inputs"]) -> Float[Tensor, "groups B outputs"]:
        """Apply all layers, each to rows of its own; one group's rows may be expanded to all."""
        return torch.baddbmm(self.bias[:, None], x.to(self.weight.dtype), self.weight.mT)

    def extra_repr(self) -> str:
        """Describe the layer in the printed model."""
        groups, outputs, inputs = self.weight.shape
        return f"{groups} × ({inputs} -> {outputs})"


class GroupedConvTranspose(nn.Module):
    """A transposed convolution with kernels of its own for every group, doubling the size.

    A linear layer paints a patch for each input pixel; patches are added where they overlap.

    Args:
        groups: number of groups.
        inputs, outputs: channels.
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
        initialisation: InitialWeights = "fan_in",
    ) -> None:
        super().__init__()
        self.kernel = kernel
        self.patches = GroupedLinear(groups, inputs, outputs * kernel * kernel, initialisation)
        self.patches.bias.data.zero_()
        self.patches.bias.requires_grad_(False)  # one bias per channel instead
        self.bias = nn.Parameter(torch.zeros(groups, outputs))

    def forward(
        self, x: Float[Tensor, "B inputs height width"], groups: Labels
    ) -> Float[Tensor, "B outputs height2 width2"]:
        """Apply to every image the kernels of its group."""
        pixels = x.shape[2] * x.shape[3]
        patches = self.patches(x.flatten(2).mT.flatten(0, 1), groups.repeat_interleave(pixels))
        return self._fold(patches.unflatten(0, (-1, pixels)), x) + self.bias[groups, :, None, None]

    def every(
        self, x: Float[Tensor, "groups B inputs height width"]
    ) -> Float[Tensor, "groups B outputs height2 width2"]:
        """Apply the kernels of every group to images of its own."""
        patches = self.patches.every(x.flatten(3).mT.flatten(1, 2))
        flat = patches.reshape(x.shape[0] * x.shape[1], -1, patches.shape[-1])
        images = self._fold(flat, x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return images + self.bias[:, None, :, None, None]

    def _fold(self, patches: Tensor, x: Tensor) -> Tensor:
        size = (2 * x.shape[2], 2 * x.shape[3])
        return functional.fold(patches.mT, size, self.kernel, padding=self.kernel // 2, stride=2)
