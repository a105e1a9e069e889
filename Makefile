.DEFAULT_GOAL := help
.PHONY: help setup lock docs lint test test-long test-workflows test-real demo up clean

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.made
AT_ONCE ?= 2
QUICK_TESTS := tests/unit tests/architecture tests/contracts
PIP_INSTALL := $(BIN)/pip install --disable-pip-version-check
# On a terminal pip prints a line and a progress bar for each package; elsewhere it is quiet.
PIP_OUTPUT := $(shell [ -t 2 ] || echo --quiet)

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(STAMP) ## create or update .venv from requirements.lock

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("twinsaga needs Python 3.11 or later, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@echo "Creating .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv
	@echo "Installing $$(grep -c '^[a-z0-9].*==' $<) packages from requirements.lock (one to three minutes)"
	@$(PIP_INSTALL) --require-hashes -r requirements.lock $(PIP_OUTPUT)
	@echo "Installing twinsaga itself"
	@$(PIP_INSTALL) --quiet --no-deps --no-build-isolation -e .
	@touch $@

lock: $(STAMP) ## resolve pyproject.toml into requirements.lock again
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 \
	    --custom-compile-command 'make lock' --group dev --output-file requirements.lock pyproject.toml

docs: $(STAMP) ## generate docs/events and the pictures of the choreography
	$(BIN)/python -m event_catalog.generate

lint: $(STAMP) ## ruff, mypy and the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint ## lint and the tests, on the embedded engines (AT_ONCE=4: that many side by side)
	$(BIN)/pytest -n 2 $(QUICK_TESTS)
	$(BIN)/pytest -n $(AT_ONCE) -m "not long" tests $(addprefix --ignore=,$(QUICK_TESTS))

test-long: $(STAMP) ## the tests that take minutes: kills, outages, floods, hostile input, bench and compare
	$(BIN)/pytest -n $(AT_ONCE) -m long tests

test-workflows: $(STAMP) ## the workflows alone, on a Temporal that skips waiting times
	$(BIN)/pytest -n 2 tests/workflows

test-real: $(STAMP) ## the tests on real servers, started without Docker (QUICK=1: five minutes of them)
	tests/real/run $(if $(QUICK),quick)

demo: $(STAMP) ## run the same orders in both styles, compare them, write var/report.html
	$(BIN)/twinsaga demo

up: $(STAMP) ## start the embedded stack and keep it running
	$(BIN)/twinsaga up

clean: ## remove .venv, var/ and all caches
	rm -rf .venv var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
