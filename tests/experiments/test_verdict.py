"""The verdict on an evaluation: all that it can say, of constructed and of real summaries."""

import copy
import json

import numpy as np
import pytest
import torch

import symgen
from symgen import TVAE, VAE
from symgen.experiments.card import write_card
from symgen.experiments.runs import open_run
from symgen.experiments.verdict import BASELINES, baselines_of, verdict, worst_and_best

GOOD = {"percent": 40.0, "low": 30.0, "high": 50.0}
BAD = {"percent": -8.0, "low": -12.0, "high": -4.0}
OPEN = {"percent": 2.0, "low": -3.0, "high": 7.0}


def measured(nearest=GOOD, interpolation=GOOD, mean=GOOD, **changed):
    """An evaluation of 200 of 1,000 sequences of 16 frames, 6 of them unseen."""
    gains = {"nearest": nearest, "interpolation": interpolation, "mean": mean}
    outside = {f"{name}_squared_error": 10.0 for name in BASELINES}
    found = {
        "examples": 200,
        "held_out": 1_000,
        "frames": 16,
        "frames_seen": 10,
        "kl_per_latent": 0.3,
        "first_frame": {"squared_error": 2.0, "mean_squared_error": 20.0},
        "roll_prediction": {"outside": {"squared_error": 6.0, **outside}},
        "gains": {"over": "sequences", "count": 200, "sequences": 200, "recordings": None} | gains,
    }
    return found | changed


def of_recordings(clips, recordings):
    over, count = ("recordings", recordings) if recordings > 1 else ("sequences", clips)
    about = {"over": over, "count": count, "sequences": clips, "recordings": recordings}
    return measured()["gains"] | about


def test_a_prediction_that_beats_everything():
    lines = verdict(measured())
    assert lines[0] == (
        "Does the roll predict unseen frames, 6 of 16? Yes, better than any guess below. "
        "On 200 held-out sequences:"
    )
    assert lines[1:4] == [
        f"  40.0 % less squared error than {against} (95 % interval 30.0 to 50.0 %)"
        for against in (
            "repeating the nearest seen frame",
            "linear interpolation between seen frames",
            "the mean image",
        )
    ]
    assert lines[4].startswith("The posterior is in use: KL of 0.3 nats per latent and frame;")
    assert "90.0 % less squared error than the mean image" in lines[4]
    assert lines[5] == "Next: look at it move: symgen traverse RUN." and len(lines) == 6


@pytest.mark.parametrize(
    ("gains", "answer", "advice"),
    [
        ((BAD, BAD, BAD), "No, not better than any guess below.", "motion that is not steady"),
        ((BAD, BAD, GOOD), "In part: better than the mean image, worse than rep", "--every"),
        ((GOOD, BAD, GOOD), "worse than linear interpolation between seen frames.", "--length"),
        ((GOOD, OPEN, GOOD), "not told apart from linear interpolation", "all 1,000 with --all"),
        ((OPEN, OPEN, OPEN), "No: not told apart from", "--all"),
        ((GOOD, None, GOOD), "Yes, better than any guess below.", "symgen traverse"),
    ],
)
def test_a_prediction_that_beats_some(gains, answer, advice):
    lines = verdict(measured(*gains))
    assert answer in lines[0] and advice in lines[-1]


def test_a_greater_error_is_told_as_more():
    lines = verdict(measured(BAD, OPEN))
    assert "  8.0 % more squared error" in lines[1] and "interval 4.0 to 12.0 %" in lines[1]
    assert "  2.0 % less" in lines[2] and "interval −3.0 to 7.0 %" in lines[2]


def test_what_is_not_told_apart_on_all_there_is_needs_more_data():
    assert "more held-out sequences" in verdict(measured(OPEN, examples=1_000))[-1]


def test_a_baseline_that_is_not_defined_says_why():
    assert verdict(measured(interpolation=None))[2] == (
        "  linear interpolation between seen frames is not possible: t_0 sees one frame next to "
        "them, not two"
    )


def test_unseen_frames_in_which_nothing_moves_are_no_evidence():
    still = measured(None, None)
    still["roll_prediction"]["outside"] |= dict.fromkeys(
        ("nearest_squared_error", "interpolation_squared_error"), 0.0
    )
    lines = verdict(still)
    assert "is exact, since nothing moves" in lines[1] and "nothing moves" in lines[-1]
    assert "No: nothing moves in them." in lines[0]


def test_a_window_of_all_frames_leaves_nothing_to_predict():
    full = measured(None, None, None, frames_seen=16)
    full["roll_prediction"]["outside"] = dict.fromkeys(full["roll_prediction"]["outside"])
    lines = verdict(full)
    assert "There are none: t_0 sees all 16 frames" in lines[0] and len(lines) == 3
    assert "a shorter window (--window)" in lines[-1]


@pytest.mark.parametrize(
    ("error", "repeat", "mean", "told", "advice"),
    [
        (
            *(2.0, 10.0, 8.0),
            "Yes: 80.0 % less squared error than repeating the last frame and "
            "75.0 % less squared error than the mean image.",
            "continue recordings: symgen forecast RUN --out forecast.npy, or .gif.",
        ),
        (
            *(9.0, 10.0, 8.0),
            "In part: 10.0 % less squared error than repeating the last frame and "
            "12.5 % more squared error than the mean image.",
            "train for the roll",
        ),
        (0.0, 0.0, 0.0, "No: nothing moves.", "train for the roll"),
    ],
)
def test_a_causal_model_is_judged_by_its_forecast(error, repeat, mean, told, advice):
    forecast = {"squared_error": error, "context": 5, "horizon": 11}
    forecast |= {"repeat_squared_error": repeat, "mean_squared_error": mean}
    lines = verdict(measured(BAD, None, BAD, frames_seen=1, forecast=forecast))
    assert lines[0] == f"Does it forecast, from the first 5 of 16 frames? {told}"
    assert lines[1].startswith("t_0 has seen one frame and cannot know how things move. Does the")
    assert lines[-1].startswith(f"Next: {advice}")


def test_a_collapsed_posterior_comes_first():
    blind = {"squared_error": 19.9, "mean_squared_error": 20.0}
    lines = verdict(measured(BAD, BAD, BAD, kl_per_latent=0.002, first_frame=blind))
    assert lines[-2].startswith("The posterior has collapsed, or tells nothing yet: KL of 0.002")
    assert (
        "? No: the model has learned nothing yet, see below. On"
        in verdict(measured(kl_per_latent=0.002, first_frame=blind))[0]
    )  # whatever it beats
    assert "--kl-warmup" in lines[-1] and "--beta" in lines[-1]
    quiet = verdict(measured(kl_per_latent=0.002))  # which few of many latents may need
    assert quiet[-2].startswith("The posterior is in use")


def test_a_model_that_does_not_reconstruct_yet_is_trained_longer():
    blurred = {"squared_error": 30.0, "mean_squared_error": 20.0}
    lines = verdict(measured(BAD, BAD, BAD, first_frame=blurred))
    assert "50.0 % more squared error than the mean image" in lines[-2]
    assert lines[-1] == (
        "Next: train longer, in a new run (--examples): it does not reconstruct what it sees yet."
    )


def test_a_vae_that_does_not_roll_is_told_of_windows():
    assert "a TVAE with a window" in verdict(measured(BAD, None, frames_seen=1))[-1]


@pytest.mark.parametrize(
    ("clips", "recordings", "told"),
    [
        (40, 12, "On 40 held-out clips of 12 recordings:"),
        (40, 3, "3 recordings, few recordings, so intervals are rough:"),
        (40, 1, "On 40 held-out clips of 1 recording, so intervals say nothing about others:"),
        (4, 1, "of 1 recording, so intervals say nothing about others:"),
    ],
)
def test_recordings_are_counted(clips, recordings, told):
    assert told in verdict(measured(gains=of_recordings(clips, recordings)))[0]


def test_what_has_no_comparison_has_no_verdict():
    assert verdict({"error": 3.0}) == []


def test_a_verdict_leaves_the_evaluation_alone():
    given = measured(OPEN, BAD)
    kept = copy.deepcopy(given)
    assert verdict(given) == verdict(json.loads(json.dumps(given))) and given == kept


def test_earlier_records_have_the_baseline_that_they_measured():
    earlier = {"squared_error": 1.0, "repeat_squared_error": 2.0, "mean_squared_error": 3.0}
    assert baselines_of(earlier, "squared_error") == {"last seen": 2.0, "mean image": 3.0}
    assert baselines_of({"nll": 1.0, "nearest_nll": None, "mean_nll": None}, "nll") == {}


def test_the_worst_and_the_best_recordings_are_named():
    errors = {f"film {k}": {"squared_error": k, "nearest_squared_error": 10.0} for k in range(9)}
    errors["still"] = {"squared_error": 1.0, "nearest_squared_error": 0.0}
    errors["seen"] = {"squared_error": None, "nearest_squared_error": None}
    ranked = worst_and_best({"recordings": errors}, count=2)
    assert [name for name, _ in ranked] == ["film 8", "film 7", "film 1", "film 0"]
    assert ranked[0][1] == pytest.approx(20) and worst_and_best({}) == []


# --- real runs ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run on short recordings of noise that rolls, in a folder that says which it held out."""
    place = tmp_path_factory.mktemp("rolling")
    first = np.random.default_rng(0).integers(0, 256, (40, 1, 6, 6), "u1")
    np.save(place / "films.npy", np.concatenate([np.roll(first, k, -1) for k in range(12)], 1))
    torch.manual_seed(0)
    model = TVAE((1, 6, 6), capsules=2, units=6, frames=6, window=3, width=16)
    how = {"examples": 200, "batch_size": 8}
    films = symgen.open(place / "films.npy", axes="NTYX", length=6)
    return symgen.fit(model, films, **how, folder=place / "run").folder


def test_a_real_run_has_a_verdict_in_its_summary_and_its_card(folder, tmp_path):
    found = symgen.evaluate(folder, samples=2)
    assert found["verdict"] == verdict(found) and len(found["verdict"]) == 6
    clips = 2 * len(found["recordings"])  # twelve frames are two clips of six
    assert f"On {clips} held-out clips of {clips // 2} recordings" in found["verdict"][0]
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["evaluation"]["verdict"] == found["verdict"]
    card = write_card(open_run(folder), tmp_path).read_text()
    assert all(line.strip() in card for line in found["verdict"])


def test_recordings_have_numbers_by_name(folder):
    found = symgen.evaluate(folder, samples=1)
    held_out = json.loads((folder / "config.json").read_text())["split"]["test"]
    assert set(found["recordings"]) == set(held_out) and len(held_out) == 4
    clips = [told["clips"] for told in found["recordings"].values()]
    assert sum(clips) == found["examples"] == found["held_out"]
    for key in ("squared_error", "nearest_squared_error", "mean_squared_error"):
        weighted = [told["clips"] * told[key] for told in found["recordings"].values()]
        whole = found["roll_prediction"]["outside"][key]
        assert sum(weighted) / sum(clips) == pytest.approx(whole, rel=1e-5)


def test_spreads_are_standard_deviations_over_sequences(folder):
    found = symgen.evaluate(folder, samples=1)
    assert found["roll_prediction_deviation"].keys() == {"inside", "outside"}
    told = found["roll_prediction_deviation"]["outside"]
    assert told.keys() == found["roll_prediction"]["outside"].keys()
    assert all(value > 0 for value in told.values())


def test_models_without_a_gap_or_a_window_have_a_verdict():
    x = torch.rand(12, 6, 1, 4, 4)
    full = TVAE((1, 4, 4), capsules=2, units=6, frames=6, window=6, width=8)
    plain = VAE((1, 4, 4), capsules=2, units=6, frames=6, width=8)
    for model, told in ((full, "There are none"), (plain, "unseen frames, 5 of 6?")):
        run = symgen.fit(model, x, examples=16, batch_size=8)
        found = symgen.evaluate(run, x, samples=1)
        assert told in found["verdict"][0]
        json.dumps(found, allow_nan=False)


def test_a_single_item_tells_nothing():
    one = {"percent": 12.0, "low": None, "high": None}
    given = measured(one, one, one)
    given["gains"] |= {"count": 1, "sequences": 1}
    lines = verdict(given)
    assert "? This cannot be told from one: measure on several sequences. On 1 held" in lines[0]
    assert "no interval from a single one" in lines[1]
