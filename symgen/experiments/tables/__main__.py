"""Rewrite the tables of the pages that are named."""

import sys
from pathlib import Path

from symgen.experiments.tables import fill_tables

for name in sys.argv[1:]:
    page = Path(name)
    results = Path(__file__).parents[3] / "results"
    page.write_text(fill_tables(page.read_text(), results))
