"""One training step."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from symgen.training.peers import Peers
from symgen.training.settings import Training

__all__ = ["multiplies_bfloat16", "resolved_precision", "step"]


def step(
    model: Any,
    optimizer: torch.optim.Optimizer,
    inputs: Sequence[Tensor],
    weight: Callable[[str], float | Tensor],
    *,
    roll: int = 0,
    clip_norm: float | None = None,
    bfloat16: bool = False,
    peers: Peers | None = None,
) -> dict[str, Float[Tensor, ""]]:
    """Take one step down the gradient of the loss, `sum of weight(name) · mean of the term`.

    Reads and changes nothing but the model, the optimiser and torch's random numbers. On the CPU a
    loss that is not finite leaves the weights as they are; elsewhere looking would mean waiting.

    Args:
        model: what is trained, see `Trainable`.
        optimizer: with the learning rates of this step.
        inputs: what its `forward` takes.
        weight: weight of a term of the loss by its name; where steps are captured, as a tensor.
        roll: steps to roll the latents by before they are decoded; 0 for none.
        clip_norm: largest norm of the gradient; None: no clipping.
        bfloat16: whether to multiply matrices in bfloat16.
        peers: processes that take the step together, within their `summing`; each is given its
            share of the inputs.

    Returns:
        Loss, terms without their weights and, if it is clipped, the norm of the gradient.

    Example:
        >>> from symgen import VAE
        >>> model = VAE((12,), capsules=2, units=4, frames=4, likelihood="gaussian")
        >>> optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        >>> values = step(model, optimizer, [torch.randn(8, 4, 12)], weight=lambda name: 1.0)
        >>> list(values)
        ['loss', 'nll', 'kl_z', 'kl_u']
    """
    x, shares = inputs[0], 1 if peers is None else peers.world
    with torch.autocast(x.device.type, torch.bfloat16, enabled=bfloat16), _draws(peers, len(x)):
        terms = model(*inputs, roll=roll) if roll else model(*inputs)
    means = {name: term.mean() for name, term in terms._asdict().items()}
    zero = torch.zeros((), device=x.device)
    loss = sum((weight(name) * mean for name, mean in means.items()), zero)
    optimizer.zero_grad()
    (loss / shares if shares > 1 else loss).backward()
    values = {"loss": loss, **means}
    if peers is not None:
        peers.wait()
        values = peers.means(values)
    if clip_norm is not None:
        values["gradient_norm"] = nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    values = {name: value.detach() for name, value in values.items()}
    if x.device.type == "cpu" and not all(value.isfinite() for value in values.values()):
        return values
    optimizer.step()
    if hasattr(model, "project_"):
        model.project_()
    return values


def _draws(peers: Peers | None, examples: int) -> AbstractContextManager[Any]:
    return nullcontext() if peers is None else peers.draws(examples)


_UNITS = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")  # names of torch.cpu.get_capabilities


def multiplies_bfloat16(device: str) -> bool:
    """Tell whether a kind of device, such as "cpu" or "cuda", has units for bfloat16 products.

    Processors without them emulate such products, more slowly than they multiply float32.
    """
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device == "cpu" and any(map(torch.cpu.get_capabilities().get, _UNITS))


def resolved_precision(training: Training, device: str) -> Literal["float32", "tf32", "bfloat16"]:
    """Return the number format of a training on a kind of device: "auto" follows the device.

    Raises:
        ValueError: for tf32 on a device that has no such units.
    """
    if training.precision == "tf32" and device != "cuda":
        raise ValueError(
            f"precision='tf32' on {device}: only CUDA has it, take 'float32' or 'bfloat16'"
        )
    if training.precision != "auto":
        return training.precision
    return "bfloat16" if multiplies_bfloat16(device) else "float32"
