"""Training: the set-up and the loop."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from symgen.training import trainable
from symgen.training.freezing import frozen
from symgen.training.peers import Peers
from symgen.training.progress import Observe, shown
from symgen.training.provenance import describe_run
from symgen.training.run_folder import Run, RunFolder
from symgen.training.settings import Precision, Schedule, Training
from symgen.training.trainable import Feed
from symgen.training.trainer import Measure, Trainer
from symgen.training.validation import Validation

__all__ = ["fit"]

_MAPPINGS = ("optimizer_options", "learning_rates")  # None for an empty one


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
    freeze: Sequence[str] = (),
    validate_every: int = Training.validate_every,
    patience: int | None = Training.patience,
    precision: Precision = Training.precision,
    capture: bool = Training.capture,
    checkpoint_every: float = Training.checkpoint_every,
    log_every: int = Training.log_every,
    seed: int = Training.seed,
    validation: Any = None,
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

    In a process group of `torch.distributed` all processes call it alike. Each computes its share
    of every batch, see `symgen.training.Peers`; the first one writes and shows the progress.

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
        kl_start: where they start, in parts of beta.
        beta: weight of all KL terms.
        rolled: share of steps that decode rolled latents into other frames.
        freeze: parts of the model that stay as they are, by name, such as "encoder".
        validate_every: steps between measurements of the loss on `validation`.
        patience: measurements in a row without a better one after which the training ends.
        precision: number format of the matrix products.
        capture: on CUDA, whether to take a step as one graph.
        checkpoint_every: seconds between checkpoints.
        log_every: steps between lines of the log.
        seed: seed of the noise of the training and of the order of the data.
        validation: data of any kind that `data` can be, which are not trained on. The loss on
            them joins the log; the best weights are kept in the folder `best` in `folder`.
        folder: run folder to write; None writes nothing.
        resume: whether to continue the run in `folder` rather than start one. More `examples`
            than before make it longer: see `symgen.training.extension_told`.
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
        RunBusy: if another process trains in the folder, or has since its checkpoint was read.
        TrainingDiverged: if the loss is no longer finite, or would not be after the last step;
            the last checkpoint stays.
        TrainingStopped: at the first SIGINT or SIGTERM, once the state is saved.

    Example:
        >>> import torch
        >>> from symgen import TVAE
        >>> model = TVAE((12,), capsules=2, frames=16, likelihood="gaussian", width=32)
        >>> run = fit(model, torch.randn(64, 16, 12), examples=640, log_every=1)
        >>> run.step, run.records[-1]["loss"] < run.records[0]["loss"]
        (20, True)
    """
    given = dict(locals())
    trainable.require_trainable(model)
    feed = trainable.as_batches(data, model, batch_size, seed)
    if hasattr(model, "data_scale"):  # saved with it, so that other data can be scaled alike
        model.data_scale = getattr(getattr(feed, "source", None), "scale", None)
    given["batch_size"] = feed.batch_size
    chosen: dict[str, Any] = {
        entry.name: _plain(value)
        for entry in fields(Training)
        if (value := given[entry.name]) is not None or entry.name not in _MAPPINGS
    }
    settings = Training(**chosen)
    _check(model, feed, settings, evaluate_every)
    held_out = _validation(validation, model, feed, settings)
    peers = Peers()
    run = RunFolder(None if folder is None else Path(folder), resume)
    peers.largest([0])  # all have looked into the folder before one writes to it
    if peers.rank:
        run, observe, progress = run.unwritten(), None, False
    with shown(progress if observe is None else False) as bar, frozen(model, settings.freeze):
        return Trainer(model, feed, settings, run, held_out, peers).train(
            describe_run(model, feed, settings, config, peers.world),
            observe or bar,
            evaluate,
            evaluate_every,
        )


def _plain(value: Any) -> Any:
    """Copy what the caller may change: mappings and lists."""
    if isinstance(value, Mapping):
        return dict(value)
    return tuple(value) if isinstance(value, list) else value


def _check(model: Any, feed: Feed, settings: Training, evaluate_every: int) -> None:
    """Refuse what cannot be trained together."""
    if settings.rolled and not (trainable.takes_roll(model) and trainable.rolls_of(model)):
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
    _require_shapes(model, feed)
    source: Any = getattr(feed, "source", None)
    if source is not None and not feed.shuffle and len(source) % feed.batch_size:  # pyright: ignore
        raise ValueError(
            f"unshuffled data of {len(source)} items end on a smaller batch than "
            f"{feed.batch_size}: shuffle them, or take a batch size that divides their number"
        )


def _validation(data: Any, model: Any, feed: Feed, settings: Training) -> Validation | None:
    """Return what validates a training, None without data for it."""
    if data is None:
        if settings.patience is not None:
            raise ValueError(
                f"patience={settings.patience} but there are no validation data: give some, or "
                "leave patience out"
            )
        return None
    if not settings.validate_every:
        return None
    batches = trainable.as_batches(data, model, None, settings.seed)
    _require_shapes(model, batches)
    return Validation(batches, settings)


def _require_shapes(model: Any, feed: Feed) -> None:
    """Refuse data of other shapes than the model takes."""
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
