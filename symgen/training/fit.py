"""The training loop."""

import json
import math
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from symgen.data.batches import Batches
from symgen.training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
    write_atomically,
)
from symgen.training.lazy_adam import LazyAdam
from symgen.training.memory import keep_freed_memory
from symgen.training.optimisation import (
    Training,
    kl_weight,
    make_optimizer,
    set_rates,
)
from symgen.training.precision import resolved_precision
from symgen.training.records import Progress, Records, Run

__all__ = ["TrainingDiverged", "TrainingStopped", "fit"]

_REPORT_EVERY = 0.25  # seconds; a GPU has to be waited for at each


class TrainingDiverged(RuntimeError):
    """The loss, the gradient or a weight is no longer a finite number."""


class TrainingStopped(RuntimeError):
    """A signal ended the training early; `run` is what there is of it."""

    def __init__(self, message: str, run: Run) -> None:
        super().__init__(message)
        self.run = run


def fit(
    model: Any,
    data: Batches[Any],
    training: Training | None = None,
    folder: Path | str | None = None,
    *,
    resume: bool = False,
    config: Mapping[str, Any] | None = None,
    observe: Callable[[Progress], object] | None = None,
    evaluate: Callable[[Any], dict[str, Any]] | None = None,
    evaluate_every: int = 0,
    **settings: Any,
) -> Run:
    """Train a model by stochastic gradient steps on the negative ELBO.

    The loss is the sum of the terms of `model.elbo`, each averaged over all its entries, in nats.
    Those whose names begin with `kl_` have a weight, which is 1 after `kl_warmup`.
    A resumed run continues bit for bit as if it had never stopped, on the same machine with the
    same number of threads; after a crash it goes back to the last checkpoint. The generators of
    torch are left as they were found.

    Args:
        model: a module with `image_shape`, `elbo`, `terms` (the names of what `elbo` returns) and
            `save_pretrained`, with `frames` if it takes sequences and `project_` if its weights
            obey a constraint, such as `symgen.TVAE`; trained in place, on its device.
        data: batches, whose `inputs` `elbo` takes; moved to the device of the model.
        training: all numbers of the run; by default `Training()` with the batch size of `data`.
        folder: run folder to write; None writes nothing.
        resume: whether to continue the run in `folder` rather than start one.
        config: what it takes to run again, for `config.json` in the folder of a new run.
        observe: is told the progress a few times per second, and at the end.
        evaluate: measures the model, without gradients, in evaluation mode and with noise of its
            own, so that training goes on as if it had not been called; its numbers join the log.
        evaluate_every: steps between evaluations; 0 evaluates at the end only.
        **settings: numbers of `Training` to replace, by name.

    Returns:
        The run: its model, its length, its log.

    Raises:
        ValueError: if a number is out of range, model and data do not fit together, or the run
            to resume had other settings or is damaged.
        FileExistsError: if the folder holds a run already and `resume` is off.
        FileNotFoundError: if there is no run to resume.
        TrainingDiverged: if the loss is no longer finite; the last checkpoint stays.
        TrainingStopped: at the first SIGINT or SIGTERM, once the state is saved.

    Example:
        >>> from symgen import TVAE
        >>> from symgen.data import Sequences, TransformingDigits, load
        >>> data = Sequences(TransformingDigits(load("digits").pixels), batch_size=8)
        >>> model = TVAE(image_shape=(3, 28, 28), capsules=2, units=18, frames=18, window=6)
        >>> run = fit(model, data, sequences=16, log_every=1)
        >>> run.step, run.records[-1]["loss"] < run.records[0]["loss"]
        (2, True)
    """
    # Set-up. Whatever can be wrong is found before anything is written.
    training = (training or Training(batch_size=data.batch_size)).changed(settings)
    _check_fit(model, data, training, evaluate_every)
    optimizer = make_optimizer(model, training)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    mu = dict(model.named_parameters()).get("mu")
    device, dtype = parameters[0].device, parameters[0].dtype
    zero = torch.zeros((), device=device)
    frames = _frames(model)
    project = getattr(model, "project_", lambda: None)
    devices = [device] if device.type == "cuda" else []
    columns = ("loss", *model.terms, *(["gradient_norm"] if training.clip_norm else []))
    recent = torch.zeros(training.log_every, len(columns), dtype=torch.float64, device=device)
    precision = resolved_precision(training, device.type)
    identity = training.trajectory() | _describe(data)
    identity |= {"device": device.type, "precision": precision}
    folder = None if folder is None else Path(folder)
    state = None if folder is None else folder / "state" / "checkpoint.safetensors"
    checkpoint = _find_checkpoint(folder, state, resume)
    step, seconds = 0, 0.0
    if checkpoint is not None:
        older = Training().trajectory() | {"data_source": identity["data_source"]}
        checkpoint.require_same(identity, model, older)
        step, seconds = checkpoint.step, checkpoint.seconds
    if folder is not None and state is not None:
        state.parent.mkdir(parents=True, exist_ok=True)
        if config is not None and not resume:
            text = json.dumps(config, indent=2) + "\n"
            write_atomically(folder / "config.json", lambda partial: partial.write_text(text))

    if device.type == "cpu":
        keep_freed_memory()
    with (
        torch.random.fork_rng(devices),
        Records(folder, step) as records,
        _signals() as stop,
    ):

        def save() -> None:
            _require_finite(recent, columns, step, training, state)
            _require_finite_state(model, optimizer, step, training, state)
            if folder is not None and state is not None:
                records.flush()
                now = Checkpoint.capture(step, seconds, identity, model, optimizer, recent)
                save_checkpoint(state, now)
                model.save_pretrained(folder)  # for those who use the model; resuming does not

        if checkpoint is not None:
            checkpoint.restore(model, optimizer, recent)
        else:
            torch.manual_seed(training.seed)
            save()  # so that there is something to resume from the first second on
        model.train()
        saved_step, saved, reported = step, time.monotonic(), -math.inf
        origin = time.monotonic() - seconds
        ticks = deque([seconds], maxlen=training.log_every + 1)

        # The loop. `step` counts the updates that are done.
        while step < training.steps and not stop.is_set():
            rate = set_rates(optimizer, training, step, len(data.source))
            weights = {
                name: kl_weight(training, step, name) if name.startswith("kl_") else 1.0
                for name in model.terms
            }

            batch = data.batch(step)
            inputs = [x.to(device, dtype if x.is_floating_point() else None) for x in batch.inputs]
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
                elbo = model.elbo(*inputs)
            terms = {name: getattr(elbo, name).mean() for name in model.terms}
            loss = sum((weights[name] * term for name, term in terms.items()), zero)
            optimizer.zero_grad()
            loss.backward()
            values = [loss, *terms.values()]
            if training.clip_norm is not None:
                values.append(nn.utils.clip_grad_norm_(parameters, training.clip_norm))
            recent[step % training.log_every] = torch.stack(values).detach()
            step += 1
            last = step == training.steps
            logs = last or step % training.log_every == 0
            if logs or device.type == "cpu":  # elsewhere looking means waiting
                _require_finite(recent, columns, step, training, state)
            if isinstance(optimizer, LazyAdam):
                optimizer.step(present=batch.labels.unique())
            else:
                optimizer.step()
            project()

            now = time.monotonic()
            seconds = now - origin
            ticks.append(seconds)
            sequences = step * training.batch_size
            speed = training.batch_size * (len(ticks) - 1) / max(seconds - ticks[0], 1e-9)
            taken = {"step": step, "sequences": sequences, "seconds": seconds}
            if logs:
                means = recent[: (step - 1) % training.log_every + 1].mean(0).tolist()
                records.write(
                    taken
                    | {"frames": sequences * frames}
                    | dict(zip(columns, means, strict=True))
                    | {f"weight_{name}": w for name, w in weights.items() if "kl_" in name}
                    | {"mu": None if mu is None else mu.item()}
                    | {"learning_rate": rate}
                    | {"sequences_per_second": speed}
                )
            if observe is not None and (last or now - reported >= _REPORT_EVERY):
                reported = now
                left = (training.steps - step) * training.batch_size / speed
                loss, *means = recent[:step].mean(0).tolist()
                terms = dict(zip(model.terms, means, strict=False))  # but not the gradient's norm
                progress = Progress(
                    step, training.steps, sequences, seconds, speed, left, loss, terms
                )
                observe(progress)
            if evaluate is not None and (last or (evaluate_every and step % evaluate_every == 0)):
                measured = _measure(model, evaluate, training.seed, devices)
                records.write(taken | {"evaluation": measured})
                origin = time.monotonic() - seconds  # an evaluation is not training
            if now - saved >= training.checkpoint_every:
                save()
                saved_step, saved = step, time.monotonic()

        if step > saved_step:
            save()

    run = Run(
        folder=folder,
        model=model,
        step=step,
        sequences=step * training.batch_size,
        seconds=seconds,
        finished=step >= training.steps,
        records=tuple(records.lines),
    )
    if not run.finished:
        how = (
            "without a folder it cannot be resumed, but the model keeps what it has learned"
            if folder is None
            else f"resume with: symgen train --resume {folder}"
        )
        raise TrainingStopped(f"stopped at step {step} of {training.steps}; {how}", run)
    return run


def _check_fit(model: Any, data: Batches[Any], training: Training, evaluate_every: int) -> None:
    """Refuse what cannot be trained together."""
    given = (_frames(data.source), tuple(data.source.image_shape))
    wanted = (_frames(model), tuple(model.image_shape))
    if given != wanted:
        raise ValueError(
            f"the data have {given[0]} frames of shape {given[1]}, the model takes {wanted[0]} "
            f"of shape {wanted[1]}: build the model with the frames and image_shape of the data"
        )
    if data.batch_size != training.batch_size:
        raise ValueError(
            f"batch_size={training.batch_size} but the data come in batches of "
            f"{data.batch_size}: give both the same"
        )
    if not data.shuffle and len(data.source) % data.batch_size:
        raise ValueError(
            f"unshuffled data of {len(data.source)} items end on a smaller batch than "
            f"{data.batch_size}: shuffle them, or take a batch size that divides their number"
        )
    if evaluate_every < 0:
        raise ValueError(f"evaluate_every={evaluate_every}: give a number of steps, or 0")


def _frames(model_or_source: Any) -> int:
    """Count the frames of an item, 1 where it is a single image."""
    return getattr(model_or_source, "frames", 1)


def _describe(data: Batches[Any]) -> dict[str, Any]:
    """Name what the batches depend on, as far as it can be told apart."""
    plain = type(data.source).__repr__ is object.__repr__  # tells an address, not the content
    return {
        "data": type(data.source).__name__,
        "data_source": None if plain else repr(data.source),
        "data_items": len(data.source),
        "data_seed": data.seed,
        "data_shuffled": data.shuffle,
    }


def _find_checkpoint(folder: Path | None, state: Path | None, resume: bool) -> Checkpoint | None:
    """Load the checkpoint to resume; make sure that there is none to overwrite otherwise."""
    if resume:
        if state is None:
            raise ValueError("resume=True without a folder: name the folder of the run")
        return load_checkpoint(state)
    # A run has a checkpoint before it has anything else; empty files are of one that never began.
    marks = ("state/checkpoint.safetensors", "model.safetensors", "metrics.jsonl")
    paths = [] if folder is None else [folder / mark for mark in marks]
    if any(path.is_file() and path.stat().st_size for path in paths):
        raise FileExistsError(
            f"{folder} holds a run already: resume it, or choose another folder for a new one"
        )
    return None


def _measure(
    model: Any, evaluate: Callable[[Any], dict[str, Any]], seed: int, devices: list[torch.device]
) -> dict[str, Any]:
    """Evaluate with the same noise each time, leaving the noise of the training alone."""
    with torch.random.fork_rng(devices), torch.no_grad():
        torch.manual_seed(seed)
        model.eval()
        measured = evaluate(model)
        model.train()
    return measured


def _require_finite(
    recent: Float[Tensor, "steps terms"],
    columns: tuple[str, ...],
    step: int,
    training: Training,
    state: Path | None,
) -> None:
    """Raise TrainingDiverged for the first of the latest steps with a term that is not finite."""
    finite = recent.isfinite().all(-1)
    if finite.all():
        return
    rows = (~finite).nonzero().flatten().tolist()
    steps = {step - (step - 1 - row) % len(recent): row for row in rows}
    first = min(steps)
    values = zip(columns, recent[steps[first]].tolist(), strict=True)
    raise _diverged(f"step {first}: {', '.join(f'{n}={v:g}' for n, v in values)}", training, state)


def _require_finite_state(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    step: int,
    training: Training,
    state: Path | None,
) -> None:
    """Raise TrainingDiverged if a parameter or a moment of the optimiser is not finite."""
    for name, parameter in model.named_parameters():
        moments = [v for v in optimizer.state.get(parameter, {}).values() if isinstance(v, Tensor)]
        if not all(bool(tensor.isfinite().all()) for tensor in (parameter, *moments)):
            raise _diverged(f"step {step}: {name} is not finite", training, state)


def _diverged(what: str, training: Training, state: Path | None) -> TrainingDiverged:
    kept = "" if state is None else f" The last good checkpoint is kept in {state}."
    return TrainingDiverged(
        f"training diverged at {what}.{kept} Try a learning_rate below "
        f"{training.learning_rate:g}, a clip_norm, or a warmup"
    )


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """Turn the first SIGINT or SIGTERM into an event; a second one acts as it did before."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = {
        number: signal.getsignal(number) or signal.SIG_DFL
        for number in (signal.SIGINT, signal.SIGTERM)
    }

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def ask(number: int, frame: FrameType | None) -> None:
        restore()
        stop.set()

    for number in previous:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        restore()
