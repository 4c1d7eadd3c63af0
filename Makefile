# Everything that a person or CI types. `make` alone lists it. Each target sets up what it needs in .venv.

VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

# The pins hold for what is installed and, in both spellings that pip has had, for what builds it.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1
INSTALL := $(BIN)/python -m pip install -qq --no-input

.DEFAULT_GOAL := help
.PHONY: help demo test lint fix types docs bench bench-check bench-peers nightly clean

help:  ## list the targets
	@echo "make TARGET, where TARGET is"
	@sed -n 's/^\([a-z-]*\):.*## /  \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-13s %s\n", $$1, $$2 }'

demo: $(VENV)/.stamp-demo  ## run the flights pipeline on real data (sets itself up)
	@echo "demo: running examples/flights/pipeline.py on the 2013 flights from New York"
	@$(BIN)/ropewalk run examples/flights/pipeline.py
	@echo; echo "How the models compare on the validation month, and the chosen one on the test month:"
	@$(BIN)/ropewalk metrics last --by validation_auc
	@echo; echo "What is registered:"
	@$(BIN)/ropewalk models
	@$(BIN)/ropewalk artifacts export last/report flights-report.html --force >/dev/null
	@echo; echo "The report is in flights-report.html: open it in a browser. Then try:"
	@echo "  $(BIN)/ropewalk plan examples/flights/pipeline.py --month 7        what another test month would take, and why"
	@echo "  $(BIN)/ropewalk run examples/flights/pipeline.py --month 10        a month in which the gate stays shut"
	@echo "  $(BIN)/ropewalk lineage model:flights-late@champion                what the registered model was made from"

test: $(VENV)/.stamp-test  ## run the whole test suite (sets itself up)
	@echo "test: the whole suite, in $(WORKERS) processes"
	@$(BIN)/python -m pytest -n $(WORKERS)

lint: $(VENV)/.stamp-test types  ## check style, format, types, layers and sizes
	@echo "lint: ruff, then the architecture tests"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python -m pytest -q tests/architecture

types: $(VENV)/.stamp-test  ## check types (mypy, strict)
	@echo "types: mypy"
	@$(BIN)/mypy

fix: $(VENV)/.stamp-test  ## repair style and format, and rewrite the generated reference pages
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/python -m docs.build

docs: $(VENV)/.stamp-test  ## check the docs: snippets run, links resolve, everything public is documented
	@echo "docs: snippets, links, completeness"
	@$(BIN)/python -m pytest -q tests/docs -n $(WORKERS)

bench: $(VENV)/.stamp-test  ## our targets, measured side by side with plain Python (about five minutes)
	@$(BIN)/python -m benchmarks targets

bench-check: $(VENV)/.stamp-test  ## fail if our cost beside the floors has become more than 25 % worse
	@$(BIN)/python -m benchmarks check

bench-peers: $(VENV)/.stamp-test  ## install the tools that we are compared with (PEERS=ray,dask, or all: some GB)
	@$(BIN)/python -m benchmarks install '$(PEERS)'

nightly: $(VENV)/.stamp-test  ## run the tests that take minutes, then the fault campaign
	@echo "nightly: the long tests"
	@HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest -n $(WORKERS) -m nightly
	@echo "nightly: the fault campaign; its table, and with every single time build/fault-campaign.json"
	@mkdir -p build && $(BIN)/python -m tests.faults.campaign --json build/fault-campaign.json

clean:  ## remove .venv and every cache (runs and artifacts in .ropewalk stay)
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- set-up: one stamp per set of packages, renewed when the project file or the pins change ---

FIND_PYTHON = for p in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	  $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && exit 0; \
	done; \
	echo "setup: no Python 3.11 or newer with the venv module was found (tried: $(PYTHON) python3, python3.14 to python3.11)." >&2; \
	echo "setup: install one (Debian, Ubuntu: apt install python3-venv), or name it: make PYTHON=/path/to/python3" >&2; \
	exit 1

$(VENV)/.stamp-venv:
	@python=$$($(FIND_PYTHON)) && echo "setup: creating $(VENV) with $$($$python --version)" && $$python -m venv $(VENV)
	@touch $@

$(VENV)/.stamp-demo: $(VENV)/.stamp-venv pyproject.toml constraints.txt
	@echo "setup: installing Ropewalk and the demo's packages and data into $(VENV) (about a minute, once)"
	@$(INSTALL) -e '.[examples]'
	@touch $@

$(VENV)/.stamp-test: $(VENV)/.stamp-venv pyproject.toml constraints.txt
	@echo "setup: installing Ropewalk and the tools that check it into $(VENV) (about a minute, once)"
	@$(INSTALL) -e '.[dev]'
	@touch $@ $(VENV)/.stamp-demo
