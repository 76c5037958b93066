"""What a training run leaves behind: lines of measurements and TensorBoard events."""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from symgen._files import write_atomically

__all__ = ["Records", "last_record", "read_records"]


def read_records(path: Path) -> list[dict[str, Any]]:
    """Read the lines of a log, leaving out a last line that was not written to its end.

    Args:
        path: a `metrics.jsonl`; a file that is not there has no lines.

    Raises:
        ValueError: if another line than the last is not JSON.
    """
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number == len(lines):
                break
            raise ValueError(
                f"{path}, line {number} is not JSON: {line!r}; mend or delete it"
            ) from error
    return records


def last_record(path: Path) -> dict[str, Any]:
    """Return the last line of a log that tells of training.

    Raises:
        ValueError: if there is none.
    """
    lines = [line for line in read_records(path) if "loss" in line]
    if not lines:
        raise ValueError(
            f"{path.parent} has no record of its training in {path.name}: let it run on with "
            f"symgen train --resume {path.parent}"
        )
    return lines[-1]


class Records:
    """Collects the records of a run and, if it has a folder, writes them there line by line.

    Opening it cuts off what an interrupted run wrote after its last checkpoint, so that every
    step is on record once.

    Args:
        folder: run folder, which gets `metrics.jsonl` and `tensorboard/`; None: memory only.
        step: updates done by the checkpoint; later records are dropped.

    Example:
        >>> with Records(folder=None, step=0) as records:
        ...     records.write({"step": 50, "examples": 1600, "loss": 371.5})
        >>> records.lines
        [{'step': 50, 'examples': 1600, 'loss': 371.5}]
    """

    def __init__(self, folder: Path | None, step: int) -> None:
        self.lines: list[dict[str, Any]] = []
        self._file = self._events = None
        if folder is None:
            return
        # Imported here: it costs a second, which a run without a folder need not spend.
        from torch.utils.tensorboard.writer import SummaryWriter

        path = folder / "metrics.jsonl"
        self.lines = [record for record in read_records(path) if record["step"] <= step]
        kept = "".join(json.dumps(record) + "\n" for record in self.lines)
        write_atomically(path, lambda partial: partial.write_text(kept, encoding="utf-8"))
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115
        self._events = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, record: dict[str, Any]) -> None:
        """Add a record; `record["step"]` says when it was taken.

        Args:
            record: numbers by name; `record["evaluation"]` may hold more of them.

        Raises:
            ValueError: if a value is neither plain nor a tensor or array.
        """
        text = json.dumps(record, default=_plain)
        record = json.loads(text)
        self.lines.append(record)
        if self._file is None or self._events is None:
            return
        self._file.write(text + "\n")
        self._file.flush()
        named = {f"training/{name}": value for name, value in record.items()}
        named |= {
            f"evaluation/{name}": value for name, value in record.get("evaluation", {}).items()
        }
        for name, value in named.items():
            if isinstance(value, int | float) and name != "training/step":
                self._events.add_scalar(name, value, global_step=record["step"])

    def flush(self) -> None:
        """Put all records on disk, which must come before a checkpoint that counts on them."""
        if self._file is not None and self._events is not None:
            os.fsync(self._file.fileno())
            self._events.flush()

    def __enter__(self) -> "Records":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None and self._events is not None:
            self._file.close()
            self._events.close()


def _plain(value: Any) -> Any:
    """Turn a tensor or array into plain values for JSON."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise ValueError(f"a record cannot hold {value!r}: give numbers, strings, lists or tensors")
