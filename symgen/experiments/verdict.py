"""What an evaluation of a model of sequences means, in plain words."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

BASELINES = {
    "nearest": "nearest seen",
    "interpolation": "interpolation",
    "mean": "mean image",
}
"""Baselines of the roll prediction, and their names."""

_EARLIER = {"repeat": "last seen"}  # of records before the nearest one was measured
_AGAINST = {
    "nearest": "repeating the nearest seen frame",
    "interpolation": "linear interpolation between seen frames",
    "mean": "the mean image",
}
_ASLEEP = 0.01  # nats per latent and frame
_FEW = 10  # recordings or sequences
_LEARNED = 5.0  # percent of the mean image's squared error that a reconstruction saves


def baselines_of(errors: Mapping[str, Any], key: str) -> dict[str, float]:
    """Return the errors of the baselines that were measured, by their names for a person.

    Args:
        errors: of one part of a `roll_prediction`.
        key: "squared_error" or "nll".

    Example:
        >>> baselines_of({"nearest_nll": 3.0, "interpolation_nll": None, "mean_nll": 4.0}, "nll")
        {'nearest seen': 3.0, 'mean image': 4.0}
    """
    found = {name: errors.get(f"{place}_{key}") for place, name in (_EARLIER | BASELINES).items()}
    return {name: value for name, value in found.items() if value is not None}


def verdict(measured: Mapping[str, Any]) -> list[str]:
    """Say whether the roll predicts unseen frames, whether the latents are used, and what next.

    A prediction is better than a baseline, or worse, if the 95 % interval of `gains` says so. The
    posterior counts as collapsed if its KL is less than 0.01 nats per latent and frame and frame 0
    decoded from t_0 saves less than 5 % of the mean image's squared error.

    Args:
        measured: the evaluation of a model of sequences; what earlier versions or other families
            have measured has no verdict. `given` says that the data are not known to be held out.

    Returns:
        A few lines.
    """
    if "gains" not in measured:
        return []
    told = [*_forecast(measured), *_prediction(measured), _posterior(measured)]
    return [*told, f"Next: {_advice(measured)}"]


def addressed(lines: Iterable[str], folder: Path) -> list[str]:
    """Put the folder of a run in the place of RUN in the commands of a verdict.

    Example:
        >>> addressed(["Next: look at it move: symgen traverse RUN."], Path("runs/demo"))
        ['Next: look at it move: symgen traverse runs/demo.']
    """
    return [
        re.sub(r"(symgen \w+) RUN\b", lambda found: f"{found[1]} {folder}", line) for line in lines
    ]


def worst_and_best(measured: Mapping[str, Any], count: int = 3) -> list[tuple[str, float]]:
    """Return the recordings whose unseen frames are predicted worst and best, worst first.

    They are ranked by the squared error as a part of that of repeating the nearest seen frame.

    Returns:
        Names, and by how many percent less the squared error is; all where they are few.
    """
    known = []
    for name, errors in measured.get("recordings", {}).items():
        error, nearest = errors["squared_error"], errors["nearest_squared_error"]
        if error is not None and nearest:
            known.append((name, 100 * (1 - error / nearest)))
    ranked = sorted(known, key=lambda pair: pair[1])
    return ranked if len(ranked) <= 2 * count else ranked[:count] + ranked[-count:]


# --- the prediction ----------------------------------------------------------------------------


def _prediction(measured: Mapping[str, Any]) -> Iterator[str]:
    frames, seen = measured["frames"], measured["frames_seen"]
    if seen == frames:
        yield (
            f"Does the roll predict unseen frames? There are none: t_0 sees all {frames} frames, "
            "so a good prediction may just be a memory of them."
        )
        return
    alone = "t_0 has seen one frame and cannot know how things move. " * ("forecast" in measured)
    yield (
        f"{alone}Does the roll predict unseen frames, {frames - seen} of {frames}? "
        f"{_answer(measured)} On {_items(measured)}:"
    )
    for name in BASELINES:
        yield f"  {_compared(measured, name)}"


def _items(measured: Mapping[str, Any]) -> str:
    """Say on how many items a prediction was compared."""
    gains, which = measured["gains"], "given" if measured.get("given") else "held-out"
    count = gains["sequences"]
    told = f"{count:,} {which} sequence{'s' * (count != 1)}"
    if (recordings := gains["recordings"]) is not None:
        plural = "s" * (recordings != 1)
        told = f"{count:,} {which} clip{'s' * (count != 1)} of {recordings:,} recording{plural}"
    if recordings == 1 and count > 1:
        told += ", so intervals say nothing about others"
    elif 1 < gains["count"] < _FEW:
        told += f", few {gains['over']}, so intervals are rough"
    return told


def _answer(measured: Mapping[str, Any]) -> str:
    """Say which baselines the roll beats; a model that has learned nothing beats none."""
    if _collapsed(measured):
        return "No: the model has learned nothing yet, see below."
    if _exact(measured, "nearest"):
        return "No: nothing moves in them."
    better, worse, open_ = (_names(measured, state) for state in ("better", "worse", "open"))
    if not worse and not open_:
        return "Yes, better than any guess below."
    if not better and not open_:
        return "No, not better than any guess below."
    if measured["gains"]["count"] == 1 and not worse:
        return f"This cannot be told from one: measure on several {measured['gains']['over']}."
    told = (("better than", better), ("worse than", worse), ("not told apart from", open_))
    parts = [f"{word} {' and '.join(names)}" for word, names in told if names]
    return f"{'In part' if better else 'No'}: {', '.join(parts)}."


def _names(measured: Mapping[str, Any], state: str) -> list[str]:
    """Name the baselines that the model compares with in this way."""
    return [a for place, a in _AGAINST.items() if _state(measured, place) == state]


def _state(measured: Mapping[str, Any], baseline: str) -> str | None:
    """Say how the model compares with a baseline: better, worse, open; None if it cannot."""
    gain = measured["gains"].get(baseline)
    if gain is None:
        return "worse" if _exact(measured, baseline) else None
    low, high = gain["low"], gain["high"]
    if low is None or high is None:  # of a single one
        return "open"
    return "better" if low > 0 else "worse" if high <= 0 else "open"


def _exact(measured: Mapping[str, Any], baseline: str) -> bool:
    """Return whether a baseline predicts every unseen frame exactly."""
    return measured["roll_prediction"]["outside"][f"{baseline}_squared_error"] == 0


def _compared(measured: Mapping[str, Any], baseline: str) -> str:
    """Say how much less the squared error is than that of a baseline."""
    gain, against = measured["gains"].get(baseline), _AGAINST[baseline]
    if gain is None and _exact(measured, baseline):
        return f"{against} is exact, since nothing moves there"
    if gain is None:
        return f"{against} is not possible: t_0 sees one frame next to them, not two"
    percent, ends = gain["percent"], (gain["low"], gain["high"])
    word, sign = ("less", 1) if percent > 0 else ("more", -1)
    told = f"{abs(percent):,.1f} % {word} squared error than {against}"
    if None in ends:
        return f"{told}; no interval from a single one"
    low, high = (f"{end:,.1f}".replace("-", "−") for end in sorted(sign * end for end in ends))
    return f"{told} (95 % interval {low} to {high} %)"


def _forecast(measured: Mapping[str, Any]) -> Iterator[str]:
    """Say what a causal model forecasts once it has seen how things move."""
    if "forecast" not in measured:
        return
    forecast, told = measured["forecast"], []
    for name, against in (("repeat", "repeating the last frame"), ("mean", "the mean image")):
        if known := forecast[f"{name}_squared_error"]:
            percent = 100 * (1 - forecast["squared_error"] / known)
            word = "less" if percent > 0 else "more"
            told.append(
                (percent > 0, f"{abs(percent):,.1f} % {word} squared error than {against}")
            )
    wins = [better for better, _ in told]
    answer = "In part" if any(wins) else "No"
    answer = "Yes" if wins and all(wins) else answer
    yield (
        f"Does it forecast, from the first {forecast['context']} of {measured['frames']} frames? "
        f"{answer}: {' and '.join(words for _, words in told) or 'nothing moves'}."
    )


def _forecasts(measured: Mapping[str, Any]) -> bool:
    """Tell whether a causal model forecasts better than what learns nothing."""
    forecast = measured.get("forecast")
    others = ("repeat_squared_error", "mean_squared_error")
    return forecast is not None and all(forecast["squared_error"] < forecast[o] for o in others)


# --- the posterior -----------------------------------------------------------------------------


def _saved(measured: Mapping[str, Any]) -> float:
    """Return by how many percent frame 0 is decoded better than as the mean image."""
    first = measured["first_frame"]
    mean = first["mean_squared_error"]
    return 100 * (1 - first["squared_error"] / mean) if mean else 0.0


def _collapsed(measured: Mapping[str, Any]) -> bool:
    return measured["kl_per_latent"] < _ASLEEP and _saved(measured) < _LEARNED


def _posterior(measured: Mapping[str, Any]) -> str:
    nats, saved = measured["kl_per_latent"], _saved(measured)
    told = "has collapsed, or tells nothing yet" if _collapsed(measured) else "is in use"
    less = "less" if saved > 0 else "more"
    first = f"{abs(saved):.1f} % {less} squared error than the mean image"
    if not measured["first_frame"]["mean_squared_error"]:
        first = "some squared error where the mean image has none"
    return (
        f"The posterior {told}: KL of {nats:.3g} nats per latent and frame; frame 0 decoded from "
        f"t_0 has {first}."
    )


# --- what next ---------------------------------------------------------------------------------


def _advice(measured: Mapping[str, Any]) -> str:
    """Say what to change first."""
    states = {name: _state(measured, name) for name in BASELINES}
    if _collapsed(measured):
        return (
            "a new run on centred data (--centre), unless it had that, and KL terms "
            "that count less, at first (--kl-start 0.05 --kl-warmup) or to the end (--beta 0.05); "
            "or a longer one (--examples)."
        )
    if measured["frames_seen"] == measured["frames"]:
        return "a shorter window (--window), so that there are frames to predict."
    if _saved(measured) < _LEARNED:
        return "train longer, in a new run (--examples): it does not reconstruct what it sees yet."
    if _forecasts(measured):
        return "continue recordings: symgen forecast RUN --out forecast.npy, or .gif."
    windowed = measured["frames_seen"] > 1 or "forecast" in measured
    if not windowed and "worse" in states.values():
        return "a TVAE with a window (--window): without one, nothing teaches latents to roll."
    if _exact(measured, "nearest"):
        return "other data: nothing moves in unseen frames, so there is no motion to learn."
    if states["mean"] == "worse":
        return (
            "train for the roll, in a new run (--rolled 0.5), with as many units as the motion "
            "has frames (--units, --length), or longer (--examples): it reconstructs, but its "
            "rolls do not move what they show; motion that is not steady cannot be learned."
        )
    if "worse" in states.values():
        return (
            "train longer, in a new run (--examples), or make unseen frames differ more from seen "
            "ones: a shorter window (--window), or for recordings longer clips (--length) or "
            "fewer frames a second (--every)."
        )
    if "open" in states.values():
        return _more(measured)
    return "look at it move: symgen traverse RUN."


def _more(measured: Mapping[str, Any]) -> str:
    held_out, unit = measured.get("held_out", 0), measured["gains"]["over"]
    if measured["examples"] < held_out:
        return f"measure more: all {held_out:,} with --all, to tell what is not told apart."
    return f"more held-out {unit}, to tell what is not told apart, or a longer training."
