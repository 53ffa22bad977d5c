# Two commands for a fresh machine: `make quickstart` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: quickstart test test-fast test-hard lint clean

## Environment, starter weights and reviews, the whole ladder, the decision and its report.
quickstart: $(READY)
	$(BIN)/slmbench compare --recipe quickstart

## Environment, lint, types, all tests.
test: $(READY) lint
	$(BIN)/python -m pytest -q -m "not hard"

## The default part of the tests only.
test-fast: $(READY)
	$(BIN)/python -m pytest -q

## The long tests of faults and hostile input: every kill, every fuzzed input. About 20 minutes on two cores.
test-hard: $(READY)
	$(BIN)/python -m pytest -q -m hard --dist load

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

## Remove what can be made again; runs, bundles and profiles of yours stay.
clean:
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(READY)
