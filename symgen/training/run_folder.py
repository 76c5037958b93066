"""The folder of a run: who holds it, what it says of the run, its log and its checkpoint."""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from symgen._files import read_json, remove_stale, write_json
from symgen.models.pretrained import WEIGHTS, Pretrained, weights_step
from symgen.training.checkpoint import (
    CHECKPOINT,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
    saved_log,
    saved_step,
)
from symgen.training.lock import RunBusy, hold
from symgen.training.provenance import commit
from symgen.training.records import METRICS, Records
from symgen.training.validation import BEST

__all__ = ["Run", "RunFolder", "require_current_weights"]

CONFIG = "config.json"


@dataclass(frozen=True, eq=False)
class Run:
    """The end of a training run.

    Returned by `fit`.

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

    If its run is to be resumed, `checkpoint` is the state to go on from, else None. Once it is
    open, `extended` says from how many examples to how many, if that makes its run longer.

    Raises:
        ValueError: if a run without a folder is to be resumed, or the checkpoint is damaged.
        FileExistsError: if the folder holds a run already and `resume` is off.
        FileNotFoundError: if there is no run to resume.
    """

    def __init__(self, path: Path | None, resume: bool) -> None:
        self.path = path
        self.checkpoint = self._find(resume)  # before it is held: `open` looks once more
        self.extended: dict[str, int] | None = None
        self._records = Records(None, 0)

    def unwritten(self) -> "RunFolder":
        """Return the same run as one that nothing is written of, as another process does that."""
        run = RunFolder(None, resume=False)
        run.checkpoint = self.checkpoint
        return run

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

        Raises:
            RunBusy: if somebody else holds it, or has trained in it since it was looked into.
            FileExistsError: if somebody else has begun a run in it since then.
            FileNotFoundError: if the run to resume is gone since then.
        """
        with hold(self.path):
            if self.path is not None:
                self._require_unchanged(self.path)
                state, path = (self.path / CHECKPOINT).parent, self.path / CONFIG
                state.mkdir(parents=True, exist_ok=True)
                remove_stale(state)
                if self.checkpoint is not None and path.is_file():
                    config = self._resumed(read_json(path), config["training"])
                write_json(path, dict(config))
            step = 0 if self.checkpoint is None else self.checkpoint.step
            with Records(self.path, step) as self._records:
                yield self

    def _require_unchanged(self, path: Path) -> None:
        """Refuse a folder that is no longer what it was before it was held.

        Going on from an old checkpoint would cut the log to it, which the new one counts on.
        """
        if self.checkpoint is None or not (path / CHECKPOINT).is_file():
            self._find(resume=self.checkpoint is not None)
            return
        now, before = saved_step(path / CHECKPOINT), self.checkpoint.step
        if (now, saved_log(path / CHECKPOINT)) != (before, self.checkpoint.log):
            raise RunBusy(
                f"another process has trained in {path} since it was read: it was at step "
                f"{before} and is at step {now}; resume it again"
            )

    def _resumed(self, config: dict[str, Any], training: dict[str, Any]) -> dict[str, Any]:
        """Return a description with another training, and what is on record of a longer one."""
        before, now = config["training"].get("examples", 0), training["examples"]
        if before < now and self.checkpoint is not None:
            self.extended = {"from": before, "to": now}
            entry = {"step": self.checkpoint.step, **self.extended, "commit": commit()}
            config = config | {"extended": [*config.get("extended", []), entry]}
        return config | {"training": training}

    def write(self, line: dict[str, Any]) -> None:
        """Add a line to the log."""
        self._records.write(line)

    def save(self, checkpoint: Checkpoint, model: Any) -> None:
        """Put the log, the state and the model on disk, in this order."""
        if self.path is None:
            return
        log = self._records.flush()
        save_checkpoint(self.path / CHECKPOINT, replace(checkpoint, log=log))
        self.save_model(model, checkpoint.step)

    def save_model(self, model: Any, step: int) -> None:
        """Write the model, which is of a step, for those who use it; resuming does not."""
        if self.path is not None:
            _save_model(model, self.path, step)

    def save_best(self, model: Any, step: int) -> None:
        """Write the model, which is the best one so far, beside the last one."""
        if self.path is not None:
            _save_model(model, self.path / BEST, step)

    def _find(self, resume: bool) -> Checkpoint | None:
        if resume:
            if self.state is None:
                raise ValueError("resume=True without a folder: name the folder of the run")
            return load_checkpoint(self.state)
        # A run has a checkpoint before anything else; empty files are of one that never began.
        files = (CHECKPOINT, WEIGHTS, METRICS)
        paths = () if self.path is None else map(self.path.joinpath, files)
        if any(path.is_file() and path.stat().st_size for path in paths):
            raise FileExistsError(
                f"{self.path} holds a run already: resume it (--resume), or name another folder "
                "for a new one (--out)"
            )
        return None


def _save_model(model: Any, folder: Path, step: int) -> None:
    if isinstance(model, Pretrained):
        model.save_pretrained(folder, step=step)
    elif hasattr(model, "save_pretrained"):
        model.save_pretrained(folder)


def require_current_weights(folder: Path) -> int | None:
    """Return the step of the weights in a run folder, None of weights that no training wrote.

    Raises:
        ValueError: if its checkpoint is of another step, as after a process was killed between
            writing the two, or `model.safetensors` is gone or damaged.
    """
    state = folder / CHECKPOINT
    found = weights_step(folder)
    if state.is_file() and (wanted := saved_step(state)) != found:
        is_there = (folder / WEIGHTS).is_file()
        told = f"holds weights of step {found}"
        held = "is damaged or of no training" if found is None else told
        what = held if is_there else "is missing"
        raise ValueError(
            f"{folder / WEIGHTS} {what}, the checkpoint is of step {wanted}: "
            f"{shlex.join(['symgen', 'train', '--resume', str(folder)])} writes it anew"
        )
    return found
