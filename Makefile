# Two commands matter: `make run` and `make test`. Both need only Python 3.11+ and make.
PYTHON ?= python3
VENV   := .venv
ENGINES := .venv-engines
BIN    := $(VENV)/bin
# Ray workers recompile every import where bytecode is off, so it is on here; caches stay inside the checkout's venv.
export PYTHONDONTWRITEBYTECODE :=
export RAY_USAGE_STATS_ENABLED := 0
export MLFLOW_DISABLE_TELEMETRY := true
export MPLBACKEND := Agg

# The parts of the tests, longest first.
PARTS  := chaos core cluster ray export pages

.DEFAULT_GOAL := help
.PHONY: help run test checks kernels lint types layers pytest $(PARTS:%=pytest-%) docs chaos bench lock clean

help: ## Say what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "Studbook needs Python 3.11 or newer, but `$(PYTHON)` is %d.%d. Try `make PYTHON=python3.11`." % v[:2])'
	$(PYTHON) -m venv $(VENV)
	@touch $@

# uv installs in seconds what takes pip minutes; where it can't reach the index, pip tries with its own settings.
define install
	$(BIN)/uv pip install --quiet --python $(BIN)/python $(1) || $(BIN)/python -m pip install --quiet --disable-pip-version-check $(1)
endef

$(VENV)/.run: requirements.txt pyproject.toml | $(VENV)/.python
	@echo "Installing Studbook into $(VENV) (about 2 GB) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(shell grep -ho '^uv==[0-9.]*' requirements-dev.txt)"
	@$(call install,-r requirements.txt)
	@$(call install,--no-deps -C editable_mode=compat -e .)
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	@$(call install,-r requirements-dev.txt)
	@touch $@

# freqtrade and NautilusTrader don't live with the pandas that we have, so they get an environment of their own.
$(ENGINES)/.made: requirements-engines.txt $(VENV)/.run
	@$(PYTHON) -m venv $(ENGINES)
	@$(BIN)/uv pip install --quiet --python $(ENGINES)/bin/python -r $< || $(ENGINES)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

run: $(VENV)/.run ## Evolve on real daily bars: environment, data, Ray, MLflow, elites
	$(BIN)/studbook run configs/quickstart.yaml

test: ## Everything that must be green
	@$(MAKE) --no-print-directory -j2 checks kernels
	@$(MAKE) --no-print-directory pytest

checks: lint types layers

# Compiled once, while the checks run: the parts of the tests would all do it at the same time.
kernels: $(VENV)/.dev $(ENGINES)/.made
	@$(BIN)/python -c "import tests.conftest; from cluster.compile_ahead import CompileAhead; CompileAhead().wait()"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

layers: $(VENV)/.dev
	$(BIN)/lint-imports

# In parts beside each other, because tests are one process each and much of their time is waiting.
RAY := $(wildcard tests/cluster/test_ray*.py) $(addprefix tests/cluster/test_,$(addsuffix .py,executor memory submit))
LOOKED_AT := tests/cluster/genealogy $(foreach name,mlflow portfolio report verifying,$(wildcard tests/cluster/test_$(name)*.py))
CHROMIUM ?= $(firstword $(foreach name,chromium chromium-browser google-chrome,$(shell command -v $(name))))
export CHROMIUM

pytest: $(VENV)/.dev $(ENGINES)/.made
	@$(MAKE) --no-print-directory -j4 $(PARTS:%=pytest-%)

pytest-chaos: $(VENV)/.dev
	$(BIN)/python -m pytest tests/chaos

pytest-core: $(VENV)/.dev
	$(BIN)/python -m pytest $(foreach folder,cluster tests/chaos tests/cluster tests/export tests/pages tests/soak,--ignore=$(folder))

pytest-cluster: $(VENV)/.dev
	$(BIN)/python -m pytest cluster tests/cluster tests/soak $(foreach path,$(RAY) $(LOOKED_AT),--ignore=$(path))

pytest-ray: $(VENV)/.dev
	$(BIN)/python -m pytest $(RAY)

pytest-export: $(VENV)/.dev $(ENGINES)/.made
	$(BIN)/python -m pytest tests/export

pytest-pages: $(VENV)/.dev
ifneq ($(CHROMIUM),)
	$(BIN)/python -m pytest tests/pages $(LOOKED_AT)
else
	$(BIN)/python -m pytest $(LOOKED_AT)
	@echo "NOT RUN: tests/pages, which look at the pages in a real Chromium: there is none here. Install one, or set CHROMIUM."
endif

docs: $(VENV)/.dev ## The documentation as a site, in build/site: guides, and the API from docstrings
	$(BIN)/python docs/build_site.py

chaos: $(VENV)/.dev ## What is promised at full size: kills, faults, fuzz and simulated schedules (hours)
	STUDBOOK_CHAOS=1 $(BIN)/python -m pytest -m chaos

bench: $(VENV)/.dev ## Measure against the peers, after showing that both give the same trades
	$(BIN)/python benchmarks/kernel_vs_vectorbt.py
	$(BIN)/python benchmarks/kernel_vs_backtesting.py
	$(BIN)/python benchmarks/bandwidth.py
	$(BIN)/python benchmarks/cold_start.py
	$(BIN)/python benchmarks/learner_cost.py

COMPILE := $(BIN)/uv pip compile --quiet --no-header --no-emit-index-url --python-version 3.11 pyproject.toml

lock: $(VENV)/.dev ## Pin what pyproject.toml asks for, without addresses
	$(COMPILE) -o requirements.txt
	$(COMPILE) --extra dev -c requirements.txt -o requirements-dev.txt
	$(subst pyproject.toml,deploy/requirements.in,$(COMPILE)) -c requirements.txt -o deploy/requirements.txt
	$(subst pyproject.toml,requirements-engines.in,$(COMPILE)) -o requirements-engines.txt

clean: ## Remove the environment and caches; runs/ and data/ stay
	rm -rf $(VENV) $(ENGINES) build .mypy_cache .ruff_cache .pytest_cache .hypothesis
