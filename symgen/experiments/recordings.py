"""An experiment with a Topographic VAE on the user's own recordings."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from symgen.data import Recordings
from symgen.data import open as open_recordings
from symgen.data.recordings_clips import RecordingSplit
from symgen.experiments.experiment import ModelConfig, SequenceExperiment
from symgen.models import TopographicVAE
from symgen.training import Training

__all__ = ["RecordingConfig", "RecordingExperiment", "RecordingModel"]


@dataclass(frozen=True)
class RecordingConfig:
    """Which recordings, how they are cut into clips, and how they are split."""

    canonical: ClassVar[int] = 0  # of factors, which recordings have none of

    data: Path | None = None
    """Recordings: an array (.npy, .npz) of shape (n, S, [channels,] height, width), a folder of
    folders of frames, a folder of frames, a video, or a folder of videos."""
    length: int | None = None
    """Frames in a clip; None: 16, or fewer where recordings are shorter."""
    stride: int | None = None
    """Frames of a recording between the starts of its clips; None: 1 in training, and as many as
    a clip covers in the test."""
    every: int = 1
    """Take every k-th frame of a recording."""
    rate: float | None = None
    """Frames per second to resample videos to."""
    size: tuple[int, int] | None = None
    """Height and width to resize frames to."""
    gray: bool = False
    """Turn colours to gray."""
    validation: float = 0.1
    """Share of the recordings that is kept for validation."""
    test: float = 0.1
    """Share of the recordings that is kept for the test."""
    split_seed: int = 0
    """Seed of the choice of recordings."""
    skip_broken: bool = False
    """Leave out recordings that are broken or too short, and list them."""
    cache: Path | None = None
    """Folder to keep decoded frames in; None: a temporary one until the command ends."""

    def open(self, split: RecordingSplit, device: str = "cpu") -> Recordings:
        """Open a split of the recordings.

        Raises:
            ValueError: if `data` is not set.
        """
        if self.data is None:
            raise ValueError("no recordings are named: give --data PATH")
        return open_recordings(
            self.data,
            split,
            length=self.length,
            stride=self.stride,
            every=self.every,
            rate=self.rate,
            size=self.size,
            gray=self.gray,
            validation=self.validation,
            test=self.test,
            split_seed=self.split_seed,
            skip_broken=self.skip_broken,
            cache=self.cache,
            device=device,
        )

    def source(self, train: bool, device: str = "cpu") -> Recordings:
        """Open the clips to train on or those of the test; a device makes them."""
        return self.open("train" if train else "test", device)


@dataclass(frozen=True)
class RecordingModel(ModelConfig):
    """Which model, and its numbers; those that are None follow the length of the clips."""

    capsules: int = 16
    """Number of capsules, C."""
    units: int | None = None  # pyright: ignore[reportIncompatibleVariableOverride]
    """Units in a capsule, D; None: one for every frame of a clip."""
    window: int | None = None  # pyright: ignore[reportIncompatibleVariableOverride]
    """Frames that share energy, 2L in the paper; None: two thirds of the frames of a clip."""

    def build(self, frames: int, image_shape: tuple[int, int, int]) -> TopographicVAE:
        """Make the model; its weights come from the global random generator.

        Example:
            >>> RecordingModel(capsules=2).build(15, (1, 8, 8)).topography.window
            10
        """
        units = frames if self.units is None else self.units
        window = round(2 / 3 * frames) if self.window is None else self.window
        sized = replace(self, units=units, window=window)
        return ModelConfig.build(sized, frames, image_shape)


@dataclass(frozen=True)
class RecordingExperiment(SequenceExperiment):
    """A Topographic VAE trained on the user's own recordings."""

    family: ClassVar[str] = "recordings"

    model: RecordingModel = field(default_factory=RecordingModel)
    data: RecordingConfig = field(default_factory=RecordingConfig)
    training: Training = field(default_factory=Training)
