"""Adam for models with many classes: the weights of classes that a batch lacks rest."""

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor, nn
from torch.optim.adamw import adamw

__all__ = ["LazyAdam", "is_per_class"]


def is_per_class(parameter: nn.Parameter) -> bool:
    """Tell whether the rows of a parameter belong to one class each.

    Such a parameter has an attribute `per_class` that is true, as those of `symgen.nets`'
    grouped layers have.

    Example:
        >>> is_per_class(nn.Parameter(torch.zeros(10, 3)))
        False
    """
    return getattr(parameter, "per_class", False)


class LazyAdam(torch.optim.AdamW):
    """AdamW that leaves alone what belongs to classes that are absent from a batch.

    The row of an absent class keeps its weights and moments; its decay rests too. Each row counts
    its own steps, so that the bias correction of a rare class is that of its own few updates.
    With every class in every batch it is AdamW (Loshchilov & Hutter 2019). The time of a step
    grows with the classes in the batch rather than with all of them.

    Args:
        params: parameters or parameter groups.
        lr: learning rate.
        betas: decay rates of the mean and of the mean square of the gradient.
        eps: what keeps the denominator from zero.
        weight_decay: decay of the weights per step, in units of `lr`.
        fused: whether to take torch's fused kernel.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> weight = nn.Parameter(torch.ones(3, 2))
        >>> weight.per_class = True
        >>> optimizer = LazyAdam([weight], lr=0.5, weight_decay=0.0)
        >>> weight.sum().backward()
        >>> optimizer.step(present=torch.tensor([0, 2]))
        >>> weight[:, 0].detach()
        tensor([0.5000, 1.0000, 0.5000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        fused: bool | None = None,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, fused=fused)

    @torch.no_grad()
    def step(self, present: Int64[Tensor, " present"]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Update all that is not per class, and the rows of the classes that are present.

        Args:
            present: the classes of the batch, each once.
        """
        classes = present.tolist()
        for group in self.param_groups:
            # Torch's kernel takes a list of tensors and knows nothing of rows: each row that is
            # present is handed over as a tensor of its own, a view with a step count of its own.
            updated: list[tuple[Tensor, ...]] = []
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                whole = (parameter, parameter.grad, *self._moments(parameter))
                if is_per_class(parameter):
                    updated += [tuple(tensor[c] for tensor in whole) for c in classes]
                else:
                    updated.append(whole)
            if not updated:
                continue
            weights, gradients, means, squares, steps = (
                list(tensors) for tensors in zip(*updated, strict=True)
            )
            adamw(
                weights,
                gradients,
                means,
                squares,
                [],
                steps,
                fused=group["fused"],
                amsgrad=False,
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                lr=group["lr"],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                maximize=False,
            )

    def _moments(self, parameter: nn.Parameter) -> tuple[Tensor, Tensor, Tensor]:
        """Return mean and mean square of the gradient and the count of steps, zeros at first."""
        state = self.state[parameter]
        if not state:
            count = parameter.shape[:1] if is_per_class(parameter) else ()
            state["step"] = torch.zeros(count, dtype=torch.float32, device=parameter.device)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        return state["exp_avg"], state["exp_avg_sq"], state["step"]
