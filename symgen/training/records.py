"""What a training run leaves behind: lines of measurements and TensorBoard events."""

import json
import os
from pathlib import Path
from typing import Any

from symgen._files import write_atomically

__all__ = ["last_record", "read_records"]

METRICS = "metrics.jsonl"


def read_records(path: Path) -> list[dict[str, Any]]:
    """Read the lines of a `metrics.jsonl`, none if it is not there, without a torn last line.

    Raises:
        ValueError: if another line than the last is not JSON.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number < len(lines):
                raise ValueError(
                    f"{path}, line {number} is not JSON: {line!r}; mend or delete it"
                ) from error
    return records


def last_record(path: Path) -> dict[str, Any]:
    """Return the last line of a log that tells of training, or raise a ValueError."""
    for line in reversed(read_records(path)):
        if "loss" in line:
            return line
    raise ValueError(
        f"{path.parent} has no record of its training in {path.name}: let it run on with "
        f"symgen train --resume {path.parent}"
    )


class Records:
    """Collects the records of a run and, if it has a folder, writes them there line by line.

    Opening it cuts off what an interrupted run wrote after the step of its last checkpoint, so
    that every step is on record once.
    """

    def __init__(self, folder: Path | None, step: int) -> None:
        self.lines: list[dict[str, Any]] = []
        self._files = None
        if folder is None:
            return
        # Imported here: it costs a second, which a run without a folder need not spend.
        from torch.utils.tensorboard.writer import SummaryWriter

        path = folder / METRICS
        self.lines = [record for record in read_records(path) if record["step"] <= step]
        kept = "".join(json.dumps(record) + "\n" for record in self.lines)
        write_atomically(path, lambda partial: partial.write_text(kept, encoding="utf-8"))
        events = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)
        self._files = (open(path, "a", encoding="utf-8"), events)  # noqa: SIM115

    def write(self, record: dict[str, Any]) -> None:
        """Add a record of plain values, tensors or arrays, some perhaps in its "evaluation"."""
        text = json.dumps(record, default=_plain)
        record = json.loads(text)
        self.lines.append(record)
        if self._files is None:
            return
        log, events = self._files
        log.write(text + "\n")
        log.flush()
        named = {f"training/{name}": value for name, value in record.items() if name != "step"}
        evaluation = record.get("evaluation", {}).items()
        named |= {f"evaluation/{name}": value for name, value in evaluation}
        for name, value in named.items():
            if isinstance(value, int | float):
                events.add_scalar(name, value, global_step=record["step"])

    def flush(self) -> None:
        """Put all records on disk, which must come before a checkpoint that counts on them."""
        if self._files is not None:
            log, events = self._files
            os.fsync(log.fileno())
            events.flush()

    def __enter__(self) -> "Records":
        return self

    def __exit__(self, *error: object) -> None:
        for file in self._files or ():
            file.close()


def _plain(value: Any) -> Any:
    """Turn a tensor or array into plain values for JSON."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise ValueError(f"a record cannot hold {value!r}: give numbers, strings, lists or tensors")
