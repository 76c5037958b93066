"""An experiment with a Topographic VAE as one value: model, sequences and training."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from symgen.data import MovingSprites, Sequences, SequenceSource, TransformingDigits, load
from symgen.data.images import paper_split
from symgen.data.transforming_digits import GROWTH, SCALES
from symgen.experiments.evaluation import evaluate
from symgen.latents import AxesTopography, Topography
from symgen.models import TVAE, VAE, BubbleVAE, TopographicVAE
from symgen.training import Training

__all__ = ["DataConfig", "Experiment", "ModelConfig", "SequenceExperiment"]


Mode = Literal["single", "rotation+hue", "perspective+hue", "growth", "position", "still"]


@dataclass(frozen=True)
class ModelConfig:
    """Which model, and its numbers."""

    kind: Literal["tvae", "bubble", "vae", "torus"] = "tvae"
    """Topographic VAE, BubbleVAE, plain VAE, or a 2-D torus of single units."""
    capsules: int = 18
    """Number of capsules, C (rows of the torus)."""
    units: int = 18
    """Units in a capsule, D (columns of the torus)."""
    window: int = 13
    """Frames that share energy, 2L in the paper; 1 is its L = 0. Unused by vae and torus."""
    neighbourhood: int = 3
    """Units of a capsule that share energy, K (side of the torus's patches). Unused by vae."""
    reference_window: bool = False
    """The authors' window: even windows lean forward, corners are cut."""
    hidden: tuple[int, ...] | None = None
    """Hidden units of the encoders, reversed for the decoder; None: the paper's (3N, 2N)."""
    mu: float = -30.0
    """Initial value of the offset mu."""
    eps: float = 1e-6
    """Keeps the energy's root away from zero."""
    standardise: bool = False
    """Feed the decoder latents of mean 0 and variance 1 under the prior."""
    initialisation: Literal["fan_in", "reference"] = "fan_in"
    """Torch's initial weights, or the authors' in the decoder."""
    output_bias: Literal["pixel", "channel"] = "pixel"
    """Bias of the last layer for every pixel, or for every colour channel as the authors'."""
    normalisation: Literal["none", "weight", "projected"] = "none"
    """Weight normalisation or projected gradient descent (the paper's Table 3)."""
    clamp_logits: bool = False
    """Hold the logits within ±15.94 as the authors' code does."""
    shift: float = 1.0
    """Units by which capsules roll per frame, such as D/S. Of tvae only."""
    boundary: Literal["cyclic", "zero"] = "cyclic"
    """Of time. Unused by vae and torus, as the next three."""
    capsule_boundary: Literal["cyclic", "zero"] = "cyclic"
    """Of the units of a capsule."""
    causal: bool = False
    """Share energy with past frames only."""
    axes: tuple[int, ...] | None = None
    """Units along each axis of a capsule, whose product is D; None for one axis. Of tvae only."""
    learn: Literal["none", "kernel", "speed"] = "none"
    """Train the neighbourhoods too: their weights, or the roll speed of each capsule."""
    ahead: int = 0
    """Predict: decode the latents of a frame into the frame so many frames later."""

    def build(self, frames: int, image_shape: tuple[int, int, int]) -> TopographicVAE:
        """Make the model; its weights come from the global random generator."""
        given = asdict(self)
        kind, axes, shift = (given.pop(name) for name in ("kind", "axes", "shift"))
        temporal = ("window", "neighbourhood", "reference_window")
        temporal += ("boundary", "capsule_boundary", "causal")
        size = {name: given.pop(name) for name in ("capsules", "units")} | {"frames": frames}
        extents = {name: given.pop(name) for name in temporal}
        if kind == "torus":
            grid = (self.capsules, self.units)
            topography = Topography.torus(grid, patch=self.neighbourhood)
            return TopographicVAE(image_shape=image_shape, topography=topography, **given)
        if kind == "vae":
            return VAE(image_shape=image_shape, **size, **given)
        if kind == "bubble":
            return BubbleVAE(image_shape=image_shape, **size, **extents, **given)
        if axes is None:
            return TVAE(image_shape=image_shape, **size, **extents, shift=shift, **given)
        if math.prod(axes) != size.pop("units") or extents.pop("reference_window"):
            raise ValueError(
                f"axes={axes} with units={self.units}, reference_window={self.reference_window}: "
                "units is the product of the axes, whose window is not the reference's"
            )
        topography = AxesTopography(shape=axes, **size, **extents, shift=shift)
        return TopographicVAE(image_shape=image_shape, topography=topography, **given)


@dataclass(frozen=True)
class DataConfig:
    """Which sequences, and how they are split."""

    scene: Literal["digits", "sprites"] = "digits"
    """Transforming digits, or dSprites that move."""
    images: Literal["mnist", "digits"] = "mnist"
    """Handwriting that moves: MNIST, or scikit-learn's embedded digits."""
    mode: Mode = "single"
    """What moves. Digits: one of rotation, scale and hue, two together, the scale without coming
    round (growth), or nothing. Sprites: one of four factors, or of the two positions."""
    test_mode: Mode | None = None
    """What happens to them in the test; None: the same."""
    split_seed: int = 0
    """Seed of the split: MNIST's 48,000 training images, or the sprites' held-out orbits."""
    root: Path | None = None
    """Folder of the image files; None: the environment variable SYMGEN_DATA."""
    download: bool = False
    """Fetch missing files over the network, with checked hashes."""

    def source(self, train: bool, device: str = "cpu") -> SequenceSource:
        """Open the training sequences or those held out for the test; a device makes them."""
        split = "train" if train else "test"
        mode: Any = self.mode if train else self._test_mode  # the source refuses unknown modes
        if self.scene == "sprites":
            return MovingSprites(split, split_seed=self.split_seed, device=device, mode=mode)
        images = load(self.images, self.root, split=split, download=self.download)
        if train and self.images == "mnist":
            images, _ = paper_split(images, self.split_seed)
        pixels = images.pixels.to(device)
        return TransformingDigits(pixels, mode)

    def labelled_images(self) -> tuple[Tensor, Tensor]:
        """Return test images (n, 1, H, W) uint8 and their classes (n,), for the torus map."""
        images = load(self.images, self.root, split="test", download=self.download)
        return images.pixels, images.labels

    @property
    def canonical(self) -> int:
        """Value of the moving factor that every test sequence shows, the reference of CapCorr."""
        return len(SCALES) - GROWTH if self._test_mode == "growth" else 0

    @property
    def _test_mode(self) -> Mode:
        return self.mode if self.test_mode is None else self.test_mode


class SequenceConfig(Protocol):
    """Which sequences to train on, and which are held out."""

    @property
    def canonical(self) -> int:
        """Value of the moving factor that every test sequence shows, the reference of CapCorr."""
        ...

    def source(self, train: bool, device: str = "cpu") -> SequenceSource:
        """Open the training sequences or those held out for the test; a device makes them."""
        ...


class SequenceExperiment:
    """What experiments with a Topographic VAE share, whatever their sequences come from."""

    model: ModelConfig
    data: SequenceConfig
    training: Training

    def build(self, device: str = "cpu") -> tuple[TopographicVAE, Sequences]:
        """Make the untrained model and its training sequences on a device.

        The seed is the training's; initial weights are drawn on the CPU, the same everywhere.

        Example:
            >>> experiment = Experiment(data=DataConfig(images="digits"))
            >>> model, data = experiment.build()
            >>> model.frames, data.batch_size
            (18, 32)
        """
        source = self.data.source(train=True, device=device)
        with torch.random.fork_rng():
            torch.manual_seed(self.training.seed)
            model = self.model.build(source.frames, source.image_shape)
        data = Sequences(source, self.training.batch_size, self.training.seed, device=device)
        return model.to(device), data

    def test_sequences(self, batch_size: int, seed: int) -> Sequences:
        """Make the held-out sequences, in fixed order, their transformations fixed by the seed."""
        return Sequences(self.data.source(train=False), batch_size, seed=seed, shuffle=False)

    def mean_image(self, sequences: int = 2000) -> Float[Tensor, "channels height width"]:
        """Average training frames, a baseline of predictions."""
        source = self.data.source(train=True)
        data = Sequences(source, min(50, len(source)), seed=self.training.seed)
        batches = math.ceil(min(sequences, len(data.source)) / data.batch_size)
        means = [data.batch(step).frames.mean((0, 1)) for step in range(batches)]
        return torch.stack(means).mean(0)

    def evaluate(
        self,
        model: TopographicVAE,
        *,
        items: int | None,
        samples: int,
        seed: int,
        observe: Callable[[int, int], None] | None = None,
    ) -> dict[str, Any]:
        """Measure a trained model on held-out sequences, see `evaluation.evaluate`."""
        return evaluate(
            model,
            self.test_sequences(batch_size=50, seed=seed),
            self.mean_image(),
            sequences=items,
            samples=samples,
            seed=seed,
            observe=observe,
            canonical=self.data.canonical,
        )


@dataclass(frozen=True)
class Experiment(SequenceExperiment):
    """A Topographic VAE trained on sequences."""

    family: ClassVar[str] = "topographic"

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    training: Training = field(default_factory=Training)
