"""Rolling: whole steps are the model's own, fractions add up, rolls can be read and applied."""

from typing import Any

import pytest
import torch

from symgen import TVAE, VAE, TorusVAE
from symgen.explorer.rolling import Clip, apply_rolls, farthest_roll, read_rolls, rolled

SIZES: dict[str, Any] = {"data_shape": (1, 6, 6), "capsules": 3, "frames": 6, "width": 8}
MODELS = {
    "tvae": lambda: TVAE(**SIZES, units=5),
    "half speed": lambda: TVAE(**SIZES, units=6, shift=0.5),
    "ends": lambda: TVAE(**SIZES, units=5, boundary="zero", capsule_boundary="zero"),
    "axes": lambda: TVAE(**SIZES, capsule_axes=(3, 5)),
    "odd speed": lambda: TVAE(**SIZES, units=5, shift=0.8),
    "vae": lambda: VAE(**SIZES, units=5),
    "torus": lambda: TorusVAE((1, 6, 6), capsules=3, units=5, neighbourhood=3, width=8),
}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Any:
    return MODELS[request.param]().eval()


def latents(model: Any) -> torch.Tensor:
    return torch.randn(model.capsules, model.units)


def test_whole_steps_are_what_the_model_does(model: Any) -> None:
    t = latents(model)
    for steps in (0, 1, 2, 5):
        assert rolled(model, t, float(steps)).equal(model.act(t, steps))


@pytest.mark.parametrize("name", ["tvae", "axes", "vae"])
def test_fractions_add_up_and_lie_between(name: str) -> None:
    model = MODELS[name]().eval()
    t = latents(model)
    thirds = rolled(model, rolled(model, rolled(model, t, 1 / 3), 1 / 3), 1 / 3)
    torch.testing.assert_close(thirds, model.act(t, 1), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(rolled(model, t, 2.5), rolled(model, rolled(model, t, 0.5), 2))
    assert not torch.allclose(rolled(model, t, 0.5), t, atol=1e-2)
    torch.testing.assert_close(rolled(model, t, 0.25).sum(-1), t.sum(-1))  # nothing is lost


def test_capsules_with_ends_roll_as_the_model_does() -> None:
    model = MODELS["ends"]().eval()
    t = latents(model)
    assert rolled(model, t, 1.5).equal(model.act(t, 1.5))


def test_speeds_between_units_roll_by_what_they_are() -> None:
    model = MODELS["odd speed"]().eval()
    smooth = torch.cos(2 * torch.pi * torch.arange(5) / 5).repeat(3, 1)
    moved = rolled(model, smooth, 0.5)
    angle = 2 * torch.pi * (torch.arange(5) - 0.5 * model.speed) / 5
    torch.testing.assert_close(moved[0], torch.cos(angle), atol=1e-4, rtol=1e-4)


def test_one_capsule_rolls_alone(model: Any) -> None:
    t = latents(model)
    moved = rolled(model, t, 1.5, capsule=1)
    assert moved[1].equal(rolled(model, t, 1.5)[1]) and not moved[1].equal(t[1])
    assert moved[[0, 2]].equal(t[[0, 2]])


def test_capsules_are_back_after_the_farthest_roll() -> None:
    for name in ("tvae", "half speed", "vae"):
        model = MODELS[name]().eval()
        t = latents(model)
        torch.testing.assert_close(rolled(model, t, farthest_roll(model)), t, atol=1e-5, rtol=1e-4)
    assert farthest_roll(MODELS["ends"]()) == 5


@pytest.mark.parametrize("name", ["tvae", "axes", "vae"])
def test_a_roll_that_was_read_off_does_the_same_elsewhere(name: str) -> None:
    model = MODELS[name]().eval()
    t, other = latents(model), latents(model)
    rolls = read_rolls(model, t, model.act(t, 2))
    assert rolls[:, 0].tolist() == [2, 2, 2]
    assert apply_rolls(model, other, rolls).equal(model.act(other, 2))
    rolls = read_rolls(model, t, rolled(model, t, 1.0, capsule=0))
    assert rolls[:, 0].tolist() == [1, 0, 0]


def test_a_clip_is_encoded_once_as_the_model_encodes_it(model: Any) -> None:
    x = torch.rand(model.frames, 1, 6, 6)
    clip = Clip(model, x)
    assert clip.t.equal(model.latents(x[None])[0]) and clip.own_mean
    assert clip.reconstruction.equal(model.decode(clip.t).mean)
    assert (clip.errors is None) == (model.frames == 1)


def test_errors_are_those_of_the_metric() -> None:
    model = MODELS["tvae"]().eval()
    x, mean = torch.rand(6, 1, 6, 6), torch.rand(1, 6, 6)
    errors = Clip(model, x, mean).errors
    assert errors is not None
    by_hand = (model.traverse(x[None], 6)[0] - x).square().flatten(1).sum(1)
    torch.testing.assert_close(errors.squared_error[0], by_hand)
    torch.testing.assert_close(errors.mean_squared_error[0], (mean - x).square().flatten(1).sum(1))
