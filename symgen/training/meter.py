"""The meter of a training run: its latest values, its speed, whether all is finite."""

import time
from collections import deque
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Meter"]


def on_device(values: Float[Tensor, "..."], device: torch.device) -> Float[Tensor, "..."]:
    """Move values of double precision to a device, in single precision where it has no other."""
    return values.to(device, torch.float32 if device.type == "mps" else None)


class Meter:
    """Keeps the values of the latest `length` steps on their device, and the time that steps take.

    The run may have taken some `seconds` before.

    Args:
        length: steps whose values are kept.
        seconds: time that the run has taken before.

    Example:
        >>> meter = Meter(length=2)
        >>> for step, loss in enumerate((5.0, 3.0, 1.0)):
        ...     meter.add(step, {"loss": torch.tensor(loss)})
        >>> meter.means(step)
        {'loss': 2.0}
    """

    def __init__(self, length: int, seconds: float = 0.0) -> None:
        self.length = length
        self.names: tuple[str, ...] = ()
        self.recent: Float[Tensor, "steps values"] = torch.zeros(length, 0, dtype=torch.float64)
        self.seconds = seconds
        self._origin = time.monotonic() - seconds
        self._ticks = deque([seconds], maxlen=length + 1)

    def add(self, step: int, values: Mapping[str, Float[Tensor, ""]]) -> None:
        """Keep the values of a step, counted from 0, and take the time."""
        row = torch.stack(list(values.values()))
        if self.recent.shape != (self.length, len(row)):
            self.recent = torch.zeros(self.length, len(row), dtype=torch.float64)
        self.names, self.recent = tuple(values), on_device(self.recent, row.device)
        self.recent[step % self.length] = row
        self.seconds = time.monotonic() - self._origin
        self._ticks.append(self.seconds)

    def means(self, step: int, aligned: bool = False) -> dict[str, float]:
        """Average the latest values after a step, counted from 0.

        Aligned, as in a line of the log, are those since the last multiple of the length.
        """
        count = step % self.length + 1 if aligned else min(step + 1, self.length)
        return dict(zip(self.names, self.recent[:count].mean(0).tolist(), strict=True))

    def steps_per_second(self) -> float:
        """Return the recent speed."""
        return (len(self._ticks) - 1) / max(self.seconds - self._ticks[0], 1e-9)

    def pause(self) -> None:
        """Leave out the time since the last step, such as that of an evaluation."""
        self._origin = time.monotonic() - self.seconds

    def not_finite(self, step: int) -> tuple[int, dict[str, float]] | None:
        """Return the first of the latest steps with a value that is not finite, counted from 0."""
        finite = self.recent.isfinite().all(-1)
        if finite.all():
            return None
        rows = (~finite).nonzero().flatten().tolist()
        first = min(step - (step - row) % self.length for row in rows)
        values = self.recent[first % self.length].tolist()
        return first, dict(zip(self.names, values, strict=True))
