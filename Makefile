.DEFAULT_GOAL := help
.PHONY: help setup lock docs lint test test-quick test-engines test-long test-workflows test-lowest test-real mutants demo up clean

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.made
AT_ONCE ?= 2
QUICK_TESTS := tests/unit tests/architecture tests/contracts
BRIDGE_TESTS := tests/integration/bridges tests/unit/test_circuit_breaker.py tests/unit/test_undecodable_batches.py \
    tests/unit/test_workflow_into_kafka.py
LOWEST := var/lowest
LOWEST_INSTALL := $(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python
PIP_INSTALL := $(BIN)/pip install --disable-pip-version-check
# On a terminal pip prints a line and a progress bar for each package; elsewhere it is quiet.
PIP_OUTPUT := $(shell [ -t 2 ] || echo --quiet)

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(STAMP) ## create or update .venv from requirements.lock

$(STAMP): requirements.lock pyproject.toml bridges/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("twinsaga needs Python 3.11 or later, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@echo "Creating .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv
	@echo "Installing $$(grep -c '^[a-z0-9].*==' $<) packages from requirements.lock (one to three minutes)"
	@$(PIP_INSTALL) --require-hashes -r requirements.lock $(PIP_OUTPUT)
	@echo "Installing twinsaga and its bridges"
	@$(PIP_INSTALL) --quiet --no-deps --no-build-isolation -e ./bridges -e .
	@touch $@

lock: $(STAMP) ## resolve pyproject.toml into requirements.lock again
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 \
	    --custom-compile-command 'make lock' --no-emit-package twinsaga-bridges --group dev \
	    --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 \
	    --custom-compile-command 'make lock' --constraint requirements.lock --all-extras \
	    --output-file examples/invoices/requirements.lock bridges/pyproject.toml

docs: $(STAMP) ## generate docs/events, docs/labs.md, the pictures and tables of the sagas, and the bridges' snippets and public surface
	$(BIN)/python -m event_catalog.generate
	$(BIN)/python -m tests.support.snippets
	$(BIN)/python -m tests.support.public_surface
	$(BIN)/python -m labs.syllabus

lint: $(STAMP) ## ruff, mypy and the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd examples/invoices && ../../$(BIN)/mypy --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache .
	$(BIN)/lint-imports

test: lint test-quick test-engines ## lint and the tests, on the embedded engines (AT_ONCE=4: that many side by side)

test-quick: $(STAMP)
	$(BIN)/pytest -n 2 $(QUICK_TESTS)

test-engines: $(STAMP)
	$(BIN)/pytest -n $(AT_ONCE) -m "not long" tests $(addprefix --ignore=,$(QUICK_TESTS))

test-long: $(STAMP) ## the tests that take minutes: kills, outages, floods, hostile input, bench and compare
	$(BIN)/pytest -n $(AT_ONCE) -m long tests

test-workflows: $(STAMP) ## the workflows alone, on a Temporal that skips waiting times
	$(BIN)/pytest -n 2 tests/workflows

test-real: $(STAMP) ## the tests on real servers, started without Docker (QUICK=1: five minutes of them)
	tests/real/run $(if $(QUICK),quick)

test-lowest: $(STAMP) ## the tests of the bridges, on the lowest versions that bridges/pyproject.toml allows
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(LOWEST)
	$(LOWEST_INSTALL) --require-hashes -r requirements.lock
	$(BIN)/uv pip compile --quiet --all-extras --resolution lowest-direct --python $(LOWEST)/bin/python --no-annotate --no-header \
	    bridges/pyproject.toml | grep -E '^(celery|kombu|redis|kafka-python|cloudevents|temporalio)==' > $(LOWEST)/lowest.txt
	$(LOWEST_INSTALL) -r $(LOWEST)/lowest.txt
	$(LOWEST_INSTALL) --no-deps --no-build-isolation -e ./bridges -e .
	cat $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pytest -n $(AT_ONCE) -W 'ignore:[TMPRL1103]' $(BRIDGE_TESTS)

mutants: $(STAMP) ## break each promise of the sagas in a copy: its tests must catch it (LAB=5: one; MUTANTS_THIRD=0, 1 or 2)
	$(BIN)/python -P -m labs.mutants $(addprefix --lab ,$(LAB)) $(addprefix --third ,$(MUTANTS_THIRD))

demo: $(STAMP) ## run the same orders in both styles, compare them, write var/report.html
	$(BIN)/twinsaga demo

up: $(STAMP) ## start the embedded stack and keep it running
	$(BIN)/twinsaga up

clean: ## remove .venv, var/ and all caches
	rm -rf .venv var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
