"""An independent classifier, to say which class a generated image shows."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from symgen.data import Batches
from symgen.experiments.ace import ImageConfig
from symgen.experiments.reproduce.plan import Missing, has_checkpoint, steps_done
from symgen.experiments.runs import commit, hardware
from symgen.groups import affine, warp
from symgen.models import Pretrained
from symgen.training import Progress, Training, fit

__all__ = [
    "JUDGE_TRAINING",
    "Judge",
    "JudgeTerms",
    "judge_error",
    "recognised",
    "to_digit_size",
    "train_judge",
]

_CHANNELS = (32, 32, 64, 64)
_HIDDEN = 128
_DROPOUT = 0.4
_SIDE = 28  # of a digit of MNIST
_FINE = 42  # side of the largest images that a judge looks at pixel by pixel
# Deviations of rotation, scale, stretch and shear, and of shifts as parts of the side.
_WOBBLE = (0.1, 0.07, 0.05, 0.05, 0.04, 0.04)

JUDGE_TRAINING = Training(
    sequences=6 * 60_000,
    batch_size=100,
    optimizer="AdamW",
    optimizer_options={"weight_decay": 1e-2},
    learning_rate=3e-3,
    warmup=6_000,
    schedule="cosine",
    precision="auto",
)
"""How a judge is trained: some minutes on one core."""


class JudgeTerms(NamedTuple):
    """What a judge learns from, nats per image.

    Attributes:
        cross_entropy: -log of the labelled class's probability.
    """

    cross_entropy: Float[Tensor, " B"]


class Judge(Pretrained):
    """A small convolutional classifier that shares nothing with the models it judges.

    Four convolutions of 3 × 3 with batch normalisation, the first and the third with pooling.

    Args:
        image_shape: channels, height and width.
        classes: number of classes.
        pool: look at an image that is this much coarser.
        wobble: move every training image a little, by a random affine map; for images that the
            data do not move.

    Example:
        >>> judge = Judge(image_shape=(1, 42, 42), pool=2)
        >>> judge(torch.rand(3, 1, 42, 42)).shape
        torch.Size([3, 10])
    """

    terms: ClassVar[tuple[str, ...]] = JudgeTerms._fields

    def __init__(
        self,
        *,
        image_shape: Sequence[int],
        classes: int = 10,
        pool: int = 1,
        wobble: bool = False,
    ) -> None:
        super().__init__()
        inputs, height, width = image_shape
        self.image_shape = (inputs, height, width)
        self.pool = pool
        self.wobble = wobble
        layers: list[nn.Module] = []
        for number, outputs in enumerate(_CHANNELS):
            convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(outputs)]
            if number % 2 == 0:
                layers.append(nn.MaxPool2d(2))
            layers.append(nn.ReLU())
            inputs = outputs
        self.convolutions = nn.Sequential(*layers)
        seen = math.prod((inputs, height // pool // 4, width // pool // 4))
        self.hidden = nn.Sequential(nn.Dropout(_DROPOUT), nn.Linear(seen, _HIDDEN), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(_DROPOUT), nn.Linear(_HIDDEN, classes))

    def features(self, x: Float[Tensor, "B channels height width"]) -> Float[Tensor, "B features"]:
        """Return the activities of the last hidden layer."""
        x = functional.avg_pool2d(x, self.pool).contiguous(memory_format=torch.channels_last)
        return self.hidden(self.convolutions(x).flatten(1))

    def forward(self, x: Float[Tensor, "B channels height width"]) -> Float[Tensor, "B classes"]:
        """Return log-odds of the classes."""
        return self.head(self.features(x))

    def elbo(
        self, x: Float[Tensor, "B channels height width"], y: Int64[Tensor, " B"]
    ) -> JudgeTerms:
        """Return what to minimise; so named because `symgen.fit` asks for it."""
        if self.wobble and self.training:
            side = x.shape[-1]
            deviations = x.new_tensor([*_WOBBLE[:4], *(part * side for part in _WOBBLE[4:])])
            x = warp(x, affine.exp(deviations * torch.randn(len(x), 6, device=x.device)))
        logits = self(x).float()
        return JudgeTerms(functional.cross_entropy(logits, y, reduction="none"))


def train_judge(
    folder: Path,
    images: ImageConfig,
    training: Training = JUDGE_TRAINING,
    *,
    command: str,
    train: bool = True,
    device: str = "cpu",
    observe: Callable[[Progress], None] | None = None,
) -> Judge:
    """Load the judge of a folder, after training it to its end if it is not there yet.

    Args:
        folder: run folder of the judge.
        images: what it judges. Images that nothing distorts are moved a little in training;
            larger ones than RTS-MNIST's are looked at with half their resolution.
        training: its length and other numbers.
        command: the words that start this, for the record.
        train: whether to train what is not finished.
        device: where to train.
        observe: is told the progress.

    Raises:
        Missing: if it is not finished and may not be trained.
        ValueError: if the judge there was begun with other settings.
    """
    done = steps_done(folder)
    if done < training.steps:
        if not train:
            raise Missing(f"{folder} is at step {done} of {training.steps}: allow training it")
        source = images.source(train=True, device=device)
        with torch.random.fork_rng():
            torch.manual_seed(training.seed)
            judge = Judge(
                image_shape=source.image_shape,
                classes=source.classes,
                pool=1 if source.image_shape[-1] <= _FINE else 2,
                wobble=images.distortion == "none",
            ).to(device)
        data: Batches[Any] = Batches(source, training.batch_size, training.seed, device=device)
        config = {
            "name": "judge",
            "command": command,
            "commit": commit(),
            "hardware": hardware(device),
        }
        resume = has_checkpoint(folder)
        fit(judge, data, training, folder, resume=resume, config=config, observe=observe)
    return Judge.from_pretrained(folder).to(device)


@torch.no_grad()
def judge_error(judge: Judge, images: ImageConfig) -> float:
    """Return the share of test images that a judge gets wrong, in percent."""
    device = next(judge.parameters()).device
    wrong = [
        judge(batch.images.to(device)).argmax(1).cpu() != batch.labels
        for batch in Batches(images.source(train=False), 250, shuffle=False)
    ]
    return 100 * float(torch.cat(wrong).double().mean())


@torch.no_grad()
def recognised(
    judge: Judge, images: Float[Tensor, "classes points channels height width"]
) -> float:
    """Return the share of images that a judge takes for the class of their row, in percent.

    Example:
        >>> judge = Judge(image_shape=(1, 28, 28)).eval()
        >>> 0 <= recognised(judge, torch.rand(10, 2, 1, 28, 28)) <= 100
        True
    """
    found = torch.cat([judge(row).argmax(1)[None] for row in images])
    own = torch.arange(len(images), device=found.device)
    return 100 * float((found == own[:, None]).double().mean())


def to_digit_size(
    images: Float[Tensor, "*batch channels height width"],
) -> Float[Tensor, "*batch channels 28 28"]:
    """Cut 28 × 28 pixels around the centre of mass out of larger images, as MNIST is centred.

    Example:
        >>> image = torch.zeros(1, 42, 42)
        >>> image[0, 10:12, 30:32] = 1
        >>> to_digit_size(image)[0, 13:15, 13:15].min() > 0.99
        tensor(True)
    """
    height, width = images.shape[-2:]
    ink = images.sum(-3).clamp(min=0) + 1e-9
    total = ink.sum((-2, -1))
    shift = []
    for size, across in ((width, -2), (height, -1)):
        place = torch.arange(size, dtype=images.dtype, device=images.device) - (size - 1) / 2
        shift.append((ink.sum(across) * place).sum(-1) / total)
    pose = torch.eye(3, dtype=images.dtype, device=images.device).repeat(*total.shape, 1, 1)
    pose[..., 0, 2], pose[..., 1, 2] = cast(tuple[Tensor, Tensor], shift)
    top, left = (height - _SIDE) // 2, (width - _SIDE) // 2
    return warp(images, pose)[..., top : top + _SIDE, left : left + _SIDE]
