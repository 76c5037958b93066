"""What the metrics say of models that have learned nothing.

    python bench/untrained.py [--json results/untrained.json]

Presets with their initial weights on 500 held-out sequences. MNIST must be found (SYMGEN_DATA).
"""

import argparse
from pathlib import Path

from _record import write_record

from symgen.experiments import Experiment, evaluate, preset


def main() -> None:
    parser = argparse.ArgumentParser(description="Metrics of untrained models")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    presets = {}
    for name in ("demo", "tvae-mnist-13-36"):
        experiment = preset(name)
        assert isinstance(experiment, Experiment)
        model, _ = experiment.build()
        test = experiment.test_sequences(batch_size=50, seed=0)
        measured = evaluate(model, test, experiment.mean_image(), sequences=500, samples=1)
        presets[name] = measured
        capcorr = {factor: values["value"] for factor, values in measured["capcorr"].items()}
        print(name, capcorr, measured["e_eq"], measured["roll_prediction"]["outside"])
    write_record(options.json, "python bench/untrained.py", presets=presets)


if __name__ == "__main__":
    main()
