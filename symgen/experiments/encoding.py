"""Latents of data, batch by batch."""

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor

from symgen.data.batches import Batches
from symgen.experiments.families import ObserveBatches, family_of, first_items

_KNOWN = ("factors", "moved", "labels", "pose")  # what batches say of their items


@torch.no_grad()
def encode_batches(
    model: Any, data: Batches[Any], items: int | None = None, observe: ObserveBatches | None = None
) -> dict[str, Tensor]:
    """Return the latents of the first items of data, and what is known of them, by name."""
    device, family = next(model.parameters()).device, family_of(type(model))
    found: dict[str, list[Tensor]] = defaultdict(list)
    for batch in first_items(data, items, observe):
        for name, part in family.encoded(model, batch.inputs[0].to(device)).items():
            found[name].append(part.cpu())
        for name in _KNOWN:
            if isinstance(part := getattr(batch, name, None), Tensor):
                found["true_pose" if name == "pose" else name].append(part.cpu())
    return {name: torch.cat(parts) for name, parts in found.items()}
