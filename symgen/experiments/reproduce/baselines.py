"""What bounds are measured against: the class means and the entropy of gray images."""

from typing import Any

import torch

from symgen.data import Batches
from symgen.experiments.ace import ImageConfig
from symgen.metrics import entropy_floor
from symgen.models import PixelBernoulli

__all__ = ["baseline"]

_LEAST = 1e-3  # probability of a pixel that is always black in training


def baseline(images: ImageConfig, batch_size: int = 250) -> dict[str, float]:
    """Measure what a model without latents costs on the test images.

    Args:
        images: which images; of the training images, each with one fixed distortion, the mean of
            every class is taken.
        batch_size: images at a time.

    Returns:
        In nats per test image: `class_mean`, the cost under the mean of its class with every
        pixel's probability at least 0.001 away from 0 and 1, and `entropy_floor`, below which no
        Bernoulli pixels can go.

    Example:
        >>> found = baseline(ImageConfig(images="digits"))
        >>> found["entropy_floor"] < found["class_mean"]
        True
    """
    config = ImageConfig(images.images, images.distortion, fixed=True, root=images.root)
    source = config.source(train=True)
    totals = torch.zeros(source.classes, *source.image_shape, dtype=torch.float64)
    counts = torch.zeros(source.classes, dtype=torch.float64)
    train: Batches[Any] = Batches(source, batch_size, shuffle=False)
    for batch in train:
        totals.index_add_(0, batch.labels, batch.images.double())
        counts += batch.labels.bincount(minlength=source.classes)
    means = (totals / counts[:, None, None, None]).clamp(_LEAST, 1 - _LEAST).float()
    likelihood = PixelBernoulli(means.logit())
    test: Batches[Any] = Batches(config.source(train=False), batch_size, shuffle=False)
    costs, floors = [], []
    for batch in test:
        every = likelihood.log_prob(batch.images[:, None])  # (B, classes)
        costs.append(-every.gather(1, batch.labels[:, None])[:, 0])
        floors.append(entropy_floor(batch.images[:, None]))
    return {
        "class_mean": float(torch.cat(costs).double().mean()),
        "entropy_floor": float(torch.cat(floors).double().mean()),
    }
