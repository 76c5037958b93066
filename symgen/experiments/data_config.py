"""What all data of experiments have in common."""

from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from symgen._typed import type_fields
from symgen.data.batches import Source

__all__ = ["DataConfig"]


class DataConfig(ABC):
    """Which data to train on, and which are held out.

    Attributes:
        kind: its name in files.
        place: name of the setting that says where the files are; None for data without files.
        frames: frames in an item, known without opening the data.
    """

    kind: ClassVar[str]
    place: ClassVar[str | None] = None
    frames: int

    def __post_init__(self) -> None:
        type_fields(self)

    @abstractmethod
    def source(self, train: bool, device: str = "cpu") -> Source[Any]:
        """Open the training data or those held out for the test; a device makes the batches."""

    def validation_source(self, device: str = "cpu") -> Source[Any] | None:
        """Open what chooses the best weights of a training, None where nothing is kept for it."""
        return self.source(False, device) if getattr(self, "validation", False) else None

    def resolved(self, source: Any) -> Any:
        """Return the same data with what was found out when the source was opened."""
        return self

    def located(self, place: Path | None) -> Any:
        """Return the same data in another place, or as they are."""
        if place is None or self.place is None:
            return self
        return replace(self, **{self.place: place})  # pyright: ignore
