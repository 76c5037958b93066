"""The loss on validation data: it changes nothing, finds the best weights, and may end a run."""

from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
import torch
from training_helpers import (
    Disturbed,
    LabelledNoise,
    Noise,
    Parabola,
    assert_same_weights,
    make_data,
    make_model,
    without_times,
)

from symgen import TVAE
from symgen.data import Batches, SequenceBatch
from symgen.training import Run, Training, fit
from symgen.training.trainable import as_batches
from symgen.training.validation import Validation


class Other(Noise):
    """Sequences in which the pattern of the training is upside down."""

    def batch(self, indices: torch.Tensor, generator: torch.Generator) -> SequenceBatch:
        batch = super().batch(indices, generator)
        return batch._replace(frames=1 - batch.frames)


HELD_OUT = {"validation": Other(), "validate_every": 4, "log_every": 1}
HASTY = {"optimizer": "SGD", "learning_rate": 0.5, **HELD_OUT}


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def validated(run: Run) -> dict[int, dict[str, Any]]:
    return {line["step"]: line["validation"] for line in run.records if "validation" in line}


def test_it_changes_no_weight_and_no_noise() -> None:
    plain = fit(make_model(), make_data(), examples=80, rolled=0.5)
    one = fit(make_model(), make_data(), examples=80, rolled=0.5, **HELD_OUT)
    assert_same_weights(plain.model, one.model)
    assert list(validated(one)) == [4, 8, 10]


def test_what_is_measured_is_the_loss_in_evaluation_with_the_final_weights_of_its_terms() -> None:
    given = {"beta": 2.0, "kl_warmup": 800, **HELD_OUT}
    run = fit(make_model(), make_data(), examples=80, **given)
    torch.manual_seed(0)
    run.model.eval()
    batches = Batches(Other(), 8, seed=0)
    with torch.no_grad():
        terms = run.model(*batches.batch(0).inputs)
    last = validated(run)[10]
    assert last["nll"] == pytest.approx(terms.nll.mean().item())
    assert last["loss"] == pytest.approx(last["nll"] + 2 * (last["kl_z"] + last["kl_u"]))


@pytest.mark.parametrize(("every", "size", "count"), [(4, 8, 1), (60, 8, 3), (10**6, 8, 5)])
def test_it_measures_no_more_than_a_twentieth_as_many_batches_as_steps(
    every: int, size: int, count: int
) -> None:
    feed = as_batches(Other(), make_model(), None, seed=0)
    assert feed.batch_size == 32
    settings = Training(batch_size=size, validate_every=every)
    found = Validation(Batches(Other(), size), settings)
    assert (found.count, found.feed.batch_size) == (count, 8)


def test_the_best_weights_are_kept_beside_the_last(tmp_path: Path) -> None:
    run = fit(make_model(), make_data(), examples=240, folder=tmp_path, **HASTY)
    losses = {step: found["loss"] for step, found in validated(run).items()}
    best = min(losses, key=lambda step: losses[step])
    assert best < run.step and [s for s, f in validated(run).items() if f["best"]][-1] == best
    then = fit(make_model(), make_data(), examples=8 * best, **HASTY)
    assert_same_weights(TVAE.from_pretrained(tmp_path / "best"), then.model)
    assert_same_weights(TVAE.from_pretrained(tmp_path), run.model)


def test_patience_ends_a_training_and_resuming_it_stays_at_its_end(tmp_path: Path) -> None:
    given = {"folder": tmp_path, "examples": 800, **HASTY}
    run = fit(make_model(), make_data(), patience=3, **given)
    flags = [found["best"] for found in validated(run).values()]
    assert flags[-4:] == [True, False, False, False] and all(flags[:-3])
    assert run.finished and run.step == 4 * len(flags) < 100
    assert [line["step"] for line in run.records if "loss" in line][-1] == run.step
    again = fit(make_model(8), make_data(), patience=3, resume=True, **given)
    assert (again.step, again.finished) == (run.step, True)
    further = fit(make_model(8), make_data(), patience=5, resume=True, **given)
    assert further.step == run.step + 8


def test_a_run_that_is_killed_goes_on_bit_for_bit(tmp_path: Path) -> None:
    def trained(folder: Path, stops: int) -> Run:
        def happens(batch: Any) -> None:
            raise KeyboardInterrupt

        given = {
            "folder": folder,
            "examples": 800,
            "patience": 3,
            **HASTY,
            "checkpoint_every": 0.0,
        }
        if stops:
            with pytest.raises(KeyboardInterrupt):
                fit(make_model(), Disturbed(stops, happens), **given)
        return fit(make_model(), make_data(), resume=bool(stops), **given)

    whole = trained(tmp_path / "whole", 0)
    weights = (tmp_path / "whole/best/model.safetensors").read_bytes()
    run = trained(tmp_path / "killed", stops=whole.step - 2)
    assert_same_weights(run.model, whole.model)
    assert without_times(run.records) == without_times(whole.records)
    assert (tmp_path / "killed/best/model.safetensors").read_bytes() == weights


def test_a_loss_that_is_not_finite_is_never_the_best_and_runs_the_patience_down() -> None:
    found = Validation(Batches(Other(), 8), Training(patience=2))
    assert [found.note(step, loss) for step, loss in enumerate([nan, inf, 3.0])] == [0, 0, 1]
    assert not found.ended
    assert [found.note(3, nan), found.note(4, 3.0), found.ended] == [False, False, True]
    other = Validation(Batches(Other(), 8), Training(patience=2))
    other.restore(found.state)
    assert other.state == found.state == {"best": 3.0, "step": 2, "worse": 2, "ended": True}


def test_models_and_data_of_any_kind_are_validated() -> None:
    loader = torch.utils.data.DataLoader(torch.rand(20, 6, 1, 4, 4), batch_size=4)  # pyright: ignore
    given = HELD_OUT | {"validation": loader}
    run = fit(Parabola(), make_data(), examples=80, optimizer="SGD", **given)
    assert list(validated(run)) == [4, 8, 10] and validated(run)[10]["best"]
    given = HELD_OUT | {"validation": torch.rand(3, 6, 1, 4, 4)}  # fewer than a batch
    assert len(validated(fit(make_model(), make_data(), examples=80, **given))) == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"patience": 3}, "patience=3 but there are no validation data: give some"),
        ({"patience": 3, "validate_every": 0}, "patience=3 with validate_every=0: give a number"),
        ({"patience": 0}, "patience=0"),
        ({"validate_every": -1}, "validate_every=-1"),
        ({"validation": torch.rand(8, 6, 1, 5, 5)}, r"item 0 is float32 \(6, 1, 5, 5\)"),
        ({"validation": Batches(LabelledNoise(3), 8)}, r"the data have 1 frames of shape"),
        ({"validation": 3}, "data is a int"),
    ],
)
def test_what_cannot_be_validated_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(make_model(), make_data(), examples=8, **given)


def test_nothing_is_measured_where_that_is_turned_off(tmp_path: Path) -> None:
    given = HELD_OUT | {"validate_every": 0, "folder": tmp_path}
    run = fit(make_model(), make_data(), examples=40, **given)
    assert not validated(run) and not (tmp_path / "best").exists()
