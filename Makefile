# Everything a fresh machine needs is python3 (3.11 or newer, with venv and pip) and make.
# The first call of any target that needs packages installs them into .venv; later calls find a stamp and go straight on.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=
IMAGE  ?= hedgebot
# Three workers keep a small machine busy, since tests on the wire mostly wait, without starving the end-to-end tests, which start
# processes of their own.
WORKERS ?= 3

VENV_STAMP    := $(VENV)/.stamp-venv
PACKAGE_STAMP := $(VENV)/.stamp-packages
PROJECT_STAMP := $(VENV)/.stamp-project

PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
# Hash-checked wheels only: nothing is built, so no build tool is fetched that the lock does not name.
PIP_LOCKED := $(PIP) install --require-hashes --only-binary :all:
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup
UV_COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
.PHONY: help setup servers demo test check format bench soak docs dashboards image lock audit clean

help: ## Show this list
	@echo "hedgebot: targets"
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo 'Options go through ARGS, for example: make demo ARGS="--for 60s --plain --seed 7"'

setup: $(PROJECT_STAMP) servers ## Create .venv and install the locked packages (done once; the other targets call it)
	@echo "[setup] ready: $(VENV)"

servers: $(VENV_STAMP) ## Install the real servers that tests speak to, where root and apt, or npm, can; else say what is skipped
	@.ci/servers $(VENV)

$(VENV_STAMP):
	@echo "[setup 1/3] creating $(VENV) with $$($(PYTHON) --version 2>&1)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hedgebot needs Python 3.11 or newer; name one with: make setup PYTHON=python3.11")'
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(PACKAGE_STAMP): requirements-dev.lock $(VENV_STAMP)
	@echo "[setup 2/3] installing $$(grep -c '==' requirements-dev.lock) locked packages; the first time this takes a minute or two"
	@$(PIP_LOCKED) -r requirements-dev.lock
	@touch $@

$(PROJECT_STAMP): pyproject.toml bot/__init__.py $(PACKAGE_STAMP)
	@echo "[setup 3/3] installing hedgebot itself, editable"
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(PROJECT_STAMP) ## Run the demonstration: simulated venues, the bot, a scripted story
	@$(BIN)/hedgebot demo $(ARGS)

test: $(PROJECT_STAMP) servers ## Run all tests
	@echo "[test] pytest with $(WORKERS) workers"
	@$(PYTEST) $(ARGS)

check: $(PROJECT_STAMP) ## Format, lint, types, import contracts, house rules
	@echo "[check 1/5] ruff format"
	@$(BIN)/ruff format --check --quiet .
	@echo "[check 2/5] ruff check"
	@$(BIN)/ruff check --quiet .
	@echo "[check 3/5] mypy --strict"
	@$(BIN)/mypy --strict
	@echo "[check 4/5] import contracts"
	@$(BIN)/lint-imports
	@echo "[check 5/5] house rules"
	@$(BIN)/python -m pytest -q tests/house

format: $(PROJECT_STAMP) ## Rewrite the code in the project's format and mend what ruff can mend
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: $(PROJECT_STAMP) servers ## Measure the hot path beside its floors, every venue's adapter, what starting costs, both journals, a takeover
	@$(BIN)/python -m benchmarks $(ARGS)
	@$(BIN)/python -m benchmarks.venues
	@$(BIN)/python -m benchmarks.journals
	@$(BIN)/python -m benchmarks.deposits
	@$(BIN)/python -m benchmarks.takeover

soak: $(PROJECT_STAMP) ## Run the bot for ten minutes at 100 times the usual message rate and look for what grows
	@$(BIN)/python -m benchmarks.soak $(ARGS)

docs: $(PROJECT_STAMP) ## Write the pages that restate code: configuration, metrics, limits, venues, the life of an order
	@$(BIN)/python -m bot.config.reference docs/configuration.md
	@$(BIN)/python -m bot.adapters.telemetry.reference docs/metrics.md
	@$(BIN)/python -m bot.drivers.lifecycle_page docs/order-lifecycle.md
	@$(BIN)/python -m bot.drivers.limits_page docs/limits.md
	@$(BIN)/python -m bot.drivers.venues_page docs/venues.md
	@$(BIN)/python -m bot.drivers.faults_page docs/faults.md
	@echo "[docs] docs/configuration.md, docs/metrics.md, docs/order-lifecycle.md, docs/limits.md, docs/venues.md, docs/faults.md"

dashboards: $(PROJECT_STAMP) ## Write Grafana's dashboards from their code, and draw them from a real run into docs/images where that can be done
	@$(BIN)/python -m deploy.grafana.source
	@echo "[dashboards] deploy/grafana/dashboards"
	@$(BIN)/python -m deploy.grafana.pictures.draw $(ARGS)

image: ## Build the container image where there is docker, podman or buildah, and run it without rights (IMAGE=NAME, BUILD_ARGS=...)
	@.ci/image $(IMAGE)

lock: $(PROJECT_STAMP) ## Resolve the lock files again after a change of dependencies (newer versions: ARGS=--upgrade)
	@echo "[lock 1/3] requirements.lock: what runs"
	@$(UV_COMPILE) --extra history --extra evm $(ARGS) --output-file requirements.lock
	@echo "[lock 2/3] requirements-dev.lock: the same versions and what tests them"
	@$(UV_COMPILE) --extra history --extra evm --extra dev --constraints requirements.lock $(ARGS) --output-file requirements-dev.lock
	@echo "[lock 3/3] requirements-audit.lock: what looks at them"
	@$(UV_COMPILE:pyproject.toml=) --group pyproject.toml:audit $(ARGS) --output-file requirements-audit.lock

audit: $(VENV_STAMP) ## Write the bill of materials of what runs (CycloneDX), and look up what is known against it
	@.ci/audit $(VENV) $(ARGS)

clean: ## Remove .venv, caches and build output; nothing that is tracked
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.* htmlcov build dist *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
