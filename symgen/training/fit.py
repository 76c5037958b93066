"""Training: the set-up and the loop."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from symgen.nets.products import fastest_product, use_product
from symgen.training import trainable
from symgen.training.checkpoint import Checkpoint
from symgen.training.meter import Meter
from symgen.training.optimizer import make_optimizer, set_rates
from symgen.training.process import keep_freed_memory, stop_signals
from symgen.training.progress import Observe, Progress, observed, shown
from symgen.training.provenance import describe_data, describe_run, how_to_resume
from symgen.training.run_folder import Run, RunFolder
from symgen.training.settings import Precision, Schedule, Training, kl_weight, require_kl_terms
from symgen.training.step import resolved_precision
from symgen.training.step import step as take_step
from symgen.training.trainable import Feed

__all__ = ["TrainingDiverged", "TrainingStopped", "fit"]

Measure = Callable[[Any], dict[str, Any]]
_MAPPINGS = ("optimizer_options", "learning_rates")  # None for an empty one


class TrainingDiverged(RuntimeError):
    """The loss, the gradient or a weight is no longer a finite number."""


class TrainingStopped(RuntimeError):
    """A signal, by its number, ended the training early; `run` is what there is of it."""

    def __init__(self, message: str, run: Run, signal: int) -> None:
        super().__init__(message)
        self.run, self.signal = run, signal


def fit(
    model: Any,
    data: Any,
    *,
    examples: int = Training.examples,
    batch_size: int | None = None,
    optimizer: str = Training.optimizer,
    learning_rate: float = Training.learning_rate,
    optimizer_options: Mapping[str, Any] | None = None,
    learning_rates: Mapping[str, float] | None = None,
    decay: float = Training.decay,
    clip_norm: float | None = Training.clip_norm,
    warmup: int = Training.warmup,
    schedule: Schedule = Training.schedule,
    half_life: int | None = Training.half_life,
    kl_warmup: int = Training.kl_warmup,
    kl_start: float | Mapping[str, float] = Training.kl_start,
    beta: float = Training.beta,
    rolled: float = Training.rolled,
    precision: Precision = Training.precision,
    checkpoint_every: float = Training.checkpoint_every,
    log_every: int = Training.log_every,
    seed: int = Training.seed,
    folder: Path | str | None = None,
    resume: bool = False,
    config: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    observe: Observe | None = None,
    evaluate: Measure | None = None,
    evaluate_every: int = 0,
) -> Run:
    """Train a model by stochastic gradient steps on the negative ELBO.

    The loss is the sum of the terms that `model(...)` returns, each averaged over all its entries,
    in nats. Those whose names begin with `kl_` have a weight, which is `beta` after `kl_warmup`.
    A resumed run continues bit for bit as if it had never stopped, on the same machine with the
    same number of threads; after a crash it goes back to the last checkpoint. Resuming writes the
    model of the checkpoint anew, also where no step is left to do. The generators of torch are
    left as they were found.

    Args:
        model: a torch module whose `forward` returns the terms of its loss, such as `symgen.TVAE`;
            trained in place, on its device. See `symgen.training.Trainable`.
        data: a path of recordings, a source, `Batches`, a tensor of items, a torch `Dataset` or
            `DataLoader`, or an iterable of tensors, tuples or dictionaries.
        examples: length of the training, and all that follows up to `seed`: see `Training`.
        batch_size: examples in a batch; None leaves that of the data, or 32.
        optimizer: name of a class of torch.optim.
        learning_rate: step size after the warm-up.
        optimizer_options: further keywords of the optimiser.
        learning_rates: rates of parts of the model, by name.
        decay: part of every weight that is lost in an epoch.
        clip_norm: largest norm of the gradient.
        warmup: examples over which the learning rate grows.
        schedule: learning rate after that.
        half_life: examples over which it halves.
        kl_warmup: examples over which the weights of the KL terms go to `beta`.
        kl_start: where they start.
        beta: weight of all KL terms.
        rolled: share of steps that decode rolled latents into later frames.
        precision: number format of the matrix products.
        checkpoint_every: seconds between checkpoints.
        log_every: steps between lines of the log.
        seed: seed of the noise of the training and of the order of the data.
        folder: run folder to write; None writes nothing.
        resume: whether to continue the run in `folder` rather than start one.
        config: what `config.json` says of a new run in place of what it would say by itself.
        progress: show a bar, or lines outside a terminal; None shows a bar to whoever can see it.
        observe: is given the progress a few times per second and at the end, in place of a bar.
        evaluate: measures the model in evaluation mode, without gradients and with noise of its
            own: training goes on as if it had not been called. Its values join the log.
        evaluate_every: steps between evaluations; 0 evaluates at the end only.

    Returns:
        The run: its model, its length, its log.

    Raises:
        ValueError: if a setting is out of range, model and data do not fit together, or the run
            to resume had other settings or is damaged, its log included.
        OSError: if a file cannot be written, with its path; the last checkpoint stays whole.
        FileExistsError: if the folder holds a run already and `resume` is off.
        FileNotFoundError: if there is no run to resume.
        RunBusy: if another process trains in the folder.
        TrainingDiverged: if the loss is no longer finite, or would not be after the last step;
            the last checkpoint stays.
        TrainingStopped: at the first SIGINT or SIGTERM, once the state is saved.

    Example:
        >>> from symgen import TVAE
        >>> model = TVAE((12,), capsules=2, frames=16, likelihood="gaussian", width=32)
        >>> run = fit(model, torch.randn(64, 16, 12), examples=640, log_every=1)
        >>> run.step, run.records[-1]["loss"] < run.records[0]["loss"]
        (20, True)
    """
    given = dict(locals())
    trainable.require_trainable(model)
    feed = trainable.as_batches(data, model, batch_size, seed)
    given["batch_size"] = feed.batch_size
    chosen: dict[str, Any] = {
        entry.name: dict(value) if isinstance(value, Mapping) else value
        for entry in fields(Training)
        if (value := given[entry.name]) is not None or entry.name not in _MAPPINGS
    }
    settings = Training(**chosen)
    _check(model, feed, settings, evaluate_every)
    run = RunFolder(None if folder is None else Path(folder), resume)
    with shown(progress if observe is None else False) as bar:
        return _Trainer(model, feed, settings, run).train(
            describe_run(model, feed, settings, config), observe or bar, evaluate, evaluate_every
        )


class _Trainer:
    """A model, its data, its optimiser and its run folder: what the loop works on."""

    def __init__(self, model: Any, feed: Feed, settings: Training, run: RunFolder) -> None:
        self.model, self.feed, self.settings, self.run = model, feed, settings, run
        self.optimizer = make_optimizer(model, settings)
        like = next(model.parameters())
        self.device, self.dtype = like.device, like.dtype
        self.devices = [self.device] if self.device.type == "cuda" else []
        self.precision = resolved_precision(settings, self.device.type)
        self.items = trainable.items_of(feed) or feed.batch_size
        start = run.checkpoint
        if start is not None and "product" in start.settings:
            use_product(start.settings["product"])  # the one that it was started with
        self.identity = settings.resume_fingerprint() | describe_data(feed)
        self.identity |= {"device": self.device.type, "precision": self.precision}
        if self.device.type == "cpu":
            self.identity["product"] = fastest_product()
            keep_freed_memory()
        if start is not None:
            start.require_same(self.identity, model, run.path)
        self.step = 0 if start is None else start.step
        self.meter = Meter(settings.log_every, 0.0 if start is None else start.seconds)

    def train(
        self, config: dict[str, Any], observe: Observe | None, evaluate: Measure | None, every: int
    ) -> Run:
        settings, report = self.settings, observed(observe)
        with stop_signals() as stop, self.run.open(config), torch.random.fork_rng(self.devices):
            self._begin()
            saved, saved_at = self.step, self.meter.seconds
            self.model.train()
            while self.step < settings.steps and not stop:
                rate = set_rates(self.optimizer, settings, self.step, self.items)
                inputs = self._take_step()
                last = self.step == settings.steps
                logs = last or self.step % settings.log_every == 0
                if logs or self.device.type == "cpu":  # elsewhere looking means waiting
                    self._require_finite()
                if logs:
                    self.run.write(self._line(rate))
                report(self._progress, last)
                if last:
                    self._require_useful(inputs)
                due = last or (every and self.step % every == 0)
                if evaluate is not None and due:
                    self.run.write(self._taken() | {"evaluation": self._measure(evaluate)})
                    self.meter.pause()
                if self.meter.seconds - saved_at >= settings.checkpoint_every:
                    self._save()
                    saved, saved_at = self.step, self.meter.seconds
            if self.step > saved:
                self._save()
        return self._end(config, *stop)

    def _begin(self) -> None:
        """Go on from the checkpoint, or seed and save, so that there is something to resume.

        The model file follows from the checkpoint: it may be older, damaged or gone.
        """
        if self.run.checkpoint is None:
            torch.manual_seed(self.settings.seed)
            self._save()
        else:
            self.run.checkpoint.restore(self.model, self.optimizer, self.meter)
            self.run.save_model(self.model, self.step)
        self.meter.pause()  # what came before the first step is not training

    def _take_step(self) -> list[Tensor]:
        inputs = [
            x.to(self.device, self.dtype if x.is_floating_point() else None)
            for x in self.feed.batch(self.step).inputs
        ]
        values = take_step(
            self.model,
            self.optimizer,
            inputs,
            partial(kl_weight, self.settings, self.step),
            roll=self._roll(),
            clip_norm=self.settings.clip_norm,
            bfloat16=self.precision == "bfloat16",
        )
        if self.step == 0:
            require_kl_terms(self.settings, values)
        self.meter.add(self.step, values)
        self.step += 1
        return inputs

    def _roll(self) -> int:
        """Draw the steps to roll by: 0 in the share of steps that decode frames as they are."""
        if not self.settings.rolled or torch.rand(()) >= self.settings.rolled:
            return 0
        return int(torch.randint(1, 1 + trainable.farthest_roll_of(self.model), ()))

    def _taken(self) -> dict[str, Any]:
        examples = self.step * self.settings.batch_size
        return {"step": self.step, "examples": examples, "seconds": self.meter.seconds}

    def _line(self, rate: float) -> dict[str, Any]:
        taken, done = self._taken(), self.step - 1
        means = self.meter.means(done, aligned=True)
        names = [name for name in means if name.startswith("kl_")]
        mu = getattr(self.model, "mu", None)
        return {
            **taken,
            "frames": taken["examples"] * trainable.frames_of(self.model),
            **means,
            **{f"weight_{name}": kl_weight(self.settings, done, name) for name in names},
            "mu": mu.item() if isinstance(mu, Tensor) else None,
            "learning_rate": rate,
            "examples_per_second": self._speed(),
        }

    def _speed(self) -> float:
        return self.meter.steps_per_second() * self.settings.batch_size

    def _progress(self) -> Progress:
        loss, *terms = self.meter.means(self.step - 1).items()
        steps = self.settings.steps
        return Progress(
            **self._taken(),
            steps=steps,
            examples_per_second=self._speed(),
            seconds_left=(steps - self.step) / self.meter.steps_per_second(),
            loss=loss[1],
            terms={name: value for name, value in terms if name != "gradient_norm"},
        )

    def _measure(self, evaluate: Measure) -> dict[str, Any]:
        """Measure with the same noise each time, leaving the noise of the training alone."""
        with torch.random.fork_rng(self.devices), torch.no_grad():
            torch.manual_seed(self.settings.seed)
            self.model.eval()
            measured = evaluate(self.model)
            self.model.train()
        return measured

    def _save(self) -> None:
        self._require_finite()
        for name, parameter in self.model.named_parameters():
            moments = self.optimizer.state.get(parameter, {}).values()
            tensors = [parameter, *(v for v in moments if isinstance(v, Tensor))]
            if not all(bool(tensor.isfinite().all()) for tensor in tensors):
                raise self._diverged(f"step {self.step}: {name} is not finite")
        for name, buffer in self.model.named_buffers():
            if buffer.isnan().any():
                raise self._diverged(f"step {self.step}: {name} is not a number")
        now = Checkpoint.capture(self.step, self.identity, self.model, self.optimizer, self.meter)
        self.run.save(now, self.model)

    def _require_useful(self, inputs: list[Tensor]) -> None:
        """Refuse weights of the last step that no later one shows to have gone wrong."""
        terms = self._measure(lambda model: model(*inputs)._asdict())
        values = {name: term.mean().item() for name, term in terms.items()}
        wrong = [f"{name}={value:g}" for name, value in values.items() if not isfinite(value)]
        if wrong:
            what = f"step {self.step}: its weights give {', '.join(wrong)} in evaluation mode"
            raise self._diverged(what)

    def _require_finite(self) -> None:
        found = self.meter.not_finite(self.step - 1)
        if found is not None:
            first, values = found
            listed = ", ".join(f"{name}={value:g}" for name, value in values.items())
            raise self._diverged(f"step {first + 1}: {listed}")

    def _diverged(self, what: str) -> TrainingDiverged:
        state = self.run.state
        kept = "" if state is None else f" The last good checkpoint is kept in {state}."
        return TrainingDiverged(
            f"training diverged at {what}.{kept} Try a learning_rate below "
            f"{self.settings.learning_rate:g}, a clip_norm, or a warmup"
        )

    def _end(self, config: Mapping[str, Any], signal: int = 0) -> Run:
        taken, steps = self._taken(), self.settings.steps
        finished, lines = self.step >= steps, tuple(self.run.lines)
        run = Run(self.run.path, self.model, **taken, finished=finished, records=lines)
        if not finished:
            how = how_to_resume(config, self.feed, self.settings, run.folder, self.device.type)
            raise TrainingStopped(f"stopped at step {self.step} of {steps}; {how}", run, signal)
        return run


def _check(model: Any, feed: Feed, settings: Training, evaluate_every: int) -> None:
    """Refuse what cannot be trained together."""
    if settings.rolled and not (trainable.takes_roll(model) and trainable.frames_of(model) > 1):
        raise ValueError(
            f"rolled={settings.rolled} but {type(model).__name__} has no latents that roll with "
            "time: leave it 0"
        )
    if evaluate_every < 0:
        raise ValueError(f"evaluate_every={evaluate_every}: give a number of steps, or 0")
    if settings.decay and trainable.items_of(feed) is None:
        raise ValueError(
            f"decay={settings.decay} of an epoch, but {feed!r} does not tell how long one is: "
            "give weight_decay in optimizer_options instead"
        )
    source = getattr(feed, "source", None)
    if source is None:
        return
    given = (trainable.frames_of(source), tuple(source.data_shape))
    wanted = (trainable.frames_of(model), tuple(model.data_shape))
    if given != wanted:
        raise ValueError(
            f"the data have {given[0]} frames of shape {given[1]}, the model takes {wanted[0]} "
            f"of shape {wanted[1]}: build the model with the frames and data_shape of the data"
        )
    if not feed.shuffle and len(source) % feed.batch_size:  # pyright: ignore
        raise ValueError(
            f"unshuffled data of {len(source)} items end on a smaller batch than "
            f"{feed.batch_size}: shuffle them, or take a batch size that divides their number"
        )
