"""The training loop: its steps, its log, what stops it and what it refuses."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from training_helpers import (
    Disturbed,
    Noise,
    Parabola,
    Terms,
    assert_same_weights,
    make_data,
    make_labelled,
    make_model,
    make_prototypes,
    without_times,
)

from symgen import TVAE, VAE
from symgen.data import Batches, SequenceBatch
from symgen.models import Elbo
from symgen.training import Training, TrainingDiverged, fit, load_checkpoint
from symgen.training.settings import learning_rate_factor


class Kink(Parabola):
    """A loss that is finite where its gradient is not: the square root at zero."""

    def forward(self, x: Tensor) -> Terms:
        one = torch.ones(x.shape[:2])
        return Terms(self.v.sub(2).square().sqrt() * one, 0 * one, 0 * one)

    def save_pretrained(self, folder: Path) -> None:
        pass


# The loss and its steps


def test_a_step_descends_the_mean_over_frames_of_the_negative_elbo() -> None:
    model, data = make_model(), make_data()
    torch.manual_seed(11)
    elbo = model(data.batch(0).frames)
    loss = sum(nll + kl for nll, kl in zip(elbo.nll.flatten(), elbo.kl.flatten(), strict=True))
    parameters = list(model.parameters())
    gradients = torch.autograd.grad(loss / (8 * 6), parameters)
    expected = [p - 0.1 * g for p, g in zip(parameters, gradients, strict=True)]
    fit(model, data, examples=8, optimizer="SGD", learning_rate=0.1, seed=11)
    torch.testing.assert_close(list(model.parameters()), expected)


def test_the_kl_terms_enter_with_their_weight() -> None:
    model = Parabola()
    run = fit(
        model,
        make_data(),
        examples=24,
        optimizer="SGD",
        learning_rate=0.25,
        kl_warmup=16,
        log_every=1,
    )
    # v falls by 0.25 · weight · 2v with weights 0, 1/2, 1; w - 1 halves three times
    assert model.v.item() == 2 * 1 * 0.75 * 0.5
    assert model.w.item() == 1 + 3 / 8
    assert [record["weight_kl_z"] for record in run.records] == [0, 0.5, 1]
    assert [record["loss"] for record in run.records] == [9, 9 / 4 + 2, 9 / 16 + 2.25]
    assert model.projections == 3


def test_the_schedule_scales_every_step() -> None:
    training = Training(
        examples=64,
        batch_size=8,
        optimizer="SGD",
        learning_rate=0.1,
        warmup=16,
        schedule="cosine",
    )
    model = Parabola()
    fit(model, make_data(), **asdict(training))
    w, v = 4.0, 2.0
    for step in range(8):
        rate = 0.1 * learning_rate_factor(training, step)
        w, v = w - rate * 2 * (w - 1), v - rate * 2 * v
    assert (model.w.item(), model.v.item()) == pytest.approx((w, v))


def test_clipping_bounds_the_step() -> None:
    model = Parabola()
    run = fit(model, make_data(), examples=8, optimizer="SGD", learning_rate=1.0, clip_norm=0.5)
    moved = torch.stack([4 - model.w, 2 - model.v])
    torch.testing.assert_close(moved.norm().item(), 0.5)
    torch.testing.assert_close(run.records[0]["gradient_norm"], (6.0**2 + 4.0**2) ** 0.5)


def test_the_log_holds_means_over_its_interval() -> None:
    fine = fit(make_model(), make_data(), examples=80, log_every=1).records
    coarse = fit(make_model(), make_data(), examples=80, log_every=4).records
    assert [record["step"] for record in coarse] == [4, 8, 10]
    for name in ("loss", "nll", "kl_z", "kl_u"):
        values = [record[name] for record in fine]
        means = [sum(values[:4]) / 4, sum(values[4:8]) / 4, sum(values[8:]) / 2]
        torch.testing.assert_close([record[name] for record in coarse], means)
    assert coarse[-1].items() >= {"examples": 80, "frames": 480, "learning_rate": 1e-3}.items()
    assert coarse[-1]["loss"] == pytest.approx(
        coarse[-1]["nll"] + coarse[-1]["kl_z"] + coarse[-1]["kl_u"]
    )


@pytest.mark.parametrize("learning_rate", [0.0, 1e-12, 1e-3])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_without_a_gradient_an_epoch_takes_the_decay_whatever_the_learning_rate(
    learning_rate: float, schedule: Any
) -> None:
    class Flat(Parabola):
        def forward(self, x: Tensor) -> Terms:
            return Terms(*(0 * term for term in super().forward(x)))

    model, settings = Flat(), {"optimizer": "AdamW", "decay": 0.05, "schedule": schedule}
    for epoch in (1, 2):
        fit(model, make_data(), examples=40, learning_rate=learning_rate, **settings)
        assert model.w.item() == pytest.approx(4.0 * 0.95**epoch, rel=0.01)
        assert model.v.item() == pytest.approx(2.0 * 0.95**epoch, rel=0.01)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_lowers_the_loss(device: torch.device, precision: Any) -> None:
    run = fit(
        make_model().to(device),
        make_data(),
        examples=320,
        learning_rate=0.01,
        log_every=10,
        precision=precision,
    )
    assert run.records[-1]["loss"] < run.records[0]["loss"] - 1
    assert run.records[-1]["mu"] == run.model.mu.item() != -30


def test_a_plain_vae_has_no_mu_to_log() -> None:
    torch.manual_seed(0)
    model = VAE((1, 4, 4), capsules=2, units=6, frames=6)
    run = fit(model, make_data(), examples=8)
    assert run.records[0]["mu"] is None
    assert run.records[0]["kl_u"] == 0


# Nothing but the numbers of the training changes its course


def test_the_same_seed_gives_the_same_run_whatever_is_watched_or_written(
    tmp_path: Path, device: torch.device
) -> None:
    plain = fit(make_model().to(device), make_data(), examples=96, log_every=4)
    watched = fit(
        make_model().to(device),
        make_data(),
        examples=96,
        log_every=4,
        checkpoint_every=0.0,
        folder=tmp_path / "run",
        observe=lambda progress: None,
        evaluate=lambda model: {"noise": torch.randn(1, device=device).item()},
        evaluate_every=3,
    )
    assert_same_weights(plain.model, watched.model)
    kept = [record for record in watched.records if "evaluation" not in record]
    assert without_times(kept) == without_times(plain.records)
    other = fit(make_model().to(device), make_data(), examples=96, log_every=4, seed=1)
    assert other.records[-1]["loss"] != plain.records[-1]["loss"]


def test_the_generators_of_the_caller_are_left_alone() -> None:
    model = make_model()
    before = torch.get_rng_state()
    fit(model, make_data(), examples=16)
    assert torch.equal(torch.get_rng_state(), before)


# Divergence


@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_divergence_names_the_step_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, device: torch.device, clip_norm: float | None
) -> None:
    settings = {"examples": 64, "checkpoint_every": 0.0, "clip_norm": clip_norm}
    model = make_model().to(device)
    healthy = model.forward

    def spoiled(x: Tensor) -> Elbo:
        elbo = healthy(x)
        return elbo._replace(nll=torch.nan * elbo.nll)

    def spoil(batch: SequenceBatch) -> None:
        model.forward = spoiled

    with pytest.raises(TrainingDiverged, match=r"step 5: loss=nan.* learning_rate below 0\.001"):
        fit(model, Disturbed(4, spoil), folder=tmp_path, **settings)
    if device.type == "cpu":  # where the step is not taken at all
        assert all(parameter.isfinite().all() for parameter in model.parameters())
    kept = load_checkpoint(tmp_path / "state" / "checkpoint.safetensors")
    assert kept.step == 4
    assert all(tensor.isfinite().all() for tensor in kept.weights.values())
    run = fit(make_model().to(device), make_data(), folder=tmp_path, resume=True, **settings)
    whole = fit(make_model().to(device), make_data(), **settings)
    assert_same_weights(run.model, whole.model)


@pytest.mark.parametrize("settings", [{}, {"clip_norm": 1.0}, {"examples": 8}])
def test_a_gradient_that_is_not_finite_spoils_no_checkpoint(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    what = "gradient_norm=nan" if settings.get("clip_norm") else "nan|v is not finite"
    with pytest.raises(TrainingDiverged, match=what):
        fit(Kink(), make_data(), folder=tmp_path, **{"examples": 80} | settings)
    kept = load_checkpoint(tmp_path / "state" / "checkpoint.safetensors")
    assert kept.weights["v"].item() == 2


# What is refused


def test_an_unknown_kl_term_is_refused_at_the_first_step() -> None:
    start = {"kl_z": 2.0, "kl_zu": 1.0}
    with pytest.raises(ValueError, match=r"the loss has no 'kl_zu': did you mean kl_z, kl_u"):
        fit(make_model(), make_data(), examples=8, kl_warmup=8, kl_start=start)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"examples": -1}, "examples=-1"),
        ({"model": nn.Linear(2, 2)}, "a Linear cannot be trained: give a torch module with data_"),
        ({"model": "TVAE"}, "a str cannot be trained"),
        ({"learning_rate": -0.1}, "learning_rate=-0.1"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_size": 16}, "batch_size=16 but the data come in batches of 8"),
        ({"optimizer": "Adm"}, "did you mean Adam"),
        ({"optimizer_options": {"beta": 1.0}}, "did you mean betas"),
        ({"precision": "bfloat16", "evaluate_every": -1}, "evaluate_every=-1"),
        ({"data": Batches(Noise(), 16, shuffle=False)}, "smaller batch than 16"),
        ({"data": make_labelled(3)}, r"1 frames of shape \(1, 2, 2\), the model takes 6"),
        ({"model": make_prototypes(3)}, r"6 frames .*, the model takes 1 of shape \(1, 2, 2\)"),
        ({"learning_rates": {"pose": 0.1}}, "TVAE trains no 'pose': choose one of decoder, "),
        (
            {"model": TVAE((1, 4, 4), capsules=2, units=6, frames=5, window=3)},
            r"6 frames of shape \(1, 4, 4\), the model takes 5",
        ),
        (
            {"model": TVAE((3, 4, 4), capsules=2, units=6, frames=6, window=3)},
            r"the model takes 6 of shape \(3, 4, 4\)",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    given = {"model": make_model(), "data": make_data(), "folder": tmp_path / "run"} | change
    with pytest.raises(ValueError, match=message):
        fit(**given)
    assert not (tmp_path / "run").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what the compiler imports
def test_a_compiled_model_is_refused_with_where_the_model_is(tmp_path: Path) -> None:
    model: Any = torch.compile(make_model(), backend="eager")
    for data in (make_data(), torch.rand(8, 6, 1, 4, 4)):
        with pytest.raises(ValueError, match="give the TVAE itself, which is its _orig_mod"):
            fit(model, data, examples=8, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()
