# make demo    a live market with market makers trading on it, until Ctrl-C
# make test    format, lint, types, import contracts, tests
# make bench   the speed figures of docs/BENCHMARKS.md
# The first call of each creates .venv and installs what it needs; a second starts at once.

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check bench fuzz clean

demo: .venv/core
	$(BIN)/python scripts/run_demo.py

test: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist loadfile

check: .venv/dev
	$(BIN)/ruff format .
	$(MAKE) test

bench: .venv/bench
	$(BIN)/python scripts/bench_engine.py
	$(BIN)/python scripts/bench_flow.py
	$(BIN)/python scripts/bench_server.py
	$(BIN)/python scripts/bench_journal.py

# every index checked, which compiled code does not do by itself: slow, for a night
boundscheck: .venv/dev
	NUMBA_BOUNDSCHECK=1 $(BIN)/pytest tests -k "engine or simulation"

fuzz: .venv/dev
	$(BIN)/python scripts/fuzz_engine.py --commands 10000000 --seed 1 --processes 2

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/core: .venv/bin/python pyproject.toml constraints.txt
	$(INSTALL) --editable .
	touch $@

.venv/dev: .venv/core
	$(INSTALL) --editable '.[dev,rl,tune]'
	touch $@

.venv/bench: .venv/core
	$(INSTALL) --editable '.[bench]'
	touch $@

clean:
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
