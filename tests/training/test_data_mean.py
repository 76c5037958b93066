"""The mean of the data, which an encoder does not see: `centre`."""

import itertools
import signal
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from symgen import TVAE
from symgen.models import Stream
from symgen.training import TrainingStopped, fit

CLIPS = torch.rand(40, 6, 1, 4, 4, generator=torch.Generator().manual_seed(2)) ** 3
SIZE = {"data_shape": (1, 4, 4), "capsules": 2, "units": 6, "frames": 6, "window": 3, "width": 8}


class Counting(torch.utils.data.Dataset):
    """Many clips, of which one may bring a signal."""

    def __init__(self, interrupted: int = 0) -> None:
        self.taken, self.interrupted = [], interrupted

    def __len__(self) -> int:
        return 10_000

    def __getitem__(self, index: int) -> torch.Tensor:
        self.taken.append(index)
        if len(self.taken) == self.interrupted:
            signal.raise_signal(signal.SIGINT)
        return CLIPS[index % 40]


def centred(**options) -> TVAE:
    torch.manual_seed(0)
    return TVAE(**SIZE, centre=True, **options)


def test_without_it_there_is_no_mean():
    assert TVAE(**SIZE).data_mean is None
    assert "data_mean" not in TVAE(**SIZE).state_dict()


def test_a_model_is_the_one_whose_first_bias_is_lower_by_what_the_mean_adds():
    model, plain = centred().double(), TVAE(**SIZE).double()
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if k != "data_mean"})
    mean = CLIPS.mean((0, 1)).double()
    model.data_mean.copy_(mean)
    with torch.no_grad():
        plain.encoder.first.bias -= plain.encoder.first.weight @ mean.flatten()
    x = CLIPS[:3].double()
    torch.testing.assert_close(model.latents(x), plain.latents(x))


@pytest.mark.parametrize("data", [CLIPS, DataLoader(CLIPS, batch_size=8)], ids=["all", "loader"])
def test_fit_takes_the_mean_of_the_data_before_its_first_step(data):
    model = centred()
    fit(model, data, batch_size=8, examples=8)
    exact = CLIPS.mean((0, 1))
    torch.testing.assert_close(model.data_mean, exact, rtol=0, atol=0.05)  # of some epochs
    assert model.data_mean.unique().numel() == 16


def test_of_long_data_some_hundred_items_are_looked_at():
    data = Counting()
    fit(centred(), data, batch_size=16, examples=16)
    assert len(data.taken) < 400


def test_the_mean_stays_when_training_goes_on(tmp_path: Path):
    model = centred()
    fit(model, CLIPS, batch_size=8, examples=16, folder=tmp_path / "a")
    mean = model.data_mean.clone()
    longer = fit(centred(), CLIPS, batch_size=8, examples=32, folder=tmp_path / "a", resume=True)
    assert longer.model.data_mean.equal(mean)
    fit(model, 1 - CLIPS, batch_size=8, examples=16, folder=tmp_path / "b")  # its own weights
    assert model.data_mean.equal(mean)
    assert TVAE.from_pretrained(tmp_path / "b").data_mean.equal(mean)


def failing(model: TVAE, data, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        fit(model, data, batch_size=8, examples=64, progress=False)
    assert not model.data_mean.any()


def test_a_refused_training_leaves_no_mean_behind():
    model = centred()
    failing(model, 255 * CLIPS, "reaches from")
    spoilt = CLIPS.clone()
    spoilt[5, 2] = torch.inf
    failing(model, spoilt, "holds 16 values that are not finite")
    fit(model, CLIPS, batch_size=8, examples=64, progress=False)
    assert 0 < model.data_mean.mean() < 1


def endless():
    return (CLIPS[8 * (step % 5) :][:8] for step in itertools.count())


@pytest.mark.parametrize(
    "make",
    [
        endless,
        lambda: itertools.cycle(CLIPS.split(8)),
        lambda: DataLoader(
            CLIPS, 8, shuffle=True, generator=torch.Generator().manual_seed(3), drop_last=True
        ),
    ],
    ids=["generator", "cycle", "own generator"],
)
def test_what_is_looked_at_is_trained_on_too(make, tmp_path: Path):
    whole = fit(centred(), make(), batch_size=8, examples=320, folder=tmp_path / "a")
    begun = {"batch_size": 8, "examples": 320, "folder": tmp_path / "b"}
    model, calls = centred(), []

    def interrupt(*_) -> None:
        calls.append(1)
        if len(calls) == 4:
            signal.raise_signal(signal.SIGINT)

    model.decoder.register_forward_hook(interrupt)
    with pytest.raises(TrainingStopped) as stopped:
        fit(model, make(), **begun)
    assert stopped.value.run.step == 4
    resumed = fit(centred(), make(), **begun, resume=True)
    for name, value in whole.model.state_dict().items():
        assert resumed.model.state_dict()[name].equal(value), name


def once():
    return (CLIPS[8 * (step % 5) :][:8] for step in range(8))


def test_what_can_be_gone_through_once_is_enough_for_its_length():
    model = centred()
    fit(model, once(), batch_size=8, examples=64, progress=False)
    torch.testing.assert_close(model.data_mean, torch.cat([CLIPS, CLIPS[:24]]).mean((0, 1)))
    with pytest.raises(ValueError, match="no batch of 8 in epoch 1, after 8 batches"):
        fit(centred(), once(), batch_size=8, examples=72, progress=False)


def test_a_stream_keeps_its_digits_where_data_lie_far_from_0():
    model = centred(causal=True, boundary="zero", likelihood="gaussian")
    frames = 1e5 + torch.randn(6, 1, 1, 4, 4, generator=torch.Generator().manual_seed(4))
    model.data_mean.fill_(1e5)
    stream, states = Stream(model), [None, None]
    for frame in frames:
        t, states[0] = stream.step(frame, states[0])
        exact, states[1] = model.step(frame, states[1])
        torch.testing.assert_close(t, exact, rtol=0, atol=1e-4)


def test_a_signal_ends_it_within_a_batch(tmp_path: Path):
    data = Counting(interrupted=20)
    settings = {"batch_size": 8, "examples": 64, "folder": tmp_path / "run", "progress": False}
    with pytest.raises(TrainingStopped) as stopped:
        fit(centred(), data, **settings)
    assert len(data.taken) < 32 and stopped.value.run.step == 0
    whole = fit(centred(), Counting(), batch_size=8, examples=64, progress=False)
    resumed = fit(centred(), Counting(), **settings, resume=True)  # which measures it first
    assert resumed.model.data_mean.equal(whole.model.data_mean)
