"""Steps that are captured once in a CUDA graph, and replayed."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from symgen.training.settings import Training
from symgen.training.step import step

__all__ = ["CapturedSteps", "uncapturable"]

_WARM_UP = 3  # steps of every kind before it is captured: libraries choose, memory is taken
Values = dict[str, Float[Tensor, ""]]


def uncapturable(optimizer: Any, training: Training, device: torch.device, world: int) -> str:
    """Say why the steps of a training cannot be captured; nothing if they can."""
    if device.type != "cuda":
        return f"on {device.type}"
    if not training.capture:
        return "capture is off"
    if world > 1:
        return "several processes"
    if training.decay:
        return "decay follows the learning rate"
    if not all(isinstance(group["lr"], Tensor) for group in optimizer.param_groups):
        return f"{type(optimizer).__name__} cannot be captured"
    return ""


class CapturedSteps:
    """Takes steps as `step` does, replaying graphs of them: one launch instead of hundreds.

    Inputs, weights of the terms and learning rates are put where the graph reads them. There is a
    graph for every roll. Its first steps are taken one by one, the same as by the graph. What
    cannot be captured goes on in this way, and `why` says why.

    Args:
        model: what is trained.
        optimizer: with learning rates that are tensors.
        how: further arguments of `step` that are the same in every one.
        capture: makes the graph of what is computed within it: `torch.cuda.graph`.
        aside: where steps are taken before: a stream of their own, as capturing asks for.
    """

    def __init__(
        self,
        model: Any,
        optimizer: torch.optim.Optimizer,
        how: dict[str, Any],
        capture: Callable[[Any], AbstractContextManager[Any]] = torch.cuda.graph,
        graph: Callable[[], Any] = torch.cuda.CUDAGraph,
        aside: Callable[[], AbstractContextManager[Any]] | None = None,
    ) -> None:
        self.model, self.optimizer, self.how = model, optimizer, how
        self.why = ""
        self._capture, self._graph, self._aside = capture, graph, aside or _aside
        self._graphs: dict[int, tuple[Any, Values]] = {}
        self._seen: Counter[int] = Counter()
        self._inputs: list[Tensor] = []
        self._weights: dict[str, Tensor] = {}

    def __call__(
        self, inputs: Sequence[Tensor], weight: Callable[[str], float], roll: int
    ) -> Values:
        """Take a step; see `step`."""
        self._put(inputs, weight)
        if roll not in self._graphs and not self.why and self._seen[roll] >= _WARM_UP:
            try:
                self._captured(weight, roll)
            except RuntimeError as error:
                self.why = str(error).partition("\n")[0]
        if roll in self._graphs:
            graph, values = self._graphs[roll]
            graph.replay()
            return values
        self._seen[roll] += 1
        with self._aside():
            return self._step(weight, roll)

    def _put(self, inputs: Sequence[Tensor], weight: Callable[[str], float]) -> None:
        if not self._inputs:
            self._inputs = [x.clone() for x in inputs]
        for place, x in zip(self._inputs, inputs, strict=True):
            place.copy_(x)
        for name, place in self._weights.items():
            place.fill_(weight(name))

    def _captured(self, weight: Callable[[str], float], roll: int) -> None:
        self.optimizer.zero_grad()
        graph = self._graph()
        with self._capture(graph):
            values = self._step(weight, roll)
        self._graphs[roll] = graph, values

    def _step(self, weight: Callable[[str], float], roll: int) -> Values:
        def held(name: str) -> Tensor:
            if name not in self._weights:
                like = self._inputs[0]
                self._weights[name] = torch.full((), weight(name), device=like.device)
            return self._weights[name]

        return step(self.model, self.optimizer, self._inputs, held, roll=roll, **self.how)


class _aside:
    """A stream of its own, which waits for the present one, and is waited for."""

    def __enter__(self) -> None:
        self.present, self.own = torch.cuda.current_stream(), torch.cuda.Stream()
        self.own.wait_stream(self.present)
        self.context = torch.cuda.stream(self.own)
        self.context.__enter__()

    def __exit__(self, *error: Any) -> None:
        self.context.__exit__(*error)
        self.present.wait_stream(self.own)
