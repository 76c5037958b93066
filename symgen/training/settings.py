"""The settings of a training run, and the schedules that follow from them."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Annotated, Any, Literal

from symgen._errors import nearest
from symgen._typed import Amount, Count, Range, Seed, Share, Whole, type_fields, typed_values

__all__ = ["Training"]

Option = bool | int | float | tuple[float, float]
# A union: of a lone dictionary's entries the command line would make options of their own.
Options = dict[str, Option] | dict[str, float]
Schedule = Literal["constant", "cosine", "half-life"]
Precision = Literal["float32", "tf32", "bfloat16", "auto"]
_LONGEST = 1_000_000  # steps whose values are kept for a line of the log


@dataclass(frozen=True)
class Training:
    """All settings of a training run.

    Raises:
        ValueError: if a setting is out of range, or settings do not go together.

    Example:
        >>> Training(examples=1000, batch_size=32).steps
        32
    """

    examples: Count = 64_000
    """Length of the training, in examples seen: sequences, or single images for ACE."""
    batch_size: Count = 32
    """Examples in a batch."""
    optimizer: str = "Adam"
    """Name of a class of torch.optim."""
    learning_rate: Amount = 1e-3
    """Step size of the optimiser after the warm-up."""
    optimizer_options: Options = field(default_factory=dict)
    """Further keywords of the optimiser, such as momentum 0.9."""
    learning_rates: dict[str, Amount] = field(default_factory=dict)
    """Learning rates of parts of the model, such as mu 1e-3: submodules or parameters by name."""
    decay: Share = 0.0
    """Part of every weight that is lost in an epoch, whatever the learning rate; needs AdamW."""
    clip_norm: float | None = None
    """Largest norm of the gradient; a longer one is scaled down. None: no clipping."""
    warmup: Whole = 0
    """Examples over which the learning rate grows linearly to its full value."""
    schedule: Schedule = "constant"
    """Learning rate after the warm-up: constant, half a cosine to 0, or halved every half_life."""
    half_life: Count | None = None
    """Examples over which the learning rate halves, smoothly, under the schedule half-life."""
    kl_warmup: Whole = 0
    """Examples over which the weights of the KL terms go linearly from their start to beta."""
    kl_start: Amount | dict[str, Amount] = 0.0
    """Where the weights of the KL terms start, in parts of beta, such as 0.05; or by name, such as
    kl_z 20, with 0 for the others: the style waits until the pose is learned."""
    beta: Amount = 1.0
    """Weight of all KL terms: 1 trains the bound, more a β-VAE (Higgins et al. 2017)."""
    rolled: Share = 0.0
    """Share of steps that roll the capsules of every frame by a random number of steps and decode
    them into the frame so much later: in cyclic time after the last into the first, elsewhere into
    earlier ones too. 0 is the paper."""
    freeze: tuple[str, ...] = ()
    """Parts of the model to leave as they are, by name, such as encoder, decoder or mu."""
    validate_every: Whole = 500
    """Steps between measurements of the loss on validation data, where the data have some; the
    best weights are kept beside the last. It takes up to a twentieth of the time. 0: never."""
    patience: Count | None = None
    """Measurements in a row without a better one after which the training ends; None: none."""
    precision: Precision = "float32"
    """Number format of the matrix products, not of the weights. "auto" takes bfloat16 where the
    device has units for it and float32 elsewhere. "tf32" is float32 of 10 bits, on CUDA."""
    capture: bool = True
    """On CUDA, take a step as one graph, which is captured after the first ones."""
    checkpoint_every: Amount = 60.0
    """Seconds between checkpoints."""
    log_every: Annotated[int, Range(1, _LONGEST)] = 50
    """Steps between lines of the log."""
    seed: Seed = 0
    """Seed of the noise of the training."""

    def __post_init__(self) -> None:
        type_fields(self)
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"clip_norm={self.clip_norm!r}: give a number above 0, or None")
        if (self.schedule == "half-life") != (self.half_life is not None):
            raise ValueError(
                f"schedule={self.schedule!r} with half_life={self.half_life}: give a half_life "
                "with the schedule 'half-life', and with no other"
            )
        if self.decay >= 1:
            raise ValueError(f"decay={self.decay!r}: give a number below 1, such as 1e-4")
        starts = self.kl_start if isinstance(self.kl_start, dict) else {"kl_": self.kl_start}
        for name, start in starts.items():
            if not name.startswith("kl_") or (start and not self.kl_warmup):
                raise ValueError(
                    f"kl_start={self.kl_start} with kl_warmup={self.kl_warmup}: give a weight, or "
                    "one for KL terms by name, such as kl_z, and a kl_warmup"
                )
        if self.decay and "weight_decay" in self.optimizer_options:
            raise ValueError(
                f"decay={self.decay} and weight_decay in optimizer_options: give only one"
            )
        if self.decay and self.optimizer != "AdamW":
            raise ValueError(f"decay={self.decay} with optimizer={self.optimizer!r}: give 'AdamW'")
        if self.patience is not None and not self.validate_every:
            raise ValueError(
                f"patience={self.patience} with validate_every=0: give a number of steps, such as "
                "500"
            )

    @property
    def steps(self) -> int:
        """Updates of the weights: the least number that sees so many examples."""
        return -(-self.examples // self.batch_size)

    def changed(self, settings: Mapping[str, Any]) -> "Training":
        """Return this training with some settings replaced, refusing names that are unknown.

        Example:
            >>> Training().changed({"learning_rte": 0.1})
            Traceback (most recent call last):
            ValueError: unknown setting 'learning_rte': did you mean learning_rate, ...?
        """
        names = [entry.name for entry in fields(self)]
        for name in settings:
            if name not in names:
                raise ValueError(f"unknown setting {name!r}: {nearest(name, names)}")
        return replace(self, **typed_values(type(self), settings))

    def resume_fingerprint(self) -> dict[str, Any]:
        """Return the settings that shape the weights after a given step, ready for JSON.

        The length is one of them only if the schedule refers to it; else a run may be made longer.
        """
        values = asdict(self)
        for name in ("checkpoint_every", "validate_every", "patience", "capture"):
            del values[name]
        if not self.freeze:
            del values["freeze"]
        if self.schedule != "cosine":
            del values["examples"]
        return values


def learning_rate_factor(training: Training, step: int) -> float:
    """Evaluate the factor of all learning rates at a step, counted from 0.

    It rises linearly to 1 over the warm-up. After that it is constant, or `(1 + cos(pi x)) / 2`
    with x the part of the rest that is done, or `0.5 ** (n / half_life)` with n the examples seen.
    """
    warmup = -(-training.warmup // training.batch_size)
    if step < warmup:
        return (step + 1) / warmup
    if training.schedule == "constant":
        return 1.0
    if training.half_life is not None:
        return 0.5 ** ((step - warmup) * training.batch_size / training.half_life)
    done = (step - warmup) / max(training.steps - warmup, 1)
    return 0.5 * (1 + math.cos(math.pi * done))


def kl_weight(training: Training, step: int, term: str) -> float:
    """Evaluate the weight of a term at a step: of KL terms from `kl_start` · beta to beta."""
    if not term.startswith("kl_"):
        return 1.0
    if training.kl_warmup == 0:
        return training.beta
    start = training.kl_start
    if isinstance(start, dict):
        start = start.get(term, 0.0)
    done = min(1.0, step * training.batch_size / training.kl_warmup)
    return training.beta * (start + (1 - start) * done)


def require_kl_terms(training: Training, terms: Iterable[str]) -> None:
    """Refuse a `kl_start` that names a term that is not among those of the loss."""
    known = [term for term in terms if term.startswith("kl_")]
    for name in training.kl_start if isinstance(training.kl_start, dict) else ():
        if name not in known:
            mend = nearest(name, known) if known else "it has no KL terms"
            raise ValueError(f"kl_start={training.kl_start} but the loss has no {name!r}: {mend}")
