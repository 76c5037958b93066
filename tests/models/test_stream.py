"""Streams and predictions: one frame at a time, and what lies ahead."""

import re

import jaxtyping
import pytest
import torch
from model_helpers import centred

from symgen import TVAE, VAE
from symgen.models import Stream

SIZE = {"data_shape": (1, 6, 5), "capsules": 3, "units": 6, "frames": 5, "window": 4}
CAUSAL = {"causal": True, "boundary": "zero"}
MODELS = {
    "plain": lambda: TVAE(**SIZE, **CAUSAL, neighbourhood=3),
    "weight norm, channel bias": lambda: TVAE(
        **SIZE, **CAUSAL, normalisation="weight", output_bias="channel", width=9, depth=3
    ),
    "conv": lambda: TVAE(**SIZE, **CAUSAL, net="conv", width=4),
    "vectors": lambda: TVAE(**SIZE | {"data_shape": (7,)}, **CAUSAL, likelihood="gaussian"),
    "ends, half": lambda: TVAE(**SIZE, **CAUSAL, capsule_boundary="zero", shift=0.5),
    "axes": lambda: TVAE(**SIZE, **CAUSAL, capsule_axes=(2, 3)),
    "centred": lambda: centred(TVAE(**SIZE, **CAUSAL, centre=True)),
    "centred, conv": lambda: centred(
        TVAE(**SIZE | {"width": 4}, **CAUSAL, net="conv", centre=True)
    ),
}


@pytest.fixture(params=MODELS.values(), ids=MODELS.keys())
def model(request):
    return request.param().double()


@pytest.mark.parametrize("streamed", [False, True], ids=["step", "Stream"])
@pytest.mark.parametrize("black", [0.0, 0.95], ids=["gray", "mostly black"])
def test_step_by_step_equals_the_batch_beyond_the_length_of_training(model, streamed, black):
    x = torch.rand(2, 13, *model.data_shape).double()
    x *= torch.rand_like(x) >= black
    expected = model.latents(x)
    step = Stream(model).step if streamed else model.step
    state, sizes = None, set()
    for frame in range(x.shape[1]):
        t, state = step(x[:, frame], state)
        torch.testing.assert_close(t, expected[:, frame], rtol=1e-6, atol=1e-9)
        sizes.add(tuple(state.shape))
    assert sizes == {(2, 2, 4, 3, 6)}  # the same memory for ever


def test_a_step_leaves_the_state_it_was_given(model):
    frame = torch.rand(1, *model.data_shape).double()
    _, state = model.step(frame)
    kept = state.clone()
    first, again = (model.step(frame, state)[0] for _ in range(2))
    assert torch.equal(state, kept) and torch.equal(first, again)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Stream(TVAE(**SIZE)),
        lambda: Stream(TVAE(**SIZE, causal=True)),
        lambda: TVAE(**SIZE, boundary="zero").step(torch.rand(1, 1, 6, 5)),
        lambda: TVAE(**SIZE, causal=True, ahead=1),
    ],
)
def test_who_sees_the_future_cannot_follow_or_predict(make):
    with pytest.raises(ValueError, match="sees the future"):
        make()


@pytest.mark.parametrize("streamed", [False, True], ids=["step", "Stream"])
@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (torch.zeros(1, 1, 6, 6), r"frame of shape \(1, 1, 6, 6\) .* = \(B, 1, 6, 5\)"),
        (torch.zeros(1, 6, 5), r"frame of shape \(1, 6, 5\) .*\(batch, channels, height, width\)"),
        (torch.zeros(1, 1, 6, 5, dtype=torch.uint8), "torch.uint8 does not fit .* floats"),
        (torch.full((1, 1, 6, 5), 255.0), "frame reaches .* to 255: scale"),
    ],
    ids=["size", "no batch", "integers", "support"],
)
def test_frames_that_do_not_fit_are_refused(frame, message, streamed, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    model = MODELS["plain"]()
    step = Stream(model).step if streamed else model.step
    with pytest.raises(ValueError, match=message):
        step(frame)


@pytest.mark.parametrize("streamed", [False, True], ids=["step", "Stream"])
@pytest.mark.parametrize("wrong", [(2, 2, 4, 3, 6), (2, 1, 3, 3, 6), (1, 4, 3, 6)], ids=str)
def test_a_state_of_other_streams_or_of_another_model_is_refused(wrong, streamed, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    model = MODELS["plain"]()
    step = Stream(model).step if streamed else model.step
    step(torch.rand(1, 1, 6, 5), torch.ones(2, 1, 4, 3, 6))
    message = f"state of shape {re.escape(str(wrong))} .*capsules, units. = .2, 1, 4, 3, 6.$"
    with pytest.raises(ValueError, match=message):
        step(torch.rand(1, 1, 6, 5), torch.ones(wrong))


@pytest.mark.parametrize("name", ["plain", "weight norm, channel bias", "conv"])
def test_a_stream_keeps_the_weights_that_it_copied_and_leaves_the_models_alone(name):
    model, frame = MODELS[name](), torch.rand(2, 1, 6, 5)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    stream = Stream(model)
    expected, _ = stream.step(frame)
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert all(parameter.requires_grad for parameter in model.parameters())
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.add_(1.0)
    assert torch.equal(stream.step(frame)[0], expected)
    assert not torch.allclose(model.step(frame)[0], expected)


@pytest.mark.parametrize("ahead", [1, 3])
def test_prediction_is_scored_on_the_frames_ahead_alone(ahead):
    model = TVAE(**SIZE, **CAUSAL, ahead=ahead)
    x = torch.rand(2, 5, 1, 6, 5)
    torch.manual_seed(1)
    elbo = model(x)
    torch.manual_seed(1)
    posterior = model.encode(x)
    t = model.latents(posterior, sampled=True)
    for frame in range(5 - ahead):
        image = model.decode(model.act(t[:, frame], ahead))
        torch.testing.assert_close(elbo.nll[:, frame], -image.log_prob(x[:, frame + ahead]))
    kl = posterior.z.kl().sum((-2, -1))
    torch.testing.assert_close(elbo.kl_z, kl[:, : 5 - ahead])
    assert elbo.nll.shape == elbo.kl_u.shape == (2, 5 - ahead)
    assert model.log_weights(x, 3).shape == (3, 2, 5 - ahead)


def test_the_prediction_of_a_frame_does_not_see_it():
    model = TVAE(**SIZE, **CAUSAL, ahead=1)
    x = torch.rand(1, 5, 1, 6, 5, requires_grad=True)
    t = model.latents(x, sampled=True)
    model.decode(model.act(t[:, 2], 1)).mean.sum().backward()
    assert x.grad is not None
    seen = x.grad.flatten(2).abs().sum((0, 2)) > 0
    assert seen.tolist() == [True, True, True, False, False]


@pytest.mark.parametrize("ahead", [-1, 5])
def test_there_must_be_a_frame_ahead(ahead):
    with pytest.raises(ValueError, match=f"ahead={ahead}: choose 0 to 4 frames"):
        TVAE(**SIZE, **CAUSAL, ahead=ahead)


def test_capsules_with_ends_are_filled_with_padding_variables():
    model = TVAE(**SIZE, capsule_boundary="zero", mu=-6.0)
    t = torch.randn(2, 3, 6)
    rolled = model.act(t, 2)
    torch.testing.assert_close(rolled[..., 2:], t[..., :-2])
    torch.testing.assert_close(rolled[..., :2], torch.full((2, 3, 2), 6 / 4**0.5))


def test_a_closed_sequence_keeps_its_length_and_an_open_one_does_not():
    long = torch.rand(1, 8, 1, 6, 5)
    with pytest.raises(ValueError, match=r"= \(B, 5, 1, 6, 5\)"):
        TVAE(**SIZE).encode(long)
    assert TVAE(**SIZE, **CAUSAL)(long).nll.shape == (1, 8)
    size = {name: value for name, value in SIZE.items() if name != "window"}
    with pytest.raises(ValueError, match="does not fit the model"):
        VAE(**size).encode(long)
