"""What a training run leaves behind: lines of measurements and TensorBoard events."""

import json
import os
import zlib
from pathlib import Path
from typing import Any

from symgen._files import naming, write_atomically
from symgen.training.checkpoint import CHECKPOINT, saved_log

__all__ = ["last_record", "read_records"]

METRICS = "metrics.jsonl"


def read_records(path: Path | str) -> list[dict[str, Any]]:
    """Read the lines of a `metrics.jsonl`, none if it is not there, without a torn last line.

    Raises:
        ValueError: with file and line, if a line is no record of a step, or is not in the order
            of the steps; or if lines that the checkpoint of its run counted are gone or changed.
    """
    path = Path(path)
    counted = saved_log(path.parent / CHECKPOINT)  # before the log, which may be growing
    lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    first = lines[: counted["lines"]] if counted else []
    if counted is not None and counted != _log(len(first), zlib.crc32(b"".join(first))):
        lost = len(lines) < counted["lines"]
        what = f"ends at line {len(lines)}" if lost else "has other lines"
        raise ValueError(
            f"{path} {what}, where the checkpoint counted {counted['lines']}: put back a copy of "
            "it, or move the run folder away and start again"
        )
    records: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(_record(line, records[-1] if records else None))
        except (ValueError, RecursionError) as error:
            if number < len(lines) or line.endswith(b"\n"):
                raise ValueError(
                    f"{path}, line {number} {error}: {line[:99]!r}; mend or delete it"
                ) from error
    return records


def _record(line: bytes, before: dict[str, Any] | None) -> dict[str, Any]:
    """Parse a line of the log: an object with a step, after those of earlier steps."""
    try:
        record = json.loads(line)
    except ValueError as error:
        raise ValueError("is not JSON") from error
    if not isinstance(record, dict) or type(record.get("step")) is not int:
        raise ValueError("tells of no step")
    if before is not None:
        place, last = _place(record), _place(before)
        if place < last or (place == last and "extended" not in record):
            raise ValueError(f"comes after step {before['step']}")
    return record


def _place(record: dict[str, Any]) -> tuple[int, int]:
    """Return the step, and which of the lines of a step it is."""
    kinds = ("evaluation", "validation", "extended")
    return record["step"], next((n for n, kind in enumerate(kinds, 1) if kind in record), 0)


def _log(lines: int, checksum: int) -> dict[str, Any]:
    """Describe so many lines for a checkpoint, see `Checkpoint.log`."""
    return {"lines": lines, "checksum": f"{checksum:08x}"}


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

        self._path = path = folder / METRICS
        self.lines = [record for record in read_records(path) if record["step"] <= step]
        kept = "".join(json.dumps(record) + "\n" for record in self.lines).encode()
        self._count, self._checksum = len(self.lines), zlib.crc32(kept)
        write_atomically(path, lambda partial: partial.write_bytes(kept))
        events = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)
        self._files = (open(path, "ab"), events)  # noqa: SIM115

    def write(self, record: dict[str, Any]) -> None:
        """Add a record of plain values, tensors or arrays, some perhaps in its "evaluation"."""
        text = json.dumps(record, default=_plain)
        record = json.loads(text)
        self.lines.append(record)
        if self._files is None:
            return
        log, events = self._files
        line = f"{text}\n".encode()
        with naming(self._path):
            log.write(line)
            log.flush()
        self._count, self._checksum = self._count + 1, zlib.crc32(line, self._checksum)
        named = {f"training/{name}": value for name, value in record.items() if name != "step"}
        for kind in ("evaluation", "validation"):
            values = record.get(kind, {}).items()
            named |= {f"{kind}/{name}": value for name, value in values}
        with naming(self._path.with_name("tensorboard")):
            for name, value in named.items():
                if isinstance(value, int | float):
                    events.add_scalar(name, value, global_step=record["step"])

    def flush(self) -> dict[str, Any] | None:
        """Put all records on disk, which must come before a checkpoint that counts on them.

        Returns:
            What the checkpoint says of them, see `Checkpoint.log`.
        """
        if self._files is None:
            return None
        log, events = self._files
        with naming(self._path):
            os.fsync(log.fileno())
            events.flush()
        return _log(self._count, self._checksum)

    def __enter__(self) -> "Records":
        return self

    def __exit__(self, *error: object) -> None:
        for file in self._files or ():
            with naming(self._path):
                file.close()


def _plain(value: Any) -> Any:
    """Turn a tensor or array into plain values for JSON."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise ValueError(f"a record cannot hold {value!r}: give numbers, strings, lists or tensors")
