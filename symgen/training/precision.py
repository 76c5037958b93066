"""Which number format the matrix products of a training use."""

from typing import Literal

import torch

from symgen.training.settings import Training

__all__ = ["multiplies_bfloat16", "resolved_precision"]

_UNITS = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")  # names of torch.cpu.get_capabilities


def multiplies_bfloat16(device: str) -> bool:
    """Tell whether a kind of device, such as "cpu" or "cuda", has units for bfloat16 products.

    Processors without them emulate such products, more slowly than they multiply float32.

    Example:
        >>> isinstance(multiplies_bfloat16("cpu"), bool)
        True
    """
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device == "cpu" and any(map(torch.cpu.get_capabilities().get, _UNITS))


def resolved_precision(training: Training, device: str) -> Literal["float32", "bfloat16"]:
    """Return the number format of a training on a kind of device: "auto" follows the device.

    Example:
        >>> resolved_precision(Training(precision="float32"), "cpu")
        'float32'
    """
    if training.precision != "auto":
        return training.precision
    return "bfloat16" if multiplies_bfloat16(device) else "float32"
