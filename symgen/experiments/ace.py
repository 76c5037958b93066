"""An experiment with ACE as one value: model, labelled images and training."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch

from symgen.data import Batches, DistortedImages, load
from symgen.experiments.ace_evaluation import evaluate
from symgen.models import ACE
from symgen.training import Training

__all__ = ["ACEConfig", "ACEExperiment", "ImageConfig"]


@dataclass(frozen=True)
class ACEConfig:
    """Which ACE, and its numbers."""

    latents: int = 1
    """Style latents of each class."""
    latent: Literal["gaussian", "laplace"] = "gaussian"
    """Density of styles and poses."""
    encoder: Literal["dense", "conv", "shared"] = "dense"
    """What reads the style: tanh layers, two convolutions, or the classifier's own features."""
    hidden: tuple[int, ...] = (700,)
    """Units of the dense encoder."""
    decoder: Literal["dense", "conv"] = "dense"
    """Dense decoders, or such that end in two transposed convolutions."""
    decoder_hidden: tuple[int, ...] = (700,)
    """Units of each class's decoder."""
    shallow_latents: int = 0
    """Of the latents, those read off the shared trunk's first features."""
    pose: Literal["affine", "raw", "centre"] | None = "affine"
    """Symmetry statistics: an affine map as exponential or as raw numbers, a shift, or none."""
    colour_pose: bool = False
    """Also factor a colour matrix out."""
    pose_groups: int = 1
    """Number of maps, each for a group of feature maps."""
    stem_channels: int = 4
    """Feature maps in each group."""
    charged: bool = False
    """Count the KL of the pose and sample it; otherwise it is free, as in the paper."""
    outside: Literal["background", "border"] = "background"
    """What lies outside an image: black and a learned logit, or the repeated edge."""
    classifier_channels: tuple[int, ...] = (32, 64, 128)
    """Channels of the classifier's 3 × 3 convolutions."""
    classifier_hidden: int = 700
    """Units between its features and the classes."""
    classifier_window: int | None = None
    """Side of the middle of the canonical image that the classifier sees; None for all."""
    classifier_pool: int = 1
    """How much coarser the classifier sees it."""
    pose_channels: tuple[int, ...] = (20, 20)
    """Channels of the pose net's 5 × 5 convolutions."""
    pose_hidden: int = 50
    """Units between its features and the pose."""
    pose_pool: int = 1
    """How much coarser the pose net sees the image."""
    pose_readings: int = 1
    """How often it reads, from the second time on the canonical form found so far."""
    dropout: float = 0.5
    """Probability to drop a hidden unit of the classifier."""
    initialisation: Literal["fan_in", "paper"] = "fan_in"
    """Initial weights: such that keep the size of the numbers, or the paper's."""

    def build(self, image_shape: tuple[int, int, int], classes: int) -> ACE:
        """Make the model; its weights come from the global random generator."""
        return ACE(image_shape=image_shape, classes=classes, **asdict(self))


@dataclass(frozen=True)
class ImageConfig:
    """Which labelled images, and how they are distorted."""

    images: Literal["mnist", "digits", "cifar10"] = "mnist"
    """MNIST, scikit-learn's embedded digits, or CIFAR-10."""
    distortion: Literal["none", "translated", "rts", "tc", "hue"] = "none"
    """What is done to them: nothing, shifts, RTS, TC (clutter), or a hue."""
    fixed: bool = False
    """One distortion per training image; otherwise afresh every time. Test images: always one."""
    distortion_seed: int = 0
    """Seed of the fixed distortions."""
    root: Path | None = None
    """Folder of the image files; None: the environment variable SYMGEN_DATA."""
    download: bool = False
    """Fetch missing files over the network, with checked hashes."""

    def source(self, train: bool, device: str = "cpu") -> DistortedImages:
        """Open the training or the test images; a device makes the batches."""
        split = "train" if train else "test"
        images = load(self.images, self.root, split=split, download=self.download)
        images = images._replace(pixels=images.pixels.to(device))
        return DistortedImages(
            images, self.distortion, fixed=self.fixed or not train, seed=self.distortion_seed
        )


@dataclass(frozen=True)
class ACEExperiment:
    """ACE trained on labelled images."""

    family: ClassVar[str] = "ace"

    model: ACEConfig = field(default_factory=ACEConfig)
    data: ImageConfig = field(default_factory=ImageConfig)
    training: Training = field(default_factory=Training)

    def build(self, device: str = "cpu") -> tuple[ACE, Batches[Any]]:
        """Make the untrained model and its training images on a device.

        The seed is the training's; initial weights are drawn on the CPU, the same everywhere.

        Example:
            >>> experiment = ACEExperiment(data=ImageConfig(images="digits", distortion="rts"))
            >>> model, data = experiment.build()
            >>> model.image_shape, data.batch_size
            ((1, 42, 42), 32)
        """
        source = self.data.source(train=True, device=device)
        with torch.random.fork_rng():
            torch.manual_seed(self.training.seed)
            model = self.model.build(source.image_shape, source.classes)
        data = Batches(source, self.training.batch_size, self.training.seed, device=device)
        return model.to(device), data

    def test_images(self, batch_size: int = 250) -> Batches[Any]:
        """Make the test images, in fixed order, each with its one distortion."""
        return Batches(self.data.source(train=False), batch_size, shuffle=False)

    def evaluate(
        self,
        model: ACE,
        *,
        items: int | None,
        samples: int,
        seed: int,
        observe: Callable[[int, int], None] | None = None,
    ) -> dict[str, Any]:
        """Measure a trained model on the test images, see `ace_evaluation.evaluate`."""
        return evaluate(
            model, self.test_images(), images=items, samples=samples, seed=seed, observe=observe
        )
