"""What the tests of training share: small models, data, accidents, comparisons."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from symgen import TVAE
from symgen.data import Batches, SequenceBatch

TIMES = ("seconds", "examples_per_second")


class Noise:
    """Sequences of random images around a pattern."""

    factor_names = ("shift",)
    factor_sizes = (6,)
    frames = 6
    data_shape = (1, 4, 4)

    def __len__(self) -> int:
        return 40

    def batch(self, indices: Tensor, generator: torch.Generator) -> SequenceBatch:
        noise = torch.rand(len(indices), 6, 1, 4, 4, generator=generator)
        pattern = torch.linspace(0, 1, 16).view(1, 4, 4)
        zeros = torch.zeros(len(indices), 6, 1, dtype=torch.int64)
        return SequenceBatch(0.8 * pattern + 0.2 * noise, zeros, zeros[:, 0, 0])


class LabelledBatch(NamedTuple):
    images: Tensor
    labels: Tensor

    @property
    def inputs(self) -> tuple[Tensor, Tensor]:
        return self.images, self.labels


class LabelledNoise:
    """Random images with as many classes as asked for, each a brightness."""

    frames = 1
    data_shape = (1, 2, 2)

    def __init__(self, classes: int) -> None:
        self.classes = classes

    def __len__(self) -> int:
        return 40

    def batch(self, indices: Tensor, generator: torch.Generator) -> LabelledBatch:
        labels = indices % self.classes
        noise = torch.rand(len(indices), 1, 2, 2, generator=generator)
        return LabelledBatch((labels / self.classes)[:, None, None, None] + 0.1 * noise, labels)


class LabelledTerms(NamedTuple):
    nll: Tensor
    kl_z: Tensor
    kl_pose: Tensor
    cross_entropy: Tensor


class Prototypes(nn.Module):
    """An ACE in small: a prototype per class, seen through a pose, beside a classifier.

    Its terms have different shapes, and one of them is drawn at random.
    """

    data_shape = (1, 2, 2)

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.prototypes = nn.Parameter(torch.randn(classes, 4))
        self.offsets = nn.Parameter(torch.zeros(classes))
        self.pose = nn.Linear(4, 4)
        self.classifier = nn.Linear(4, classes)

    def forward(self, x: Tensor, y: Tensor) -> LabelledTerms:
        assert y.dtype == torch.int64
        seen, shift = x.flatten(1), self.pose(x.flatten(1))
        z = self.prototypes[y] + 0.1 * torch.randn_like(seen)
        return LabelledTerms(
            (seen - z - shift - self.offsets[y, None]).square(),
            z.square().sum(1),
            shift.square().sum(),
            functional.cross_entropy(self.classifier(seen), y, reduction="none"),
        )

    def save_pretrained(self, folder: Path) -> None:
        pass


class Terms(NamedTuple):
    nll: Tensor
    kl_z: Tensor
    kl_u: Tensor


class Parabola(nn.Module):
    """nll = (w - 1)² and kl_z = v² in every frame; counts its projections."""

    frames = 6
    data_shape = (1, 4, 4)

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(4.0))
        self.v = nn.Parameter(torch.tensor(2.0))
        self.projections = 0

    def forward(self, x: Tensor) -> Terms:
        one = torch.ones(x.shape[:2])
        return Terms((self.w - 1).square() * one, self.v.square() * one, 0 * one)

    def project_(self) -> None:
        self.projections += 1


class Disturbed(Batches[Any]):
    """Data during whose batches of given steps something happens."""

    def __init__(self, steps: int | range, happens: Any, source: Any = None) -> None:
        super().__init__(source or Noise(), batch_size=8, seed=5)
        self.steps = range(steps, steps + 1) if isinstance(steps, int) else steps
        self.happens = happens

    def batch(self, step: int) -> Any:
        batch = super().batch(step)
        return (self.happens(batch) or batch) if step in self.steps else batch


def make_model(seed: int = 3) -> TVAE:
    torch.manual_seed(seed)
    return TVAE((1, 4, 4), capsules=2, units=6, frames=6, window=3)


def make_data() -> Batches[Any]:
    return Batches(Noise(), batch_size=8, seed=5)


def make_prototypes(classes: int, seed: int = 3) -> Prototypes:
    torch.manual_seed(seed)
    return Prototypes(classes)


def make_labelled(classes: int) -> Batches[LabelledBatch]:
    return Batches(LabelledNoise(classes), batch_size=8, seed=5)


def assert_same_weights(a: nn.Module, b: nn.Module) -> None:
    for name, tensor in a.state_dict().items():
        assert torch.equal(tensor, b.state_dict()[name]), name


def without_times(records: Any) -> list[dict[str, Any]]:
    return [{k: v for k, v in record.items() if k not in TIMES} for record in records]
