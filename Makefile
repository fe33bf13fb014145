# Two commands matter: `make run` and `make test`. Both need only Python 3.11+ and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Ray workers recompile every import where bytecode is off, so it is on here; caches stay inside the checkout's venv.
export PYTHONDONTWRITEBYTECODE :=
export RAY_USAGE_STATS_ENABLED := 0
export MLFLOW_DISABLE_TELEMETRY := true
export MPLBACKEND := Agg

.DEFAULT_GOAL := help
.PHONY: help run test lint types layers pytest bench lock clean

help: ## Say what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "Studbook needs Python 3.11 or newer, but `$(PYTHON)` is %d.%d. Try `make PYTHON=python3.11`." % v[:2])'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: requirements.txt pyproject.toml | $(VENV)/.python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

run: $(VENV)/.run ## Evolve on real daily bars: environment, data, Ray, MLflow, elites
	$(BIN)/studbook run configs/quickstart.yaml

test: lint types layers pytest ## Everything that must be green

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

layers: $(VENV)/.dev
	$(BIN)/lint-imports

pytest: $(VENV)/.dev
	$(BIN)/python -m pytest

bench: $(VENV)/.dev ## Measure against the peers, after showing that both give the same trades
	$(BIN)/python benchmarks/kernel_vs_backtesting.py

lock: $(VENV)/.dev ## Pin what pyproject.toml asks for, without addresses
	$(BIN)/uv pip compile --quiet --no-header --no-emit-index-url --python-version 3.11 pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --no-header --no-emit-index-url --python-version 3.11 --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt

clean: ## Remove the environment and caches; runs/ and data/ stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
