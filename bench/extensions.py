"""Do the extensions of the model help? Each beside a plain TVAE of the same budget.

    python bench/extensions.py [--seeds 1] [--out runs/extensions] [--json results/extensions.json]

Trains every preset of `symgen/experiments/presets/extensions.py` that is not finished in its run
folder, about a minute and a half each on a core, and measures all on the same held-out sequences.
With `--no-train` those that are not finished are named as missing in the record.
The windows of growing digits see different frames, so besides the frames that t_0 does not see,
every frame's error stands in the record (`by_frame`).
"""

import argparse
from pathlib import Path
from typing import Any

from _record import write_record

from symgen.experiments import Experiment, preset
from symgen.experiments.presets.extensions import COMPARISONS, PRESETS
from symgen.experiments.reproduce.plan import Missing, finished_run, origin


def measure(name: str, seed: int, out: Path, tested: int, train: bool) -> dict[str, Any]:
    experiment = preset(name)
    assert isinstance(experiment, Experiment)
    wanted = Experiment(
        experiment.model, experiment.data, experiment.training.changed({"seed": seed})
    )
    folder = out / f"{name}-{seed}"
    command = f"symgen train {name} --seed {seed} --out {folder}"
    run = finished_run(name, wanted, folder, command=command, train=train)
    model = run.model()
    measured = experiment.evaluate(model, items=tested, samples=1, seed=0)
    prediction = measured["roll_prediction"]["outside"]
    row: dict[str, Any] = {
        "preset": name,
        "counterpart": COMPARISONS.get(name),
        "description": PRESETS[name][0],
        "seed": seed,
        **origin(folder),
        "squared_error": prediction["squared_error"],
        "nll": prediction["nll"],
        "repeat_squared_error": prediction["repeat_squared_error"],
        "mean_squared_error": prediction["mean_squared_error"],
        "e_eq_centred_percent_of_chance": measured["e_eq_centred_percent_of_chance"],
        "capcorr": measured.get("capcorr"),
        "axes": measured.get("axes"),
        "by_frame": measured.get("roll_prediction_by_frame"),
        "speed": model.speed,
    }
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description="Extensions beside plain models")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--tested", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("runs/extensions"))
    parser.add_argument("--no-train", action="store_true")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    missing: dict[str, str] = {}
    for seed in range(options.seeds):
        for name in PRESETS:
            try:
                row = measure(name, seed, options.out, options.tested, not options.no_train)
            except Missing as reason:
                missing[f"{name}-{seed}"] = str(reason)
                print(reason, flush=True)
                continue
            rows.append(row)
            print(f"{name:36} {seed} {row['squared_error']:8.1f} {row['nll']:8.1f}", flush=True)
    write_record(
        options.json,
        f"python bench/extensions.py --seeds {options.seeds}",
        seeds=options.seeds,
        tested=options.tested,
        rows=rows,
        missing=missing,
    )


if __name__ == "__main__":
    main()
