"""Put the weights of a run into the package, rounded to float16, and measure what that costs.

python tools/embed_weights.py RUN NAME [--examples 2000]
"""

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

from symgen._files import read_json, write_json
from symgen.experiments.card import write_card
from symgen.experiments.evaluation import evaluate
from symgen.experiments.runs import open_run
from symgen.models.pretrained import weights_step

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / "symgen" / "pretrained"
MOST_BYTES = 15_000_000
MOST_NATS = 0.1
EMBEDDED = ("model.safetensors", "model.json", "config.json", "metrics.jsonl")
EMBEDDED += ("summary.json", "README.md")
LINES = 60  # of metrics.jsonl that are kept, evenly spread


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--examples", type=int, default=2000)
    given = parser.parse_args()
    run, place = open_run(given.run), HOME / given.name
    before = evaluate(run, items=given.examples)
    record = ROOT / "results" / "pretrained" / f"{given.name}.json"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / given.name
        run.model().save_pretrained(folder, step=weights_step(run.weights), half=True)
        shutil.copy(run.folder / "config.json", folder)
        lines = (run.folder / "metrics.jsonl").read_text().splitlines(keepends=True)
        spread = sorted({round(n * (len(lines) - 1) / LINES) for n in range(LINES + 1)})
        (folder / "metrics.jsonl").write_text("".join(lines[n] for n in spread))
        after = evaluate(halved := open_run(folder), items=given.examples, record=record)
        cost = abs(nats(after) - nats(before))
        print(f"{given.name}: {nats(before):.3f} nats, rounded to float16 {nats(after):.3f}")
        if cost > MOST_NATS:
            raise SystemExit(f"float16 costs {cost:.3f} nats: {MOST_NATS} at most")
        write_json(record, read_json(record) | {"float16_costs_nats": cost})
        shutil.copy(record, folder / "summary.json")
        write_card(halved, folder, None, "apache-2.0", f"symgen/{given.name}")
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for name in EMBEDDED:
            shutil.copy(folder / name, place)
    size = sum(path.stat().st_size for path in HOME.rglob("*") if path.is_file())
    print(f"all: {size / 1e6:.1f} MB")
    if size > MOST_BYTES:
        raise SystemExit(f"{size / 1e6:.1f} MB of weights: {MOST_BYTES / 1e6:.0f} at most")


def nats(measured: dict[str, Any]) -> float:
    """Return the bound that was measured, of either family."""
    if "log_p_bound" in measured:
        return measured["log_p_bound"]
    return measured["bounds"]["valid"]


if __name__ == "__main__":
    main()
