# Each target sets up what it needs: a virtual environment and the package in it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check docs bench campaigns clean

.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# Roll the capsules of weights that come with the package: pictures, GIF, and a page to open. Then
# train on rendered dSprites, for eight minutes at most, measure and draw.
demo: .venv/installed
	$(BIN)/symgen traverse symgen/sprites
	$(BIN)/symgen explore symgen/sprites --html runs/sprites/explore.html
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

# Tutorials are executed, warnings are errors, nothing is fetched; the pages are in build/docs.
docs: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/sphinx-build -W --keep-going -q -d build/doctrees docs build/docs

BENCHMARKS := metrics step products growth topography ace memory online explorer ddp scaling
bench: .venv/installed-dev
	for name in $(BENCHMARKS); do \
		$(BIN)/python bench/$$name.py --json results/bench/$$name.json || exit 1; \
	done

# Attack the package from outside: some 7,500 cases, best not as root; fails while any ends badly.
campaigns: .venv/installed-dev
	$(BIN)/python tests/campaigns --jobs 2 --log campaigns.log

clean:
	rm -rf .venv runs build dist
