"""What is shown: a model, and held-out data to choose from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from symgen._devices import seeded
from symgen.data import Recordings
from symgen.data.batches import Batches, Source, factor_names, fitting
from symgen.experiments.runs import open_run
from symgen.experiments.turns import in_turn
from symgen.models import ACE, Pretrained, TopographicVAE
from symgen.pretrained import embedded, embedded_folder
from symgen.training.run_folder import CONFIG

__all__ = ["Exhibit", "default_model", "open_exhibit"]

_DEFAULT = "symgen/sprites"
_CHOICES = 12  # items to choose from
_LOOKED_AT = 160  # items that they are chosen from
_AVERAGED = 256  # training sequences whose mean frame is a baseline
_SEED = 0
_STYLES = (0.0, 1.0, -1.0)  # in which an ACE shows its classes, where it has no data
_ROOT = "name their folder by --root"


@dataclass(frozen=True, eq=False)
class Exhibit:
    """A trained model, and items to show it with.

    Attributes:
        name: what is shown, for titles.
        model: a Topographic VAE or an ACE, ready to evaluate.
        items: sequences (n, S, *data_shape) or, for an ACE, images (n, *data_shape).
        titles: what is to be said of each item.
        mean: mean frame of training data, a baseline of predictions; None where nobody knows it.
        origin: where the items come from, in words.
    """

    name: str
    model: Any
    items: Float[Tensor, "n ..."]
    titles: tuple[str, ...]
    mean: Float[Tensor, "..."] | None
    origin: str

    @property
    def is_ace(self) -> bool:
        """Whether the model has a pose to act on rather than capsules to roll."""
        return isinstance(self.model, ACE)


def default_model() -> str:
    """Return the name of the embedded weights that are opened where nothing is named.

    Raises:
        ValueError: if this installation has none.
    """
    known = embedded()
    if not known:
        raise ValueError(
            "this installation has no embedded weights to open: name a run, as in symgen explore "
            "runs/demo, which symgen train demo makes"
        )
    return _DEFAULT if _DEFAULT in known else next(iter(known))


@torch.no_grad()
def open_exhibit(place: Path | str | None = None, data: Path | None = None) -> Exhibit:
    """Open a run folder, a folder that `save_pretrained` wrote, or embedded weights.

    Args:
        place: the folder, or the name of embedded weights or of a model on the Hugging Face hub;
            None for the embedded weights that `default_model` names.
        data: where image files or recordings are, if not where they were; of a model without a
            run, recordings to show it with.

    Raises:
        FileNotFoundError: if there is no such folder, or the data of a run are not there; embedded
            weights are then shown with what they draw.
        ValueError: if what is there cannot be shown.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from symgen import TVAE
        >>> model = TVAE((1, 8, 8), capsules=2, frames=6)
        >>> with TemporaryDirectory() as folder:
        ...     exhibit = open_exhibit(model.save_pretrained(folder))
        >>> exhibit.origin, exhibit.items.shape
        ('drawn from the model', torch.Size([12, 6, 1, 8, 8]))
    """
    place = default_model() if place is None else place
    if embedded_folder(place) or (Path(place) / CONFIG).is_file():
        run = open_run(place, data)
        name, model, config = run.folder.resolve().name, run.model(), run.data
    else:
        name, model, config = Path(place).name, Pretrained.from_pretrained(place), None
        if data is not None:
            raise ValueError(
                f"data={str(data)!r}: {place} is a model without a run, which is shown with what "
                "you drop on the page: leave data out"
            )
    if not isinstance(model, ACE | TopographicVAE):
        raise ValueError(f"{place} holds a {type(model).__name__}: give a TVAE, its kin or an ACE")
    if isinstance(model, ACE) and len(model.data_shape) != 3:
        raise ValueError(
            f"{place} is an ACE of data of shape {model.data_shape}: the page shows those of "
            "images"
        )
    if config is None:
        return _drawn(name, model, "drawn from the model")
    try:
        held_out, training = config.source(train=False), config.source(train=True)
    except FileNotFoundError:
        if data is not None or not embedded_folder(place):
            raise
        return _drawn(name, model, f"drawn from the model: its data are not here, {_ROOT}")
    items, titles = _chosen(held_out)
    mean = None if isinstance(model, ACE) else _mean_frame(training)
    return Exhibit(name, model, items, titles, mean, "held-out data")


def _drawn(name: str, model: Any, origin: str) -> Exhibit:
    """Show a model without data: with sequences from its prior, or with classes and styles."""
    if isinstance(model, ACE):
        styles = torch.tensor(_STYLES)[:, None].expand(-1, model.latent_count)
        items = model.manifold(styles).transpose(0, 1).flatten(0, 1)[:_CHOICES]
        named = [f"class {n}, style {z:g}" for z in _STYLES for n in range(model.classes)]
        return Exhibit(name, model, items, tuple(named[:_CHOICES]), None, origin)
    with seeded(_SEED, next(model.parameters()).device):
        items = model.decode(model.sample_latents(_CHOICES)).mean
    titles = tuple(f"draw {number}" for number in range(_CHOICES))
    return Exhibit(name, model, items, titles, None, origin)


def _chosen(source: Source[Any]) -> tuple[Tensor, tuple[str, ...]]:
    """Choose held-out items so that what moves, the recordings or the labels take turns.

    Of sequences those come first in which most is seen to move.
    """
    batches = Batches(source, fitting(source, _LOOKED_AT), seed=_SEED)
    batch, numbers = batches.batch(0), batches.indices(0)
    named = _names(source, batch, numbers)
    x, moved = batch.inputs[0], None
    if x.dim() > 1 + len(source.data_shape):
        moved = (x[:, 0] - x[:, source.frames // 2]).abs().flatten(1).mean(1).tolist()
    chosen = in_turn(named, _CHOICES, moved)
    titles = (f"{named[n]}, item {int(numbers[n])}" for n in chosen)
    return x[chosen], tuple(titles)


def _names(source: Any, batch: Any, numbers: Tensor) -> Sequence[str]:
    if isinstance(source, Recordings):
        return source.recording_names(numbers)
    if hasattr(batch, "labels"):
        return [f"class {int(label)}" for label in batch.labels]
    if known := (*factor_names(source), "combined"):  # moved is -1 where several move together
        return [f"{known[int(moved)]}" for moved in batch.moved]
    return ["sequence"] * len(numbers)


def _mean_frame(source: Source[Any]) -> Float[Tensor, "..."]:
    size = fitting(source, _AVERAGED)
    return Batches(source, size, seed=_SEED).batch(0).inputs[0].mean((0, 1))
