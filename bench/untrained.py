"""What the metrics say of models that have learned nothing.

    python bench/untrained.py [--json results/untrained.json]

Presets with their initial weights on 500 held-out sequences. MNIST must be found (SYMGEN_DATA).
"""

import argparse
import json
from pathlib import Path

from symgen.experiments import Experiment, evaluate, hardware, preset


def main() -> None:
    parser = argparse.ArgumentParser(description="Metrics of untrained models")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    record = {"command": "python bench/untrained.py", "hardware": hardware(), "presets": {}}
    for name in ("demo", "tvae-mnist-13-36"):
        experiment = preset(name)
        assert isinstance(experiment, Experiment)
        model, _ = experiment.build()
        test = experiment.test_sequences(batch_size=50, seed=0)
        measured = evaluate(model, test, experiment.mean_image(), sequences=500, samples=1)
        record["presets"][name] = measured
        capcorr = {factor: values["value"] for factor, values in measured["capcorr"].items()}
        print(name, capcorr, measured["e_eq"], measured["roll_prediction"]["outside"])
    if options.json is not None:
        options.json.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
