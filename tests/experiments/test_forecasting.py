"""Forecasts of recordings: what follows their last frames, whatever their length."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ace_helpers import SMALL

import symgen
from symgen import ACE, TVAE, VAE, BubbleVAE, TopographicVAE, TorusVAE
from symgen.experiments import forecasting
from symgen.experiments.encoding import reel_of_run
from symgen.experiments.forecasting import ends_of, first_ends, steps_of
from symgen.experiments.held_back import errors_of, held_back, in_words, truth_of
from symgen.experiments.reel import Reel
from symgen.experiments.runs import open_run
from symgen.latents import Topographic, Topography
from symgen.metrics import roll_forecast

SIZE: dict[str, Any] = {"capsules": 2, "units": 7, "frames": 6, "window": 3, "width": 8}
OPEN: dict[str, Any] = SIZE | {"boundary": "zero", "likelihood": "gaussian"}


def make(**options: Any) -> TVAE:
    return TVAE((5,), **OPEN | options)


@pytest.mark.parametrize("options", [{"causal": True}, {}, {"window": 4}, {"shift": 0.5}])
def test_what_follows_is_the_roll_forecast_of_the_whole_recording(options: dict[str, Any]) -> None:
    model = make(**options)
    recordings = [torch.randn(length, 5) for length in (40, 6, 11)]
    found = symgen.forecast(model, recordings, horizon=9)
    assert found["last"].tolist() == [39, 5, 10] and found["left_out"] == []
    assert found["recording_names"] == ["[0]", "[1]", "[2]"]
    for recording, frames in zip(recordings, found["frames"], strict=True):
        torch.testing.assert_close(frames, roll_forecast(model, recording[None], 9)[0])


def test_cyclic_time_goes_on_from_the_last_clip() -> None:
    model = make(boundary="cyclic")
    x = torch.randn(20, 5)
    expected = roll_forecast(model, x[None, -6:], 4)
    torch.testing.assert_close(symgen.forecast(model, [x], horizon=4)["frames"], expected)


@pytest.mark.parametrize("length", [6, 9])
def test_a_window_of_a_whole_clip_has_seen_all_of_it(length: int) -> None:
    model = make(boundary="cyclic", window=6)  # which covers seven frames, the outer two half
    x = torch.randn(2, length, 5)
    found = symgen.forecast(model, x)
    assert found["last"].tolist() == [length - 1] * 2 and found["left_out"] == []
    t = model.latents(x[:, -6:])[:, -1]
    torch.testing.assert_close(found["frames"][:, 2], model.decode(t.roll(3, -1)).mean)


def test_recordings_that_are_too_short_take_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    x = [torch.randn(length, 5) for length in (2, 2, 8, 1, 5, 9)]
    number = torch.arange(6).repeat_interleave(torch.tensor([len(each) for each in x]))
    known = {"recording": number, "split": torch.zeros_like(number)}
    known |= {"frame": torch.cat([torch.arange(len(each)) for each in x])}
    names = {"recording": [*"abcdef"]}
    reel = Reel(
        torch.tensor([len(each) for each in x]).numpy(), iter([(torch.cat(x), known)]), names
    )
    reel, kept = first_ends(reel, 2, 4, least=3)
    assert ends_of(make(causal=True), reel).names == ["c", "e"] and len(kept[4][0]) == 4


def test_nets_are_at_rest_and_go_on_as_they_were() -> None:
    decoder = torch.nn.Sequential(
        torch.nn.Linear(14, 5), torch.nn.BatchNorm1d(5), torch.nn.Unflatten(1, (1, 5))
    )
    parts = {"encoder": torch.nn.Linear(5, 56), "decoder": decoder}
    topography = Topography(2, 7, 6, 3, causal=True, boundary="zero")
    model = TopographicVAE((5,), **parts, topography=topography)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x = [torch.rand(9, 5)]
    one, other = (symgen.forecast(model, x)["frames"] for _ in range(2))
    assert torch.equal(one, other) and model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_recordings_shorter_than_the_window_are_named() -> None:
    model = make(causal=True)
    x = [torch.randn(length, 5) for length in (2, 3, 1)]
    found = symgen.forecast(model, x, horizon=2)
    assert found["frames"].shape == (1, 2, 5)
    assert (found["recording_names"], found["left_out"]) == (["[1]"], ["[0]", "[2]"])
    with pytest.raises(ValueError, match="2 recordings, none of the 3 frames that a window spans"):
        symgen.forecast(model, [x[0], x[2]], horizon=2)


def test_no_frame_is_lost_where_a_lot_is_decoded_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = make(causal=True), [torch.randn(9, 5) for _ in range(4)]
    whole = symgen.forecast(model, x, horizon=7)["frames"]
    for rows in (1, 3, 7, 15):
        monkeypatch.setattr(forecasting, "_ROWS", rows)
        torch.testing.assert_close(symgen.forecast(model, x, horizon=7)["frames"], whole)


def test_frames_are_counted_as_the_recording_has_them() -> None:
    """Every second frame is encoded, and the last piece of a recording that was cut is short."""
    model = make(causal=True)
    frame = torch.tensor([0, 2, 4, 6, 12, 14])
    x = torch.randn(6, 5)

    def blocks() -> Any:
        known = {"recording": torch.zeros(6, dtype=torch.int64), "frame": frame}
        yield x, known | {"split": torch.zeros(6, dtype=torch.int64)}

    reel = Reel(torch.tensor([4, 2]).numpy(), blocks(), {"recording": ["a"]}, every=2)
    ends = ends_of(model, reel)
    assert (ends.last.tolist(), ends.passed.tolist()) == ([14], [4])  # from 6 to 14
    torch.testing.assert_close(ends.t[0], model.latents(x[None, :4])[0, 3])


@pytest.mark.parametrize("block", [3, 5, 11])  # of 11 frames of the first two, to the last one
def test_the_ends_of_the_first_recordings_are_kept(block: int) -> None:
    x = [torch.randn(length, 5) for length in (8, 3, 9)]
    model = make(causal=True)

    def blocks() -> Any:
        number = torch.arange(3).repeat_interleave(torch.tensor([8, 3, 9]))
        known = {"recording": number, "frame": torch.cat([torch.arange(len(each)) for each in x])}
        known |= {"split": torch.zeros_like(number)}
        for part in torch.arange(20).split(block):
            yield torch.cat(x)[part], {name: values[part] for name, values in known.items()}

    reel = Reel(torch.tensor([8, 3, 9]).numpy(), blocks(), {"recording": ["a", "b", "c"]})
    reel, kept = first_ends(reel, 2, 4, least=3)
    ends = ends_of(model, reel)
    assert ends.names == ["a", "b"] and ends.recording.tolist() == [0, 1]
    for number, (frames, numbers) in kept.items():
        assert torch.equal(frames, x[number][-4:])
        assert numbers.tolist() == [*range(len(x[number]))][-4:]
    expected = symgen.forecast(model, x[:2], horizon=3)["frames"]
    found = torch.cat([*forecasting.forecasts(model, ends, 3)]).unflatten(0, (2, 3))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("boundary", ["zero", "cyclic"])
def test_the_last_frames_are_forecast_from_those_before(boundary: str) -> None:
    model = make(boundary=boundary, causal=boundary == "zero")
    x = [torch.randn(length, 5) for length in (12, 4, 9, 30)]
    found = symgen.forecast(model, x, hold_back=4)
    expected = symgen.forecast(model, [each[:-4] for each in x if len(each) > 4], horizon=4)
    torch.testing.assert_close(found["frames"], expected["frames"])
    assert torch.equal(found["last"], expected["last"])
    assert torch.equal(found["truth"], torch.stack([each[-4:] for each in x if len(each) > 4]))
    assert (found["recording_names"], found["left_out"]) == (["[0]", "[2]", "[3]"], ["[1]"])


@pytest.mark.parametrize("block", [1, 4, 30])
def test_frames_are_held_back_of_the_last_piece(block: int) -> None:
    """Recordings were cut, every second frame is read, and closed ones are open without an end."""
    model = make(causal=True)
    lengths, recording = [4, 5, 3, 2, 9, 2, 3], [0, 0, 1, 1, 2, 3, 3]
    start = [0, 20, 0, 20, 0, 1, 8]  # in 3 the pieces are not whole steps apart
    x = torch.randn(sum(lengths), 5)
    number = torch.tensor(recording).repeat_interleave(torch.tensor(lengths))
    frame = torch.cat(
        [begin + 2 * torch.arange(each) for begin, each in zip(start, lengths, strict=True)]
    )

    def blocks() -> Any:
        for rows in torch.arange(len(x)).split(block):
            known = {"recording": number[rows], "frame": frame[rows]}
            yield x[rows], known | {"split": torch.zeros_like(rows)}

    names = {"recording": [*"abcd"]}
    pieces: dict[str, Any] = {
        "every": 2,
        "closed": True,
        "recording": torch.tensor(recording).numpy(),
    }
    reel = Reel(torch.tensor(lengths).numpy(), blocks(), names, **pieces)
    held = held_back(reel, 2)
    assert held.left_out == ["b"] and not held.reel.closed
    ends = ends_of(model, held.reel, exactly=True)
    assert (ends.names, ends.left_out) == (["a", "c"], ["d"])
    assert ends.last.tolist() == [24, 12] and ends.passed.tolist() == [0, 0]
    assert torch.equal(truth_of(model, held, ends.recording), torch.stack([x[6:9], x[20:23]]))
    torch.testing.assert_close(ends.t[0], model.latents(x[None, 4:7])[0, 2])


@pytest.mark.parametrize("dtype", [torch.float16, torch.int16, torch.uint16, torch.float64])
def test_numbers_of_every_type_are_compared_as_floats(dtype: torch.dtype) -> None:
    model = make(causal=True)
    x = torch.randint(900, 1000, (2, 12, 5)).to(dtype)
    found = symgen.forecast(model, x, hold_back=4)
    plain = symgen.forecast(model, x.float(), hold_back=4)
    torch.testing.assert_close(found["frames"], plain["frames"])
    torch.testing.assert_close(found["truth"].float(), plain["truth"])
    assert found["truth"].dtype in (torch.float32, torch.float64)  # squares of halves overflow


def test_a_model_of_double_precision_forecasts_in_it() -> None:
    model, x = make(causal=True).double(), torch.randn(2, 12, 5).double().requires_grad_()
    found = symgen.forecast(model, x, hold_back=4)
    assert found["frames"].dtype == found["truth"].dtype == torch.float64
    assert not found["truth"].requires_grad


def test_what_is_held_back_must_fit_the_likelihood() -> None:
    x = torch.rand(2, 12, 5)
    x[1, 10, 0] = torch.nan
    with pytest.raises(ValueError, match=r"what is held back of \[1\] holds 1 values that"):
        symgen.forecast(make(causal=True), x, hold_back=4)
    x[1, 10, 0] = 7
    with pytest.raises(ValueError, match=r"what is held back of \[1\]"):
        symgen.forecast(make(causal=True, likelihood="bernoulli"), x, hold_back=4)


def test_files_are_scaled_as_in_the_training_of_a_model(tmp_path: Path) -> None:
    films = 9 * torch.randn(10, 12, 6, 5).numpy()
    np.save(tmp_path / "films.npy", films)
    np.save(tmp_path / "swapped.npy", films.astype(">f4"))
    np.save(tmp_path / "dark.npy", films / 2)
    options = SIZE | {"causal": True, "boundary": "zero"}
    told: dict[str, Any] = {"examples": 8, "batch_size": 4}
    model = TVAE((1, 6, 5), **options)
    source = symgen.open(tmp_path / "films.npy", axes="NTYX", length=6, scale=(-40, 40))
    symgen.fit(model, source, **told, folder=tmp_path / "run")
    found = symgen.forecast(model, tmp_path / "dark.npy", hold_back=2)
    of_run = symgen.forecast(tmp_path / "run", tmp_path / "dark.npy", hold_back=2)
    assert torch.equal(found["truth"], of_run["truth"])
    loose = TVAE((1, 6, 5), **options, likelihood="gaussian")
    with pytest.raises(ValueError, match=r"dark.npy holds -.*give symgen.open\(path, scale="):
        symgen.forecast(loose, tmp_path / "dark.npy")
    swapped = np.load(tmp_path / "swapped.npy")[:, :, None]
    native = symgen.forecast(loose, torch.tensor(films)[:, :, None])["frames"]
    assert torch.equal(symgen.forecast(loose, swapped)["frames"], native)


def test_numbers_of_frames_are_plain_ones() -> None:
    count: Any = np.int64(3)
    assert type(steps_of(make(), count, None)) is int
    assert type(steps_of(make(), None, count)) is int


def test_errors_are_told_beside_the_frame_before() -> None:
    truth = torch.zeros(2, 3, 4)
    truth[0, 0] = 2  # the frame before is off by 16 in one recording, by 0 in the other
    frames = torch.ones(2, 2, 4)
    frames[:, 1] = 0.5
    mean = torch.full((4,), 3.0)
    said = in_words(errors_of(frames, truth, mean))
    assert said == (
        "squared error 2.5 a frame (4 of the first, 1 of the last); repeating the last frame "
        "before them 8, the mean of all before them 36; better than both in 1 of 2 recordings"
    )
    assert in_words(errors_of(frames[:1, :1], truth[:1, :2], mean, unit=10.0)).startswith(
        "squared error 400 a frame; repeating the last frame before them 1600"
    )


def test_a_run_forecasts_its_own_data(tmp_path: Path) -> None:
    symgen.fit(make(causal=True), torch.randn(8, 6, 5), examples=16, folder=tmp_path / "run")
    with pytest.raises(ValueError, match="with --data PATH"):
        symgen.forecast(tmp_path / "run", horizon=3)
    x = torch.randn(4, 12, 5)
    model = TVAE.from_pretrained(tmp_path / "run")
    found = symgen.forecast(tmp_path / "run", x, horizon=3)["frames"]
    torch.testing.assert_close(found, roll_forecast(model, x, 3))


def test_generated_sequences_are_those_held_out() -> None:
    run = open_run("symgen/sprites")
    model = run.model()
    ends = ends_of(model, reel_of_run(run, items=3))
    assert ends.last.tolist() == [14] * 3
    assert ends.passed.tolist() == [model.topography.window // 2] * 3


class Own(Topographic):
    """Shares energy within capsules."""

    capsules, units, frames, window = 2, 6, 4, 1

    def inverse_scale(self, energy: torch.Tensor, eps: float) -> torch.Tensor:
        return (energy.sum(-1, keepdim=True) + eps).rsqrt().expand_as(energy)


def own() -> TopographicVAE:
    decoder = torch.nn.Sequential(torch.nn.Linear(12, 5), torch.nn.Unflatten(1, (1, 5)))
    nets = {"encoder": torch.nn.Linear(5, 48), "decoder": decoder}
    return TopographicVAE((5,), **nets, topography=Own())


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: ACE(**SMALL), "ACE knows no time"),
        (
            lambda: TorusVAE((5,), capsules=4, units=4, neighbourhood=3, width=8),
            "TorusVAE knows no time",
        ),
        (lambda: VAE((5,), capsules=2, units=6, frames=6, width=8), "do not roll in time"),
        (lambda: BubbleVAE((5,), **SIZE), "do not roll in time"),
        (lambda: make(units=8, capsule_axes=(4, 2), shift=None), "AxesTopography: which frames"),
        (own, "Own: which frames its t depends on"),
    ],
)
def test_models_without_one_roll_in_time_are_refused(model: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        symgen.forecast(model(), [torch.randn(9, 5)], horizon=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizon": 0}, "horizon=0"),
        ({"horizon": 10**6}, "horizon=1000000: give 100000 or less"),
        ({"horizon": 2, "split": "test"}, "split='test' with data of your own"),
        ({"horizon": 2, "data": None}, "data=None and no run folder: name the data"),
        ({"hold_back": 0}, "hold_back=0: give 1 or more"),
        ({"hold_back": 2, "horizon": 3}, "horizon=3 and hold_back=2: give one of them"),
        ({"hold_back": 9}, "hold_back=9: no recording has more frames, the longest has 9"),
        (
            {"hold_back": 7},
            "1 recording, none of the 3 frames that a window spans before those held back",
        ),
        ({"horizon": 2, "data": [torch.randn(9, 4)]}, r"recording 0 is \(9, 4\)"),
        ({"data": [torch.randn(9, 5).to(torch.complex64)]}, "recording 0 is of torch.complex64"),
        ({"device": "meta"}, "device='meta' holds no values: take cpu"),
    ],
)
def test_bad_input_is_refused(options: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"data": [torch.randn(9, 5)]} | options
    with pytest.raises(ValueError, match=message):
        symgen.forecast(make(), **arguments)
