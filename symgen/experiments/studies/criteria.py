"""Acceptance criteria E1 to E15 of ACE with symmetry statistics: all thresholds, in one place.

The paper (Georgiev 2016, arXiv 1511.02841) gives pictures and no numbers, so the thresholds are
ours, and frozen. Those marked as projected were set before anything had been measured; they may be
set anew once, with the reason as `note`.
"""

import math
import operator
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["CRITERIA", "Criterion", "Limit", "judged"]

Values = Mapping[str, float | None]
"""What one seed gives, by name; None stands for what could not be measured."""
Found = Callable[..., Any]
"""Looks a value up: preset, then its place; a seed of its own by name."""

_RELATIONS = {"<": operator.lt, "≤": operator.le, ">": operator.gt, "≥": operator.ge}


class _NotFound(LookupError):
    """A run that a criterion needs is not on record."""


@dataclass(frozen=True)
class Limit:
    """A bound on a measured value.

    Example:
        >>> limit = Limit("gain, nats", "≥", 50)
        >>> limit.holds([40.0, 70.0]), limit.holds([None, 70.0]), str(limit)
        (True, None, 'gain, nats ≥ 50')
    """

    value: str
    """Name of the value."""
    relation: Literal["<", "≤", ">", "≥"]
    """How it must stand to the bound."""
    bound: int | float
    """The threshold."""
    every: bool = False
    """Every seed has to obey it, not only their mean."""

    def holds(self, values: Sequence[float | None]) -> bool | None:
        """Compare with one value per seed; None if one of them is missing."""
        known = [value for value in values if value is not None and math.isfinite(value)]
        if not known or len(known) < len(values):
            return None
        compare = _RELATIONS[self.relation]
        decisive = known if self.every else [statistics.fmean(known)]
        return all(compare(value, self.bound) for value in decisive)

    def __str__(self) -> str:
        return f"{self.value} {self.relation} {self.bound:g}" + ", every seed" * self.every


@dataclass(frozen=True)
class Criterion:
    """A claim and how it is decided."""

    id: str
    """Its number."""
    claim: str
    """What is claimed, in few words."""
    limits: tuple[Limit, ...]
    """What has to hold, all of it."""
    values: Callable[[Found], Values]
    """Computes the values of one seed; may give more than the limits ask for."""
    projected: bool = False
    """The thresholds are projections: they may be set anew once, with the reason."""
    note: str = ""
    """What a reader has to know."""
    tried: str = "nothing else has been tried yet"
    """What was tried, should it fail."""

    @property
    def threshold(self) -> str:
        """All limits in words."""
        return "; ".join(map(str, self.limits))


def judged(entries: Sequence[Mapping[str, Any]], seeds: int, smoke: bool) -> list[dict[str, Any]]:
    """Decide all criteria from what is on record.

    One passes if every limit holds on what was measured for all seeds, and fails if one does not.
    It is open where a part or a seed is missing, and not run where all are. A smoke run decides
    nothing.

    Args:
        entries: entries of the study of ACE.
        seeds: number of seeds.
        smoke: the runs are too short for a verdict.
    """
    known = {(entry["preset"], entry["seed"]): entry["measured"] for entry in entries}
    return [_examine(criterion, known, seeds, smoke) for criterion in CRITERIA]


def _examine(
    criterion: Criterion, known: Mapping[tuple[str, int], Any], seeds: int, smoke: bool
) -> dict[str, Any]:
    measured: list[Values] = []
    missing: list[str] = []
    for seed in range(seeds):
        try:
            measured.append(criterion.values(_finder(known, seed)))
        except _NotFound as reason:
            measured.append({})
            missing.append(str(reason))
    names = dict.fromkeys(name for values in measured for name in values)
    values = {name: [_plain(each.get(name)) for each in measured] for name in names}
    holds = [limit.holds(values.get(limit.value, [None])) for limit in criterion.limits]
    verdict = _verdict(holds, ran=bool(names), smoke=smoke)
    notes = [criterion.note, *dict.fromkeys(missing)]
    notes += [criterion.tried] if verdict == "failed" else []
    return {
        "id": criterion.id,
        "claim": criterion.claim,
        "threshold": criterion.threshold,
        "projected": criterion.projected,
        "verdict": verdict,
        "passed": {"passed": True, "failed": False}.get(verdict),
        "limits": [
            asdict(limit) | _summary(values.get(limit.value, [])) | {"holds": hold}
            for limit, hold in zip(criterion.limits, holds, strict=True)
        ],
        "values": {name: {"seeds": v, **_summary(v)} for name, v in values.items()},
        "note": "; ".join(filter(None, notes)),
    }


def _finder(known: Mapping[tuple[str, int], Any], seed: int) -> Found:
    def find(preset: str, *place: str, seed: int = seed) -> Any:
        value = known.get((preset, seed))
        for name in place:
            value = None if value is None else value.get(name)
        if value is None:
            raise _NotFound(f"{preset}-{seed} has no {' '.join(place)} on record")
        return value

    return find


def _verdict(holds: Sequence[bool | None], *, ran: bool, smoke: bool) -> str:
    if not ran:
        return "not run"
    if smoke:
        return "smoke"
    if False in holds:
        return "failed"
    return "open" if None in holds else "passed"


def _plain(value: float | None) -> float | None:
    """Return a value that JSON can hold."""
    return value if value is not None and math.isfinite(value) else None


def _summary(values: Sequence[float | None]) -> dict[str, float | None]:
    known = [value for value in values if value is not None]
    return {
        "mean": statistics.fmean(known) if known else None,
        "std": statistics.stdev(known) if len(known) > 1 else None,
    }


# --- values of one seed ------------------------------------------------------------------------

_BOUND = ("evaluation", "bounds")


def _one_latent(find: Found) -> Values:
    valid = find("ace-mnist-plain", *_BOUND, "valid")
    return {
        "recognised, %": find("ace-mnist-plain", "traversal", "recognised, %"),
        "nats below class mean": find("judge-mnist", "judge", "class_mean", seed=0) - valid,
        "U_valid": valid,
    }


def _without_pose(find: Found) -> Values:
    values: dict[str, float | None] = {}
    for data in ("rts", "tc"):
        name = data.upper()
        plain, posed = (
            find(preset, "traversal", "recognised, %")
            for preset in (f"ace-{data}-plain", f"ace-{data}")
        )
        valid = find(f"ace-{data}-plain", *_BOUND, "valid")
        class_mean = find(f"judge-{data}", "judge", "class_mean", seed=0)
        values[f"{name} recognised, % of with pose"] = 100 * plain / posed if posed else None
        values[f"{name} nats from class mean"] = abs(class_mean - valid)
        values[f"{name} recognised without pose, %"] = plain
        values[f"{name} recognised with pose, %"] = posed
    return values


def _many_latents(find: Found) -> Values:
    hundred = find("ace-rts-plain-100", "samples", "canonical pose, %", seed=0)
    one = find("ace-rts", "samples", "pose drawn, %")
    return {
        "100 latents less 1 with pose, points": hundred - one,
        "100 latents without pose, %": hundred,
        "1 latent, pose drawn, %": one,
        "1 latent, canonical pose, %": find("ace-rts", "samples", "canonical pose, %"),
    }


def _gain(data: str) -> Callable[[Found], Values]:
    def values(find: Found) -> Values:
        plain, posed = (find(p, *_BOUND, "valid") for p in (f"ace-{data}-plain", f"ace-{data}"))
        variational = find(f"ace-{data}", "evaluation", "variational_pose")
        return {
            "gain charged, nats": plain - posed if variational else None,
            "U_valid with pose": posed,
            "U_valid without pose": plain,
            "cost of the pose, nats": find(f"ace-{data}", *_BOUND, "kl_pose"),
        }

    return values


def _size_factored_out(find: Found) -> Values:
    posed, plain = "ace-mnist", "ace-mnist-plain"
    height, slant = (
        [find(preset, "traversal", f"{name} variance") for preset in (posed, plain)]
        for name in ("height", "slant")
    )
    charged = find(plain, *_BOUND, "valid") - find(posed, *_BOUND, "valid")
    cost = find(posed, *_BOUND, "kl_pose")
    return {
        "height variance, part of without pose": height[0] / height[1] if height[1] else None,
        "gain free of charge, nats": charged + cost,
        "gain charged, nats": charged,
        "U_valid with pose": find(posed, *_BOUND, "valid"),
        "cost of the pose, nats": cost,
        "slant variance, part of without pose": slant[0] / slant[1] if slant[1] else None,
    }


def _pose_recovered(find: Found) -> Values:
    rts, tc = (find(preset, "evaluation", "pose_r2") for preset in ("ace-rts", "ace-tc"))
    own = find("ace-rts", "poses")
    return {
        "RTS R² shift": min(rts["shift_x"], rts["shift_y"]),
        "RTS R² angle": rts["angle"],
        "RTS R² log scale": rts["log_scale"],
        "TC R² shift": min(tc["shift_x"], tc["shift_y"]),
        "RTS R² shift, canonical pose of each digit": own["shift"],
        "RTS R² angle, canonical pose of each digit": own["angle"],
        "RTS R² log scale, canonical pose of each digit": own["log_scale"],
    }


def _canonical_traversals(find: Found) -> Values:
    values: dict[str, float | None] = {}
    for data in ("rts", "tc"):
        name, found = data.upper(), find(f"ace-{data}", "traversal")
        values[f"{name} recognised, %"] = found["recognised by the judge of MNIST, %"]
        values[f"{name} recognised from -2 to 2, %"] = found["recognised by it from -2 to 2, %"]
        values[f"{name} recognised by the judge of {name}, %"] = found["recognised, %"]
        identity = found["recognised at the identity, %"]
        values[f"{name} recognised by it at the identity, %"] = identity
    return values


def _errors(find: Found) -> Values:
    error = {
        name: find(f"ace-{name}", "evaluation", "error")
        for name in ("mnist", "rts", "tc", "tc-plain", "rts-plain")
    }
    return {
        "MNIST error, %": error["mnist"],
        "RTS error, %": error["rts"],
        "TC error, %": error["tc"],
        "TC error less without pose, points": error["tc"] - error["tc-plain"],
        "RTS error less without pose, points": error["rts"] - error["rts-plain"],
    }


def _internal_augmentation(find: Found) -> Values:
    sampled = find("ace-rts", "evaluation", "error")
    mean = find("ace-rts-free", "evaluation", "error", seed=0)
    return {
        "error sampled less deterministic, points": sampled - mean,
        "error sampled, %": sampled,
        "error deterministic, %": mean,
    }


def _photographs(find: Found) -> Values:
    values: dict[str, float] = {}
    for words, preset in (("without pose", "ace-cifar-plain"), ("with pose", "ace-cifar")):
        bounds, shown = find(preset, *_BOUND), find(preset, "photographs")
        values[f"U_valid {words}"] = bounds["valid"]
        values[f"R {words}"] = bounds["reconstruction"]
        values[f"G {words}"] = bounds["kl_z"] + bounds["kl_pose"]
        values[f"error {words}, %"] = find(preset, "evaluation", "error")
        values[f"sharpness of samples {words}"] = shown["sharpness of samples"]
        values[f"Fréchet distance {words}"] = shown["Fréchet distance"]
        of_each = shown["Fréchet distance, mean of classes"]
        values[f"Fréchet distance {words}, mean of classes"] = of_each
    gain = values["U_valid without pose"] - values["U_valid with pose"]
    nearer = values["Fréchet distance with pose"] - values["Fréchet distance without pose"]
    return {"gain charged, nats": gain, "Fréchet distance with less without pose": nearer} | values


def _of(*place: str) -> Callable[[Found], Values]:
    return lambda find: find("ace-rts", *place)


CRITERIA = (
    Criterion(
        "E1",
        "Fig. 1: one latent suffices on MNIST",
        (Limit("recognised, %", "≥", 95), Limit("nats below class mean", "≥", 15)),
        _one_latent,
        projected=True,
    ),
    Criterion(
        "E2",
        "Fig. 1: without a pose RTS and TC fail",
        (
            Limit("RTS recognised, % of with pose", "<", 80),
            Limit("TC recognised, % of with pose", "<", 80),
            Limit("RTS nats from class mean", "≤", 80),
            Limit("TC nats from class mean", "≤", 80),
        ),
        _without_pose,
        projected=True,
    ),
    Criterion(
        "E3",
        "Fig. 1: 100 latents do not rescue RTS",
        (Limit("100 latents less 1 with pose, points", "<", 0),),
        _many_latents,
        note="one run with 100 latents against all with one latent and a pose; samples of the "
        "prior, in a drawn pose where there is one",
    ),
    Criterion(
        "E4",
        "Fig. 2: the pose pays on RTS",
        (Limit("gain charged, nats", "≥", 50), Limit("gain charged, nats", ">", 0, every=True)),
        _gain("rts"),
    ),
    Criterion(
        "E5",
        "Fig. 2: the pose pays on TC",
        (Limit("gain charged, nats", "≥", 80), Limit("U_valid with pose", "≤", 420)),
        _gain("tc"),
    ),
    Criterion(
        "E6",
        "Fig. 2: size is factored out of MNIST",
        (
            Limit("height variance, part of without pose", "≤", 0.5),
            Limit("gain free of charge, nats", "≥", 5),
        ),
        _size_factored_out,
        projected=True,
        note="free of charge: the KL of the pose left out of the bound of the charged model",
    ),
    Criterion(
        "E7",
        "symmetry statistics are poses",
        (
            Limit("RTS R² shift", "≥", 0.9),
            Limit("RTS R² angle", "≥", 0.7),
            Limit("RTS R² log scale", "≥", 0.7),
            Limit("TC R² shift", "≥", 0.9),
        ),
        _pose_recovered,
        note="shift: the worse of x and y; regressed on the generators of the linear part and the "
        "shift of the map, for on all six generators even a perfect pose has an R² below 0.96",
    ),
    Criterion(
        "E8",
        "Fig. 2: canonical traversals are legible",
        (Limit("RTS recognised, %", "≥", 90), Limit("TC recognised, %", "≥", 90)),
        _canonical_traversals,
        projected=True,
        note="by the judge of MNIST, around the centre of mass, in the mean pose of each class, "
        "since its canonical one is free, its size included; set so after a first measurement at "
        "the identity by the judges of RTS and TC, which stand in the record",
        tried="digits of some classes dissolve towards either end, where hardly an image has its "
        "style; from -2 to 2 TC's are recognised to 91 %, RTS's to 97 %. TC had 720 steps. Tried: "
        "the pose inferred once, whose styles hold the slant that it misses: 93.5 % at the same "
        "length, with 20 nats more of U_valid (the record of commit 3188139)",
    ),
    Criterion(
        "E9",
        "control: moving the code moves the image",
        (
            Limit("distance from direct warp", "≤", 0.02),
            Limit("class unchanged for the judge, %", "≥", 98),
            Limit("class unchanged for the model, %", "≥", 98),
            Limit("round trip", "<", 1e-5),
        ),
        _of("control"),
        note="RTS test images whose object stays on the canvas; 30°, 1.3 and 5 pixels, each the "
        "way that leads to the middle of the data's poses; round trip in halves of the canvas",
    ),
    Criterion(
        "E10",
        "errors like those of spatial transformers",
        (
            Limit("MNIST error, %", "≤", 0.7),
            Limit("RTS error, %", "≤", 0.8),
            Limit("TC error, %", "≤", 3.5),
            Limit("TC error less without pose, points", "<", 0),
        ),
        _errors,
    ),
    Criterion(
        "E11",
        "internal augmentation does no harm",
        (Limit("error sampled less deterministic, points", "≤", 0),),
        _internal_augmentation,
        note="one run with the pose free and deterministic against all with it sampled and "
        "charged; the standard error of a difference is about 0.1 points",
        tried="the difference is smaller than its standard error; more seeds have not been tried",
    ),
    Criterion(
        "E12",
        "Figs 3-4: the pose pays on CIFAR-10",
        (
            Limit("gain charged, nats", ">", 0, every=True),
            Limit("Fréchet distance with less without pose", "<", 0),
        ),
        _photographs,
        note="Fréchet distance of 5,000 samples of the prior, in a drawn pose where there is one, "
        "to test images, in the features of the judge of CIFAR-10 instead of a pretrained net: "
        "not comparable with FIDs elsewhere",
        tried="the Fréchet distances differ by less than half a percent, and the other way if taken "
        "within each class; 400 steps make photographs of neither, and longer runs have "
        "not been tried",
    ),
    Criterion(
        "E13",
        "Laplace density: sampler and KL agree",
        (
            Limit("KL, % off", "≤", 1, every=True),
            Limit("mean, % of std off", "≤", 1, every=True),
            Limit("variance, % off", "≤", 1, every=True),
        ),
        _of("mechanics"),
    ),
    Criterion(
        "E14",
        "eq. 4.1: bounds stand in order",
        (
            Limit("Σω - 1", "≤", 1e-5, every=True),
            Limit("tight - valid", "≤", 1e-3, every=True),
            Limit("paper - valid", "≤", 1e-3, every=True),
            Limit("valid - paper - log C", "≤", 1e-3, every=True),
            Limit("paper - labelled, ω one-hot", "≤", 1e-3, every=True),
        ),
        _of("mechanics"),
        note="greatest over test images; in nats, which single precision rounds to 1e-4",
    ),
    Criterion(
        "E15",
        "Fig. 5: wired as drawn",
        (
            Limit("gradient of R in the pose net", ">", 0, every=True),
            Limit("gradient of cross-entropy in the pose net", ">", 0, every=True),
            Limit("change by other labels", "≤", 0, every=True),
            Limit("fresh pose off identity", "≤", 0, every=True),
        ),
        _of("mechanics"),
        note="scores against labels set aside",
    ),
)
"""All criteria, in order."""
