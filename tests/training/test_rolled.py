"""Rolled reconstruction: in a share of the steps rolled latents are decoded into later frames."""

from typing import Any

import pytest
import torch
from ace_helpers import SMALL
from torch import Tensor, nn
from training_helpers import Parabola, Terms, assert_same_weights, make_data, make_model

from symgen import ACE, TVAE, VAE
from symgen.models import Elbo
from symgen.training import fit


class Spy(Parabola):
    """Takes down by how many steps its latents are rolled."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[int] = []

    def forward(self, x: Tensor, roll: int = 0) -> Terms:
        self.drawn.append(roll)
        return super().forward(x)


class Unrolled(nn.Module):
    """A topographic VAE whose forward knows nothing of rolls."""

    frames, data_shape = 6, (1, 4, 4)

    def __init__(self) -> None:
        super().__init__()
        self.model = make_model()

    def forward(self, x: Tensor) -> Elbo:
        return self.model(x)


@pytest.mark.parametrize("rolled", [0.0, 0.25, 0.5, 1.0])
def test_the_share_of_the_steps_that_are_rolled(rolled: float) -> None:
    model = Spy()
    fit(model, make_data(), examples=8 * 200, rolled=rolled)
    share = sum(roll > 0 for roll in model.drawn) / 200
    assert share == pytest.approx(rolled, abs=4 * (rolled * (1 - rolled) / 200) ** 0.5)
    others = {roll for roll in model.drawn if roll}
    assert others == (set(range(1, 6)) if rolled else set())  # of 6 frames


def test_unrolled_training_is_exactly_that_of_a_model_that_cannot_roll() -> None:
    plain = fit(Unrolled(), make_data(), examples=80)
    assert_same_weights(fit(make_model(), make_data(), examples=80).model, plain.model.model)
    zero = fit(make_model(), make_data(), examples=80, rolled=0.0)
    assert_same_weights(zero.model, plain.model.model)
    rolled = fit(make_model(), make_data(), examples=80, rolled=1.0)
    assert rolled.records[-1]["loss"] != plain.records[-1]["loss"]


def test_a_rolled_step_descends_the_rolled_bound() -> None:
    model, seen = make_model(), []
    forward = model.forward

    def noted(x: Tensor, roll: int = 0) -> Elbo:
        seen.append((roll, torch.get_rng_state()))
        return forward(x, roll)

    model.forward = noted
    fit(model, make_data(), examples=8, rolled=1.0, optimizer="SGD", learning_rate=0.1)
    (roll, state), _ = seen  # and once more, to see that the weights are of use
    before, x = make_model(), make_data().batch(0).frames
    torch.set_rng_state(state)
    elbo = before(x, roll=roll)
    assert elbo.nll.shape == (8, 6)
    parameters = list(before.parameters())
    gradients = torch.autograd.grad(elbo.nll.mean() + elbo.kl.mean(), parameters)
    expected = [p - 0.1 * g for p, g in zip(parameters, gradients, strict=True)]
    torch.testing.assert_close(list(model.parameters()), expected)


def test_open_time_is_rolled_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """By all that there is room for, equally often. Of six frames two have a full window."""
    drawn: list[int] = []
    model = TVAE((3,), capsules=1, frames=6, window=5, causal=True, boundary="zero", width=4)
    rolled = model.forward

    def spied(x: Tensor, roll: int = 0) -> Elbo:
        drawn.append(roll)
        return rolled(x, roll)

    monkeypatch.setattr(model, "forward", spied)
    fit(model, torch.rand(8, 6, 3), examples=8 * 240, batch_size=8, rolled=1.0)
    counts = {roll: drawn.count(roll) for roll in (-5, -4, -3, -2, -1, 1)}
    assert sum(counts.values()) == 240 and min(counts.values()) > 15


def test_rolled_training_teaches_that_a_roll_is_a_step_in_time() -> None:
    """A bright pixel moves by one place per frame: rolled latents predict where it goes."""
    starts = torch.arange(48) % 6
    x = torch.eye(6)[(starts[:, None] + torch.arange(6)) % 6]  # (B, S, 6)

    def error(rolled: float) -> float:
        torch.manual_seed(0)
        model = VAE((6,), capsules=2, units=6, frames=6, width=24, depth=1)
        settings: dict[str, Any] = {"examples": 960, "batch_size": 16, "learning_rate": 0.02}
        fit(model, x, rolled=rolled, beta=0.1, **settings)
        return (model.traverse(x, steps=6) - x).square().mean().item()

    assert error(0.5) < 0.02 < 0.1 < error(0.0)


@pytest.mark.parametrize(
    ("make", "data"),
    [
        (lambda: ACE(**SMALL), [(torch.rand(1, 12, 12), n % 3) for n in range(9)]),
        (lambda: VAE((5,), capsules=2, units=4, frames=1, width=4), torch.rand(9, 1, 5)),
        (Parabola, make_data()),
    ],
    ids=["ACE", "VAE", "Parabola"],
)
def test_models_without_a_roll_in_time_refuse_it(
    make: Any, data: Any, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    with pytest.raises(ValueError, match=rf"rolled=0\.5 but {name} has no latents that roll with"):
        fit(make(), data, examples=1, rolled=0.5)
    fit(make(), data, examples=1)


@pytest.mark.parametrize("rolls", [3, [1.5], None])
def test_rolls_are_numbers_of_frames(rolls: Any) -> None:
    model = Spy()
    model.rolls = rolls
    with pytest.raises(ValueError, match=r"Spy\.rolls are .*: give the numbers of frames"):
        fit(model, make_data(), examples=16, rolled=0.5)
