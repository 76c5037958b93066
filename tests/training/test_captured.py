"""What CUDA asks of a step, as far as it can be told without one."""

from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from ace_helpers import awake
from model_helpers import MODELS, inputs
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from training_helpers import Terms, make_data, make_model

from symgen import ACE, fit
from symgen.training import Training, resolved_precision, step
from symgen.training.captured import CapturedSteps, uncapturable
from symgen.training.optimizer import make_optimizer, set_rates


class OnDevice(TorchDispatchMode):
    """Refuses tensors that do not lie on the device `meta`, which has no numbers to wait for."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for leaf in tree_leaves((args, kwargs or {})):
            if isinstance(leaf, Tensor) and leaf.device.type != "meta":
                raise RuntimeError(f"{func} is given a tensor of the host")
        return func(*args, **kwargs or {})


@pytest.fixture
def no_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let autocast, which does not know `meta`, take it for a processor."""

    def known(of: Any) -> Any:
        return lambda kind, *given, **named: of("cpu" if kind == "meta" else kind, *given, **named)

    for name in ("autocast", "is_autocast_enabled"):
        monkeypatch.setattr(torch, name, known(getattr(torch, name)))


def take_step(model: nn.Module, given: list[Tensor]) -> dict[str, Tensor]:
    model.to("meta").train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, foreach=True)
    take = partial(step, model, optimizer, given, lambda name: 0.5, clip_norm=1.0)
    take()  # what is made once, such as W, is on the device from then on
    with OnDevice():
        return take()


@pytest.mark.usefixtures("no_numbers")
@pytest.mark.parametrize("name", MODELS)
def test_a_step_waits_for_no_number_and_takes_no_tensor_of_the_host(name: str) -> None:
    model = MODELS[name]()
    given = [x.to("meta") for x in inputs(model)]
    if isinstance(model, ACE):
        awake(model)
    values = take_step(model, given)
    assert {value.device.type for value in values.values()} == {"meta"}


class Waits(nn.Module):
    """Looks at a number, or at a tensor of the host."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.weight = how, nn.Parameter(torch.ones(4, 4))

    def forward(self, x: Tensor) -> Terms:
        other = torch.ones(4, 4) if self.how == "host" else self.weight
        nll = x @ (self.weight + other)
        return Terms(nll * nll.sum().item() if self.how == "item" else nll, nll, nll)


@pytest.mark.usefixtures("no_numbers")
@pytest.mark.parametrize("how", ["item", "host", "neither"])
def test_a_step_that_waited_would_be_caught(how: str) -> None:
    with pytest.raises(RuntimeError) if how != "neither" else nullcontext():
        take_step(Waits(how), [torch.empty(3, 4, device="meta")])


class Graph:
    """Stands for a CUDA graph: computes again what was computed while it was made."""

    made: list["Graph"] = []

    def __init__(self) -> None:
        self.replay: Callable[[], Any] = lambda: None
        Graph.made.append(self)


def captured_of(model: Any, optimizer: Any, fail: bool = False) -> CapturedSteps:
    """Return steps whose graphs hold the values that are copied in, as those of CUDA do."""
    steps = CapturedSteps(model, optimizer, {"clip_norm": 1.0}, nullcontext, Graph, nullcontext)

    @contextmanager
    def capture(graph: Graph):
        if fail:
            raise RuntimeError("operation not permitted\nwhen stream is capturing")
        state = torch.get_rng_state()
        weights = {n: w.clone() for n, w in model.state_dict().items()}
        yield  # computes in earnest, which a graph does only when it is replayed
        torch.set_rng_state(state)
        model.load_state_dict(weights)
        optimizer.load_state_dict({**optimizer.state_dict(), "state": before})

    def replayed(weight: Any, roll: int) -> None:
        nonlocal before
        before = {
            n: {k: v.clone() for k, v in each.items()}
            for n, each in optimizer.state_dict()["state"].items()
        }
        original(weight, roll)
        graph, values = steps._graphs[roll]

        def again() -> None:
            found = steps._step(lambda name: pytest.fail("weights are read from tensors"), roll)
            for name, value in found.items():
                values[name].copy_(value)

        graph.replay = again

    before: dict[Any, Any] = {}
    original, steps._captured = steps._captured, replayed  # pyright: ignore
    steps._capture = capture  # pyright: ignore
    return steps


@pytest.mark.parametrize("fail", [False, True])
def test_replayed_steps_are_those_that_are_taken_one_by_one(fail: bool) -> None:
    training, data = Training(kl_warmup=80, warmup=40, batch_size=8, clip_norm=1.0), make_data()
    Graph.made = []
    found = []
    for way in ("one by one", "captured"):
        model = make_model()
        optimizer = make_optimizer(model, training)
        for group in optimizer.param_groups:
            group["lr"] = torch.tensor(group["lr"])
        steps = captured_of(model, optimizer, fail)
        torch.manual_seed(2)
        losses = []
        for number in range(12):
            set_rates(optimizer, training, number, 40)
            batch, weight, roll = data.batch(number).inputs, 0.1 * number, number % 2
            if way == "captured":
                values = steps(batch, lambda name, w=weight: w, roll)
            else:
                values = step(
                    model, optimizer, batch, lambda name, w=weight: w, roll=roll, clip_norm=1.0
                )
            losses.append(values["loss"].item())
        found.append((losses, model.state_dict()))
    (one, weights), (other, others) = found
    assert one == pytest.approx(other, rel=1e-6)
    for name, weight in weights.items():
        torch.testing.assert_close(weight, others[name])
    assert len(Graph.made) == (1 if fail else 2)  # one for each roll
    assert steps.why == ("operation not permitted" if fail else "")


def test_what_cannot_be_captured_is_named() -> None:
    optimizer = torch.optim.Adam(make_model().parameters())
    cuda = torch.device("cuda")

    def why(world: int = 1, **settings: Any) -> str:
        return uncapturable(optimizer, Training(**settings), cuda, world)

    assert uncapturable(optimizer, Training(), torch.device("cpu"), 1) == "on cpu"
    assert why(capture=False) == "capture is off"
    assert why(world=2) == "several processes"
    assert why(optimizer="AdamW", decay=0.1) == "decay follows the learning rate"
    assert why() == "Adam cannot be captured"
    for group in optimizer.param_groups:
        group["lr"] = torch.tensor(group["lr"])
    assert why() == ""


def test_tf32_is_refused_where_there_is_none() -> None:
    with pytest.raises(ValueError, match="precision='tf32' on cpu: only CUDA has it"):
        resolved_precision(Training(precision="tf32"), "cpu")
    assert resolved_precision(Training(precision="tf32"), "cuda") == "tf32"


def test_a_graph_trains_as_steps_one_by_one_do_and_goes_on_bit_for_bit(
    device: torch.device, tmp_path: Path
) -> None:
    if device.type != "cuda":
        pytest.skip("CUDA alone has graphs")
    how: dict[str, Any] = {"rolled": 0.5, "clip_norm": 10.0, "kl_warmup": 80, "log_every": 5}

    def trained(examples: int, **more: Any) -> Any:
        return fit(make_model().to(device), make_data(), examples=examples, **how, **more)

    one_by_one, graph = trained(240, capture=False), trained(240)
    assert graph.records[-1]["steps_taken"] == "by graph"
    assert one_by_one.records[-1]["steps_taken"] == "one by one: capture is off"
    trained(120, folder=tmp_path)
    resumed = trained(240, folder=tmp_path, resume=True)
    for name, weight in graph.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name
        torch.testing.assert_close(weight, one_by_one.model.state_dict()[name])
