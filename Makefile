# Each target sets up what it needs: a virtual environment and the package in it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check bench clean

.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# Train on rendered dSprites, for eight minutes at most, then measure and draw.
demo: .venv/installed
	rm -rf runs/demo
	$(BIN)/symgen train demo --minutes 8
	$(BIN)/symgen evaluate runs/demo --examples 2000
	$(BIN)/symgen traverse runs/demo

check: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

# The processes of the suite share the cores, so each computes with one thread.
test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

bench: .venv/installed-dev
	$(BIN)/python bench/metrics.py --json results/bench/metrics.json
	$(BIN)/python bench/step.py --json results/bench/step.json
	$(BIN)/python bench/products.py --json results/bench/products.json
	$(BIN)/python bench/growth.py --json results/bench/growth.json
	$(BIN)/python bench/topography.py --json results/bench/topography.json
	$(BIN)/python bench/ace.py --json results/bench/ace.json
	$(BIN)/python bench/sparse.py --json results/bench/sparse.json
	$(BIN)/python bench/memory.py --json results/bench/memory.json

clean:
	rm -rf .venv runs build dist
