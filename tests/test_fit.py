import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from symgen import TVAE, VAE
from symgen.data.sequences import SequenceBatch, Sequences
from symgen.training import (
    Progress,
    Run,
    Training,
    TrainingDiverged,
    TrainingStopped,
    fit,
    load_checkpoint,
    read_records,
)
from symgen.training.optimisation import learning_rate_factor

TIMES = ("seconds", "sequences_per_second")


class Noise:
    """Sequences of random images around a pattern."""

    factor_names = ("shift",)
    factor_sizes = (6,)
    frames = 6
    image_shape = (1, 4, 4)

    def __len__(self) -> int:
        return 40

    def make(self, items: Tensor, generator: torch.Generator) -> SequenceBatch:
        noise = torch.rand(len(items), 6, 1, 4, 4, generator=generator)
        pattern = torch.linspace(0, 1, 16).view(1, 4, 4)
        zeros = torch.zeros(len(items), 6, 1, dtype=torch.int64)
        return SequenceBatch(0.8 * pattern + 0.2 * noise, zeros, zeros[:, 0, 0])


class Disturbed(Sequences):
    """Data during whose batch of a given step something happens."""

    def __init__(self, step: int, happens: Any) -> None:
        super().__init__(Noise(), batch_size=8, seed=5)
        self.step, self.happens = step, happens

    def batch(self, step: int) -> SequenceBatch:
        batch = super().batch(step)
        return (self.happens(batch) or batch) if step == self.step else batch


def lose_power(batch: SequenceBatch) -> None:
    raise OSError("lost power")


def interrupt(batch: SequenceBatch) -> None:
    os.kill(os.getpid(), signal.SIGINT)


def terminate(batch: SequenceBatch) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def spoil(batch: SequenceBatch) -> SequenceBatch:
    return batch._replace(frames=torch.full_like(batch.frames, torch.nan))


def make_model(seed: int = 3) -> TVAE:
    torch.manual_seed(seed)
    return TVAE(image_shape=(1, 4, 4), capsules=2, units=6, frames=6, window=3)


def make_data() -> Sequences:
    return Sequences(Noise(), batch_size=8, seed=5)


def assert_same_weights(a: nn.Module, b: nn.Module) -> None:
    for name, tensor in a.state_dict().items():
        assert torch.equal(tensor, b.state_dict()[name]), name


def without_times(records: Any) -> list[dict[str, Any]]:
    return [{k: v for k, v in record.items() if k not in TIMES} for record in records]


class Terms(NamedTuple):
    nll: Tensor
    kl_z: Tensor
    kl_u: Tensor


class Parabola(nn.Module):
    """nll = (w - 1)² and kl_z = v² in every frame; counts its projections."""

    frames = 6
    image_shape = (1, 4, 4)

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(4.0))
        self.v = nn.Parameter(torch.tensor(2.0))
        self.projections = 0

    def elbo(self, x: Tensor) -> Terms:
        one = torch.ones(x.shape[:2])
        return Terms((self.w - 1).square() * one, self.v.square() * one, 0 * one)

    def project_(self) -> None:
        self.projections += 1


class Kink(Parabola):
    """A loss that is finite where its gradient is not: the square root at zero."""

    def elbo(self, x: Tensor) -> Terms:
        one = torch.ones(x.shape[:2])
        return Terms(self.v.sub(2).square().sqrt() * one, 0 * one, 0 * one)

    def save_pretrained(self, folder: Path) -> None:
        pass


# The loss and its steps


def test_a_step_descends_the_mean_over_frames_of_the_negative_elbo() -> None:
    model, data = make_model(), make_data()
    torch.manual_seed(11)
    elbo = model.elbo(data.batch(0).frames)
    loss = sum(nll + kl for nll, kl in zip(elbo.nll.flatten(), elbo.kl.flatten(), strict=True))
    parameters = list(model.parameters())
    gradients = torch.autograd.grad(loss / (8 * 6), parameters)
    expected = [p - 0.1 * g for p, g in zip(parameters, gradients, strict=True)]
    fit(model, data, sequences=8, optimizer="SGD", learning_rate=0.1, seed=11)
    torch.testing.assert_close(list(model.parameters()), expected)


def test_the_kl_terms_enter_with_their_weight() -> None:
    model = Parabola()
    run = fit(
        model,
        make_data(),
        sequences=24,
        optimizer="SGD",
        learning_rate=0.25,
        kl_warmup=16,
        log_every=1,
    )
    # v falls by 0.25 · weight · 2v with weights 0, 1/2, 1; w - 1 halves three times
    assert model.v.item() == 2 * 1 * 0.75 * 0.5
    assert model.w.item() == 1 + 3 / 8
    assert [record["kl_weight"] for record in run.records] == [0, 0.5, 1]
    assert [record["loss"] for record in run.records] == [9, 9 / 4 + 2, 9 / 16 + 2.25]
    assert model.projections == 3


def test_the_schedule_scales_every_step() -> None:
    training = Training(
        sequences=64,
        batch_size=8,
        optimizer="SGD",
        learning_rate=0.1,
        warmup=16,
        schedule="cosine",
    )
    model = Parabola()
    fit(model, make_data(), training)
    w, v = 4.0, 2.0
    for step in range(8):
        rate = 0.1 * learning_rate_factor(training, step)
        w, v = w - rate * 2 * (w - 1), v - rate * 2 * v
    assert (model.w.item(), model.v.item()) == pytest.approx((w, v))


def test_clipping_bounds_the_step() -> None:
    model = Parabola()
    run = fit(model, make_data(), sequences=8, optimizer="SGD", learning_rate=1.0, clip_norm=0.5)
    moved = torch.stack([4 - model.w, 2 - model.v])
    torch.testing.assert_close(moved.norm().item(), 0.5)
    torch.testing.assert_close(run.records[0]["gradient_norm"], (6.0**2 + 4.0**2) ** 0.5)


def test_the_log_holds_means_over_its_interval() -> None:
    fine = fit(make_model(), make_data(), sequences=80, log_every=1).records
    coarse = fit(make_model(), make_data(), sequences=80, log_every=4).records
    assert [record["step"] for record in coarse] == [4, 8, 10]
    for name in ("loss", "nll", "kl_z", "kl_u"):
        values = [record[name] for record in fine]
        means = [sum(values[:4]) / 4, sum(values[4:8]) / 4, sum(values[8:]) / 2]
        torch.testing.assert_close([record[name] for record in coarse], means)
    assert coarse[-1].items() >= {"sequences": 80, "frames": 480, "learning_rate": 1e-3}.items()
    assert coarse[-1]["loss"] == pytest.approx(
        coarse[-1]["nll"] + coarse[-1]["kl_z"] + coarse[-1]["kl_u"]
    )


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_lowers_the_loss(device: torch.device, precision: Any) -> None:
    run = fit(
        make_model().to(device),
        make_data(),
        sequences=480,
        learning_rate=0.01,
        log_every=10,
        precision=precision,
    )
    assert run.records[-1]["loss"] < run.records[0]["loss"] - 1
    assert run.records[-1]["mu"] == run.model.mu.item() != -30


def test_a_plain_vae_has_no_mu_to_log() -> None:
    torch.manual_seed(0)
    model = VAE(image_shape=(1, 4, 4), capsules=2, units=6, frames=6)
    run = fit(model, make_data(), sequences=8)
    assert run.records[0]["mu"] is None
    assert run.records[0]["kl_u"] == 0


# Nothing but the numbers of the training changes its course


def test_the_same_seed_gives_the_same_run_whatever_is_watched_or_written(
    tmp_path: Path, device: torch.device
) -> None:
    plain = fit(make_model().to(device), make_data(), sequences=96, log_every=4)
    watched = fit(
        make_model().to(device),
        make_data(),
        Training(sequences=96, batch_size=8, log_every=4, checkpoint_every=0.0),
        tmp_path / "run",
        observe=lambda progress: None,
        evaluate=lambda model: {"noise": torch.randn(1, device=device).item()},
        evaluate_every=3,
    )
    assert_same_weights(plain.model, watched.model)
    kept = [record for record in watched.records if "evaluation" not in record]
    assert without_times(kept) == without_times(plain.records)
    other = fit(make_model().to(device), make_data(), sequences=96, log_every=4, seed=1)
    assert other.records[-1]["loss"] != plain.records[-1]["loss"]


def test_the_generators_of_the_caller_are_left_alone() -> None:
    model = make_model()
    before = torch.get_rng_state()
    fit(model, make_data(), sequences=16)
    assert torch.equal(torch.get_rng_state(), before)


def test_evaluations_see_the_same_noise_without_gradients() -> None:
    seen = []

    def evaluate(model: nn.Module) -> dict[str, Any]:
        seen.append((model.training, torch.is_grad_enabled(), torch.randn(2).tolist()))
        return {"accuracy": torch.tensor(0.5)}

    run = fit(make_model(), make_data(), sequences=80, evaluate=evaluate, evaluate_every=4)
    evaluations = [record for record in run.records if "evaluation" in record]
    assert [record["step"] for record in evaluations] == [4, 8, 10]
    assert evaluations[0]["evaluation"] == {"accuracy": 0.5}
    assert seen == [(False, False, seen[0][2])] * 3
    assert run.model.training
    assert len(fit(make_model(), make_data(), sequences=16, evaluate=evaluate).records) == 2


def test_the_progress_reaches_the_end() -> None:
    seen: list[Progress] = []
    fit(make_model(), make_data(), sequences=240, observe=seen.append)
    assert [p.step for p in seen] == sorted({p.step for p in seen})
    assert all(p.steps == 30 and p.sequences == 8 * p.step for p in seen)
    assert seen[-1].step == 30
    assert seen[-1].seconds_left == 0
    assert all(p.sequences_per_second > 0 and p.loss > 0 for p in seen)


# Resuming


@pytest.mark.parametrize(
    ("stop", "crash", "settings"),
    [
        (7, 13, {}),
        (3, 4, {"optimizer": "SGD", "optimizer_options": {"momentum": 0.9}, "clip_norm": 1.0}),
        (0, 15, {"optimizer": "AdamW", "schedule": "cosine", "warmup": 48}),
        (4, 9, {"optimizer": "NAdam", "kl_warmup": 120, "mu_learning_rate": 0.1}),
        (10, 11, {"precision": "bfloat16"}),
    ],
)
def test_a_run_that_was_stopped_and_crashed_ends_as_one_that_was_not(
    tmp_path: Path, device: torch.device, stop: int, crash: int, settings: dict[str, Any]
) -> None:
    training = Training(sequences=128, batch_size=8, log_every=4).changed(settings)
    measure = {"evaluate": lambda model: {"mu": model.mu}, "evaluate_every": 5}
    whole = fit(make_model().to(device), make_data(), training, tmp_path / "whole", **measure)

    folder = tmp_path / "broken"
    with pytest.raises(TrainingStopped) as stopped:
        fit(make_model().to(device), Disturbed(stop, interrupt), training, folder, **measure)
    assert stopped.value.run.step == stop + 1
    for _ in range(2):
        with pytest.raises(OSError, match="lost power"):
            fit(
                make_model(seed=8).to(device),
                Disturbed(crash, lose_power),
                training,
                folder,
                resume=True,
                **measure,
            )
    run = fit(make_model(seed=9).to(device), make_data(), training, folder, resume=True, **measure)

    assert_same_weights(run.model, whole.model)
    assert run.finished
    assert without_times(run.records) == without_times(whole.records)
    assert list(run.records) == read_records(folder / "metrics.jsonl")
    assert_same_weights(TVAE.from_pretrained(folder).to(device), whole.model)


def test_a_killed_process_resumes_bit_for_bit(tmp_path: Path) -> None:
    script = (
        "import sys, torch\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        f"torch.set_num_threads({torch.get_num_threads()})\n"
        "from test_fit import fit, make_data, make_model\n"
        "fit(make_model(), make_data(), sequences=10**7, log_every=1, checkpoint_every=0.03,\n"
        f"    folder={str(tmp_path / 'run')!r})\n"
    )
    state = tmp_path / "run" / "state" / "checkpoint.safetensors"
    with subprocess.Popen([sys.executable, "-c", script]) as process:
        patience = time.monotonic() + 60
        while not state.is_file() or load_checkpoint(state).step < 5:
            assert process.poll() is None and time.monotonic() < patience
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.1))
        process.kill()
    step = load_checkpoint(state).step
    settings = {"sequences": 8 * (step + 10), "log_every": 1}
    whole = fit(make_model(), make_data(), **settings)
    run = fit(make_model(seed=9), make_data(), folder=tmp_path / "run", resume=True, **settings)
    assert_same_weights(run.model, whole.model)
    assert without_times(run.records) == without_times(whole.records)


def test_a_finished_run_is_returned_or_made_longer(tmp_path: Path) -> None:
    short = fit(make_model(), make_data(), folder=tmp_path, sequences=40)
    again = fit(make_model(8), make_data(), folder=tmp_path, sequences=40, resume=True)
    assert_same_weights(short.model, again.model)
    assert (again.step, again.finished, again.records) == (5, True, short.records)
    longer = fit(make_model(8), make_data(), folder=tmp_path, sequences=80, resume=True)
    assert_same_weights(longer.model, fit(make_model(), make_data(), sequences=80).model)
    assert longer.seconds > short.seconds


# What stops a run


@pytest.mark.parametrize("happens", [interrupt, terminate])
def test_a_signal_finishes_the_step_saves_and_says_how_to_resume(
    tmp_path: Path, happens: Any
) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(TrainingStopped, match=rf"step 4 of 10; .*--resume {tmp_path}") as stopped:
        fit(make_model(), Disturbed(3, happens), folder=tmp_path, sequences=80)
    run = stopped.value.run
    assert isinstance(run, Run)
    assert (run.step, run.sequences, run.finished) == (4, 32, False)
    assert load_checkpoint(tmp_path / "state" / "checkpoint.safetensors").step == 4
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    with pytest.raises(TrainingStopped, match="without a folder"):
        fit(make_model(), Disturbed(3, happens), sequences=80)


def test_a_second_interrupt_does_not_wait() -> None:
    def insist(batch: SequenceBatch) -> None:
        interrupt(batch)
        interrupt(batch)

    with pytest.raises(KeyboardInterrupt):
        fit(make_model(), Disturbed(3, insist), sequences=80)


def test_training_works_beside_the_main_thread() -> None:
    runs: list[Run] = []
    thread = threading.Thread(
        target=lambda: runs.append(fit(make_model(), make_data(), sequences=16))
    )
    thread.start()
    thread.join()
    assert runs[0].finished


@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_divergence_names_the_step_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, device: torch.device, clip_norm: float | None
) -> None:
    settings = {"sequences": 160, "checkpoint_every": 0.0, "clip_norm": clip_norm}
    model = make_model().to(device)
    with pytest.raises(TrainingDiverged, match=r"step 10: loss=nan.* learning_rate below 0\.001"):
        fit(model, Disturbed(9, spoil), folder=tmp_path, **settings)
    if device.type == "cpu":  # where the step is not taken at all
        assert all(parameter.isfinite().all() for parameter in model.parameters())
    kept = load_checkpoint(tmp_path / "state" / "checkpoint.safetensors")
    assert kept.step == 9
    assert all(tensor.isfinite().all() for tensor in kept.weights.values())
    run = fit(make_model().to(device), make_data(), folder=tmp_path, resume=True, **settings)
    whole = fit(make_model().to(device), make_data(), **settings)
    assert_same_weights(run.model, whole.model)


@pytest.mark.parametrize("settings", [{}, {"clip_norm": 1.0}, {"sequences": 8}])
def test_a_gradient_that_is_not_finite_spoils_no_checkpoint(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    what = "gradient_norm=nan" if settings.get("clip_norm") else "nan|v is not finite"
    with pytest.raises(TrainingDiverged, match=what):
        fit(Kink(), make_data(), folder=tmp_path, **{"sequences": 80} | settings)
    kept = load_checkpoint(tmp_path / "state" / "checkpoint.safetensors")
    assert kept.weights["v"].item() == 2


# What is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sequences": -1}, "sequences=-1"),
        ({"learning_rate": -0.1}, "learning_rate=-0.1"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_size": 16}, "batch_size=16 but the data come in batches of 8"),
        ({"sequence": 10}, "unknown setting 'sequence': did you mean sequences"),
        ({"optimizer": "Adm"}, "did you mean Adam"),
        ({"optimizer_options": {"beta": 1.0}}, "did you mean betas"),
        ({"precision": "bfloat16", "evaluate_every": -1}, "evaluate_every=-1"),
        ({"data": Sequences(Noise(), 16, shuffle=False)}, "smaller batch than 16"),
        (
            {"model": TVAE(image_shape=(1, 4, 4), capsules=2, units=6, frames=5, window=3)},
            r"6 frames of shape \(1, 4, 4\), the model takes 5",
        ),
        (
            {"model": TVAE(image_shape=(3, 4, 4), capsules=2, units=6, frames=6, window=3)},
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


def test_a_folder_with_a_run_is_never_overwritten(tmp_path: Path) -> None:
    fit(make_model(), make_data(), folder=tmp_path, sequences=8)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(FileExistsError, match="holds a run already"):
        fit(make_model(), make_data(), folder=str(tmp_path), sequences=8)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_run_that_died_before_its_first_checkpoint_can_be_started_again(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "metrics.jsonl").touch()
    assert fit(make_model(), make_data(), folder=tmp_path, sequences=8).finished


def test_there_must_be_something_to_resume(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        fit(make_model(), make_data(), folder=tmp_path / "absent", resume=True)
    with pytest.raises(ValueError, match="without a folder"):
        fit(make_model(), make_data(), resume=True)
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0.5}, r"learning_rate was 0\.001 and is 0\.5"),
        ({"sequences": 80}, "sequences was 40 and is 80"),
        ({"data": Sequences(Noise(), 8, seed=6)}, "data_seed was 5 and is 6"),
        (
            {"model": TVAE(image_shape=(1, 4, 4), capsules=3, units=6, frames=6, window=3)},
            "weight",
        ),
    ],
)
def test_resuming_under_other_settings_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    given = {"model": make_model(), "data": make_data(), "sequences": 40, "schedule": "cosine"}
    fit(folder=tmp_path, **given)
    before = (tmp_path / "metrics.jsonl").read_bytes()
    with pytest.raises(ValueError, match=message):
        fit(folder=tmp_path, resume=True, **given | change)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before
