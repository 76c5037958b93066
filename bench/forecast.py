"""Forecasts of moving dSprites: rolled capsules beside what else predicts.

    python bench/forecast.py [--sequences 16000] [--seeds 3] [--json results/forecast.json]

Eight frames are given, the next seven are forecast; sequences are held out. Trained here, all on
the same sequences with the same nets: a TVAE with a causal window, the same trained to decode the
next frame (`ahead`), and a VAE, whose latents a linear operator fitted to each sequence or a GRU
carries on. `repeat` and `mean image` learn nothing.

Two more questions. Length: the predictive TVAE trained on sequences of eight frames, rolled for 32
(dSprites' orbits are cyclic, so there are true frames for that). Transfer: the operator of one
sequence applied to another in which the same factor moves, as the ratio of the squared error to
that of the sequence's own operator; 1 says that the operator is the transformation's, not the
sequence's. The operator of a TVAE is the roll read off between the last two frames of its context.
"""

import argparse
import json
import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from _record import write_record
from torch import Tensor, nn

from symgen import fit
from symgen.data import MovingSprites, Sequences
from symgen.data.sequences import SequenceBatch
from symgen.experiments import ModelConfig
from symgen.latents import observed_roll
from symgen.metrics import forecast_errors, linear_forecast, roll_forecast
from symgen.training import Training

CONTEXT, HORIZON, LONG = 8, 7, 32
CAUSAL = ModelConfig(
    capsules=15,
    units=15,
    window=CONTEXT,
    neighbourhood=1,
    hidden=(200, 200),
    standardise=True,
    boundary="zero",
    causal=True,
)
MODELS = {
    "causal": CAUSAL,
    "ahead": replace(CAUSAL, ahead=1),
    "vae": ModelConfig(kind="vae", capsules=15, units=15, hidden=(200, 200)),
}


@dataclass(frozen=True)
class FirstFrames:
    """The first frames of the sequences of another source."""

    source: MovingSprites
    frames: int

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.source.image_shape

    def __len__(self) -> int:
        return len(self.source)

    def make(self, items: Tensor, generator: torch.Generator) -> SequenceBatch:
        batch = self.source.make(items, generator)
        return batch._replace(
            frames=batch.frames[:, : self.frames], factors=batch.factors[:, : self.frames]
        )


class GRUForecaster(nn.Module):
    """Predicts the next code from those before, and goes on from its own predictions."""

    def __init__(self, size: int, hidden: int = 256) -> None:
        super().__init__()
        self.gru = nn.GRU(size, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, size)

    def forward(self, codes: Tensor, horizon: int) -> Tensor:
        """Return codes (B, L - 1 + H, size): each next one of the context, then the forecast."""
        states, state = self.gru(codes)
        predicted = [self.readout(states)]
        for _ in range(horizon - 1):
            states, state = self.gru(predicted[-1][:, -1:], state)
            predicted.append(self.readout(states))
        return torch.cat(predicted, 1)


def train(config: ModelConfig, source: Any, training: Training) -> Any:
    torch.manual_seed(training.seed)
    model = config.build(source.frames, source.image_shape)
    data = Sequences(source, training.batch_size, training.seed)
    fit(model, data, training)
    return model.eval()


@torch.no_grad()
def codes_of(vae: Any, x: Tensor) -> Tensor:
    return vae.encode(x).z.mean.flatten(2)


def train_gru(vae: Any, source: MovingSprites, training: Training) -> GRUForecaster:
    torch.manual_seed(training.seed)
    data = Sequences(source, 32, training.seed)
    gru = GRUForecaster(vae.capsules * vae.units)
    optimizer = torch.optim.Adam(gru.parameters(), lr=1e-3)
    for step in range(training.sequences // 32):
        codes = codes_of(vae, data.batch(step).frames)
        predicted = gru(codes[:, :CONTEXT], HORIZON)
        loss = (predicted - codes[:, 1:]).square().sum(-1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return gru.eval()


def unflatten(vae: Any, codes: Tensor) -> Tensor:
    return vae.decode(codes.unflatten(-1, (vae.capsules, vae.units))).mean


@torch.no_grad()
def steps_read(model: Any, context: Tensor) -> Tensor:
    """Read off by how many units the capsules rolled in the last step: the commonest."""
    t = model.latents(model.encode(context), sampled=False)
    t = t - t.mean(-1, keepdim=True)
    rolled = observed_roll(t[:, -2], t[:, -1]).mode(-1).values
    return torch.where(rolled > model.units // 2, rolled - model.units, rolled)


def partners(moved: Tensor) -> Tensor:
    """Give each sequence the next one in which the same factor moves."""
    partner = torch.empty_like(moved)
    for factor in moved.unique():
        members = (moved == factor).nonzero()[:, 0]
        partner[members] = members.roll(-1)
    return partner


@torch.no_grad()
def measure(models: dict[str, Any], gru: GRUForecaster, count: int) -> dict[str, Any]:
    batch = Sequences(MovingSprites("test"), count, shuffle=False).batch(0)
    x, partner = batch.frames, partners(batch.moved)
    context, true = x[:, :CONTEXT], x[:, CONTEXT:]
    vae, ahead = models["vae"], models["ahead"]
    codes = codes_of(vae, x)[:, :CONTEXT]  # of every frame by itself
    mean = Sequences(MovingSprites("train"), 500).batch(0).frames.mean((0, 1))
    own = {
        "TVAE, causal, trained ahead": roll_forecast(ahead, context, HORIZON),
        "TVAE, causal": roll_forecast(models["causal"], context, HORIZON),
        "VAE, linear operator": unflatten(vae, linear_forecast(codes, HORIZON)),
        "VAE, GRU": unflatten(vae, gru(codes, HORIZON)[:, CONTEXT - 1 :]),
        "repeat last frame": context[:, -1:].expand_as(true),
        "mean image": mean.expand_as(true),
    }
    rows = {}
    for name, predicted in own.items():
        errors = forecast_errors(predicted, true)
        rows[name] = {
            "squared_error": errors.squared_error.mean(0).tolist(),
            "nll": errors.nll.mean(0).tolist(),
        }

    def ratio(mine: Tensor, transferred: Tensor) -> float:
        of = [forecast_errors(p, true).squared_error.mean().item() for p in (transferred, mine)]
        return of[0] / of[1]

    read = steps_read(ahead, context)
    transfer = {
        "TVAE, causal, trained ahead": ratio(
            roll_forecast(ahead, context, HORIZON, read),
            roll_forecast(ahead, context, HORIZON, read[partner]),
        ),
        "VAE, linear operator": ratio(
            own["VAE, linear operator"],
            unflatten(vae, linear_forecast(codes, HORIZON, others=codes[partner])),
        ),
    }
    orbit = (CONTEXT - 1 + torch.arange(1, LONG + 1)) % x.shape[1]
    rolled = roll_forecast(models["short"], context, LONG)
    repeated = context[:, -1:].expand_as(rolled)
    length = {
        name: forecast_errors(predicted, x[:, orbit]).squared_error.mean(0).tolist()
        for name, predicted in (
            ("TVAE, trained ahead on 8 frames", rolled),
            ("repeat last frame", repeated),
        )
    }
    return {"rows": rows, "transfer": transfer, "length": length}


def mean_and_std(values: list[Any]) -> Any:
    """Join the numbers of several seeds, wherever they lie."""
    first = values[0]
    if isinstance(first, dict):
        return {key: mean_and_std([value[key] for value in values]) for key in first}
    if isinstance(first, list):
        return [mean_and_std(list(items)) for items in zip(*values, strict=True)]
    spread = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.mean(values), "std": spread}


def main() -> None:
    parser = argparse.ArgumentParser(description="Forecasts of moving dSprites")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sequences", type=int, default=16_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tested", type=int, default=500)
    given = parser.parse_args()
    measured = []
    source = MovingSprites("train")
    for seed in range(given.seeds):
        training = Training(
            sequences=given.sequences,
            batch_size=16,
            learning_rate=1.5e-3,
            warmup=800,
            schedule="cosine",
            seed=seed,
        )
        models = {name: train(config, source, training) for name, config in MODELS.items()}
        models["short"] = train(MODELS["ahead"], FirstFrames(source, CONTEXT), training)
        gru = train_gru(models["vae"], source, training)
        measured.append(measure(models, gru, given.tested))
        print(json.dumps(measured[-1]["transfer"]), flush=True)
    joined = mean_and_std(measured)
    for name, row in joined["rows"].items():
        errors = "  ".join(f"{value['mean']:6.1f}" for value in row["squared_error"])
        print(f"{name:32s} {errors}")
    write_record(
        given.json,
        f"python bench/forecast.py --sequences {given.sequences} --seeds {given.seeds}",
        sequences=given.sequences,
        seeds=given.seeds,
        tested=given.tested,
        **joined,
    )


if __name__ == "__main__":
    main()
