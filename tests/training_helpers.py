"""What the tests of training share: a small model, data, accidents, comparisons."""

from typing import Any

import torch
from torch import Tensor, nn

from symgen import TVAE
from symgen.data.sequences import SequenceBatch, Sequences

TIMES = ("seconds", "sequences_per_second")


class Noise:
    """Sequences of random images around a pattern."""

    factor_names = ("shift",)
    factor_sizes = (6,)
    frames = 6
    image_shape = (1, 4, 4)

    def __len__(self) -> int:
        return 40

    def make(self, items: Tensor, generator: torch.Generator) -> SequenceBatch:
        noise = torch.rand(len(items), 6, 1, 4, 4, generator=generator)
        pattern = torch.linspace(0, 1, 16).view(1, 4, 4)
        zeros = torch.zeros(len(items), 6, 1, dtype=torch.int64)
        return SequenceBatch(0.8 * pattern + 0.2 * noise, zeros, zeros[:, 0, 0])


class Disturbed(Sequences):
    """Data during whose batch of a given step something happens."""

    def __init__(self, step: int, happens: Any) -> None:
        super().__init__(Noise(), batch_size=8, seed=5)
        self.step, self.happens = step, happens

    def batch(self, step: int) -> SequenceBatch:
        batch = super().batch(step)
        return (self.happens(batch) or batch) if step == self.step else batch


def make_model(seed: int = 3) -> TVAE:
    torch.manual_seed(seed)
    return TVAE(image_shape=(1, 4, 4), capsules=2, units=6, frames=6, window=3)


def make_data() -> Sequences:
    return Sequences(Noise(), batch_size=8, seed=5)


def assert_same_weights(a: nn.Module, b: nn.Module) -> None:
    for name, tensor in a.state_dict().items():
        assert torch.equal(tensor, b.state_dict()[name]), name


def without_times(records: Any) -> list[dict[str, Any]]:
    return [{k: v for k, v in record.items() if k not in TIMES} for record in records]
