"""The folder of a run: who holds it, what it says of the run, its log and its checkpoint."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from symgen._files import write_json
from symgen.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from symgen.training.lock import hold
from symgen.training.records import METRICS, Records

__all__ = ["Run", "RunFolder"]

CONFIG = "config.json"
CHECKPOINT = "state/checkpoint.safetensors"


@dataclass(frozen=True, eq=False)
class Run:
    """The end of a training run.

    Attributes:
        folder: where it was written; None if nowhere.
        model: the trained model.
        step: updates done.
        examples: examples seen: sequences, or single images.
        seconds: time spent on them, evaluations not counted.
        finished: whether that is all of them.
        records: lines of the log, oldest first.
    """

    folder: Path | None
    model: Any
    step: int
    examples: int
    seconds: float
    finished: bool
    records: tuple[dict[str, Any], ...]

    def __repr__(self) -> str:
        losses = [line["loss"] for line in self.records if "loss" in line]
        loss = f", loss {losses[-1]:.2f}" if losses else ""
        state = "" if self.finished else ", stopped"
        where = "" if self.folder is None else f" in {self.folder}"
        return (
            f"Run({type(self.model).__name__}, {self.examples:,} examples in "
            f"{self.seconds:.0f} s{loss}{state}{where})"
        )


class RunFolder:
    """A run folder, or nothing on disk if there is no path: its records stay in memory.

    If its run is to be resumed, `checkpoint` is the state to go on from, else None.

    Raises:
        ValueError: if a run without a folder is to be resumed, or the checkpoint is damaged.
        FileExistsError: if the folder holds a run already and `resume` is off.
        FileNotFoundError: if there is no run to resume.
    """

    def __init__(self, path: Path | None, resume: bool) -> None:
        self.path = path
        self.checkpoint = self._find(resume)
        self._records = Records(None, 0)

    @property
    def state(self) -> Path | None:
        """Path of the checkpoint."""
        return None if self.path is None else self.path / CHECKPOINT

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Lines of the log, oldest first."""
        return self._records.lines

    @contextmanager
    def open(self, config: Mapping[str, Any]) -> Iterator["RunFolder"]:
        """Hold the folder, describe the run in it, and keep its log open.

        The description of a resumed run stays, except for its training, which may be longer now.
        """
        with hold(self.path):
            if self.path is not None:
                (self.path / CHECKPOINT).parent.mkdir(parents=True, exist_ok=True)
                path = self.path / CONFIG
                if self.checkpoint is not None and path.is_file():
                    described = json.loads(path.read_text(encoding="utf-8"))
                    config = described | {"training": config["training"]}
                write_json(path, dict(config))
            step = 0 if self.checkpoint is None else self.checkpoint.step
            with Records(self.path, step) as self._records:
                yield self

    def write(self, line: dict[str, Any]) -> None:
        """Add a line to the log."""
        self._records.write(line)

    def save(self, checkpoint: Checkpoint, model: Any) -> None:
        """Put the log, the state and the model on disk, in this order."""
        if self.path is None:
            return
        self._records.flush()
        save_checkpoint(self.path / CHECKPOINT, checkpoint)
        if hasattr(model, "save_pretrained"):
            model.save_pretrained(self.path)  # for those who use the model; resuming does not

    def _find(self, resume: bool) -> Checkpoint | None:
        if resume:
            if self.state is None:
                raise ValueError("resume=True without a folder: name the folder of the run")
            return load_checkpoint(self.state)
        # A run has a checkpoint before anything else; empty files are of one that never began.
        files = (CHECKPOINT, "model.safetensors", METRICS)
        paths = () if self.path is None else map(self.path.joinpath, files)
        if any(path.is_file() and path.stat().st_size for path in paths):
            raise FileExistsError(
                f"{self.path} holds a run already: resume it, or choose another folder for a new "
                "one"
            )
        return None
