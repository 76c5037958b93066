"""The loop of a training, and what it works on."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from symgen._signals import asked_to_save
from symgen.data.batches import Batches
from symgen.nets.products import Product, fastest_product, use_product
from symgen.training import trainable
from symgen.training.captured import CapturedSteps, uncapturable
from symgen.training.checkpoint import Checkpoint
from symgen.training.data_mean import measure_data_mean, taken_back_unless
from symgen.training.freezing import train_mode
from symgen.training.meter import Meter
from symgen.training.optimizer import make_optimizer, set_rates
from symgen.training.peers import Peers
from symgen.training.process import generators_kept, keep_freed_memory, multiplying, stop_signals
from symgen.training.progress import Observe, Progress, observed
from symgen.training.provenance import describe_data, how_to_resume
from symgen.training.run_folder import Run, RunFolder
from symgen.training.settings import Training, kl_weight, require_kl_terms
from symgen.training.step import resolved_precision
from symgen.training.step import step as take_step
from symgen.training.trainable import Feed
from symgen.training.validation import Validation

__all__ = ["TrainingDiverged", "TrainingStopped"]

Measure = Callable[[Any], dict[str, Any]]


class TrainingDiverged(RuntimeError):
    """The loss, the gradient or a weight is no longer a finite number.

    Raised by `fit`.
    """


class TrainingStopped(RuntimeError):
    """A signal, by its number, ended the training early; `run` is what there is of it.

    Raised by `fit`.

    Args:
        message: what is said.
        run: what there is of the run.
        signal: number of the signal.
    """

    def __init__(self, message: str, run: Run, signal: int) -> None:
        super().__init__(message)
        self.run, self.signal = run, signal


class Trainer:
    """A model, its data, its optimiser and its run folder: what the loop works on."""

    def __init__(
        self,
        model: Any,
        feed: Feed,
        settings: Training,
        run: RunFolder,
        validation: Validation | None = None,
        peers: Peers | None = None,
    ) -> None:
        self.model, self.settings, self.run = model, settings, run
        self.validation, self.peers = validation, peers or Peers()
        self.peers.require_shares(feed.batch_size)
        self.whole = feed.to_train_on() if isinstance(feed, Batches) else feed
        self.feed = self.peers.feed(self.whole)
        self.optimizer = make_optimizer(model, settings)
        like = next(model.parameters())
        self.device, self.dtype = like.device, like.dtype
        self.precision = resolved_precision(settings, self.device.type)
        self.items = trainable.items_of(feed) or feed.batch_size
        start = run.checkpoint
        if start is not None and "product" in start.settings:
            use_product(start.settings["product"])  # the one that it was started with
        self.identity = settings.resume_fingerprint() | describe_data(feed)
        self.identity |= {"device": self.device.type, "precision": self.precision}
        if self.device.type == "cpu":
            product: Product = self.peers.agreed(fastest_product())
            self.identity["product"] = product
            if self.peers.world > 1:
                use_product(product)
            keep_freed_memory()
        if start is not None:
            start.require_same(self.identity, model, run.path)
        bfloat16 = self.precision == "bfloat16"
        self._how: dict[str, Any] = {"clip_norm": settings.clip_norm, "bfloat16": bfloat16}
        self._how |= {"peers": self.peers}
        self._captured: CapturedSteps | None = None
        self._eager = uncapturable(self.optimizer, settings, self.device, self.peers.world)
        if not self._eager:
            self._captured = CapturedSteps(model, self.optimizer, self._how)
        self.step = 0 if start is None else start.step
        self.meter = Meter(settings.log_every, 0.0 if start is None else start.seconds)
        self._asked: list[bool] = []  # to save

    def train(
        self, config: dict[str, Any], observe: Observe | None, evaluate: Measure | None, every: int
    ) -> Run:
        settings, report = self.settings, observed(observe)
        with (
            stop_signals() as stop,
            taken_back_unless(self.model, lambda: self.step > 0),
            asked_to_save(lambda: self._asked.append(True)),
            self.run.open(config),
            generators_kept(self.device),
            self.peers.summing(self.model),
            multiplying(self.precision),
        ):
            self._begin(stop)
            saved, saved_at = self.step, self.meter.seconds
            train_mode(self.model, settings.freeze)
            signal, *_ = self.peers.largest(stop or [0])
            while not self._ended and not signal:
                rate = set_rates(self.optimizer, settings, self.step, self.items)
                inputs = self._take_step()
                validated = self._validate()
                last = self._ended
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
                if validated is not None:
                    self.run.write(self._taken() | {"validation": validated})
                if validated is not None or (evaluate is not None and due):
                    self.meter.pause()
                due = self.meter.seconds - saved_at >= settings.checkpoint_every
                signal, asked, due = self._agreed(stop, due)
                if asked or due:
                    self._save()
                    saved, saved_at = self.step, self.meter.seconds
                if asked:
                    self._asked.clear()
                    report(lambda: replace(self._progress(), saved=True), True)
            if self.step > saved:
                self._save()
        return self._end(config, signal)

    def _agreed(self, stop: list[int], due: bool) -> list[int]:
        """Tell what some process was asked for: the signal to stop, to save, to save in time."""
        return self.peers.largest([*(stop or [0]), bool(self._asked), due])

    @property
    def _ended(self) -> bool:
        """Whether all steps are taken, or the validation loss has become no better for long."""
        early = self.validation is not None and self.validation.ended
        return early or self.step >= self.settings.steps

    def _measure_mean(self, stop: list[int]) -> None:
        """Give the model the mean of the data, if it asks for that: the same in all processes."""
        measure_data_mean(self.model, self.whole, lambda: bool(stop))
        mean = getattr(self.model, "data_mean", None)
        if mean is not None and self.peers.world > 1:
            mean.copy_(self.peers.agreed(mean.cpu()))

    def _begin(self, stop: list[int]) -> None:
        """Go on from the checkpoint, or seed and save, so that there is something to resume.

        The model file follows from the checkpoint: it may be older, damaged or gone.
        """
        if self.run.checkpoint is None:
            self._measure_mean(stop)
            torch.manual_seed(self.settings.seed)
            self._save()
        else:
            self.run.checkpoint.restore(self.model, self.optimizer, self.meter)
            if self.step == 0:  # it may have been stopped meanwhile
                self._measure_mean(stop)
            if self.validation is not None:
                self.validation.restore(self.run.checkpoint.validation)
            self.run.save_model(self.model, self.step)
            if self.run.extended is not None:
                self.run.write(self._taken() | {"extended": self.run.extended})
        self.meter.pause()  # what came before the first step is not training

    def _inputs(self, batch: Any) -> list[Tensor]:
        """Return what the model takes of a batch, where it is and in its precision."""
        return [
            x.to(self.device, self.dtype if x.is_floating_point() else None) for x in batch.inputs
        ]

    def _take_step(self) -> list[Tensor]:
        inputs = self._inputs(self.feed.batch(self.step))
        weight = partial(kl_weight, self.settings, self.step)
        if self._captured is None:
            values = take_step(
                self.model, self.optimizer, inputs, weight, roll=self._roll(), **self._how
            )
        else:
            values = self._captured(inputs, weight, self._roll())
        if self.step == 0:
            require_kl_terms(self.settings, values)
        self.meter.add(self.step, values)
        self.step += 1
        return inputs

    def _roll(self) -> int:
        """Draw the steps to roll by: 0 in the share of steps that decode frames as they are."""
        if not self.settings.rolled or torch.rand(()) >= self.settings.rolled:
            return 0
        rolls = trainable.rolls_of(self.model)
        return rolls[int(torch.randint(len(rolls), ()))]

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
            **self._taking(),
            "learning_rate": rate,
            "examples_per_second": self._speed(),
        }

    def _taking(self) -> dict[str, str]:
        """Say how steps are taken on CUDA."""
        if self.device.type != "cuda":
            return {}
        why = self._eager if self._captured is None else self._captured.why
        return {"steps_taken": f"one by one: {why}" if why else "by graph"}

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
        with generators_kept(self.device), torch.no_grad():
            torch.manual_seed(self.settings.seed)
            self.model.eval()
            measured = evaluate(self.model)
            train_mode(self.model, self.settings.freeze)
        return measured

    def _validate(self) -> dict[str, Any] | None:
        """Measure the loss on the validation data where that is due, and keep the best weights."""
        found, every = self.validation, self.settings.validate_every
        if found is None or (self.step % every and self.step != self.settings.steps):
            return None
        how = {"inputs_of": self._inputs, "peers": self.peers}
        measured = self._measure(partial(found.measure, **how))
        best = found.note(self.step, measured["loss"])
        if best:
            self.run.save_best(self.model, self.step)
        return measured | {"best": best}

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
        found = None if self.validation is None else self.validation.state
        self.run.save(replace(now, validation=found), self.model)

    def _require_useful(self, inputs: list[Tensor]) -> None:
        """Refuse weights of the last step that no later one shows to have gone wrong."""
        with self.peers.draws(len(inputs[0])):
            terms = self._measure(lambda model: model(*inputs)._asdict())
        means = self.peers.means({name: term.mean() for name, term in terms.items()})
        values = {name: mean.item() for name, mean in means.items()}
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
        finished, lines = self._ended, tuple(self.run.lines)
        taken["seconds"] = self.peers.agreed(taken["seconds"])
        run = Run(self.run.path, self.model, **taken, finished=finished, records=lines)
        if not finished:
            where = self.device.type, self.peers.world
            how = how_to_resume(config, self.feed, self.settings, run.folder, *where)
            raise TrainingStopped(f"stopped at step {self.step} of {steps}; {how}", run, signal)
        return run
