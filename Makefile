# Archipel. `make run` starts it, `make test` proves it; `make help` lists the rest.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
WORKERS ?= 2
PYTEST_ARGS ?=
# an engineer who runs one folder: make test-python PYTEST_ARGS=tests/kit

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

.PHONY: set-up set-up-dev debian
set-up:
	@tools/setup.sh run
	@tools/setup.sh web

set-up-dev:
	@tools/setup.sh dev
	@tools/setup.sh web

debian:
	@tools/install_debian.sh

.PHONY: run
run: set-up ## the platform in ./var, with a demo region at the first start (DEMO=0: none)
	@tools/run.sh

.PHONY: check format
check: set-up-dev ## format, lint, types, floors and house rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -q -p no:cacheprovider tests/house

format: set-up-dev ## write the format and the safe corrections
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: test test-python test-web
test: debian check test-web test-python ## everything that CI runs

test-web: set-up-dev
	@tools/web_check.sh

test-python: set-up-dev
	$(PYTEST) -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

# Long forms of what `make test` runs short
.PHONY: fuzz big faults-long soak shots bench docs
fuzz: debian set-up-dev ## hypothesis and byte-level fuzz of every reader, and damaged traffic at the running server, FUZZ_SECONDS=600 each
	ARCHIPEL_TEST_FUZZ_SECONDS=$${FUZZ_SECONDS:-600} $(PYTEST) --timeout 7200 -m fuzz $(PYTEST_ARGS)

big: debian set-up-dev ## instances of 4 and 5 GB within bounded memory
	$(PYTEST) --timeout 3600 -m big $(PYTEST_ARGS)

faults-long: debian set-up-dev ## kills at every boundary, failing disks and databases, clock jumps; the exhaustive form, and its counts
	@table=$$(mktemp); ended=0; export ARCHIPEL_TEST_FAULTS_TABLE=$$table ARCHIPEL_TEST_FAULTS=long; \
	  $(PYTEST) --timeout 7200 -m "(faults or faults_long) and not big and not fuzz and not soak" $(PYTEST_ARGS) || ended=$$?; \
	  $(BIN)/python -m tests.faults.counts $$table; rm -f $$table; exit $$ended

soak: debian set-up-dev ## hours of mixed traffic (SOAK_SECONDS=3600)
	ARCHIPEL_TEST_SOAK_SECONDS=$${SOAK_SECONDS:-3600} $(PYTEST) --timeout 90000 -m soak $(PYTEST_ARGS)

shots: debian set-up-dev ## every screen of the demo, in both languages, into docs/guide
	@tools/with_platform.sh --demo tools/shots.sh

bench: debian set-up-dev ## ratios against Orthanc and storescp in the same run
	@tools/with_platform.sh tools/bench.sh

docs: set-up-dev ## the generated pages of docs/reference
	$(BIN)/python tools/docs.py
	$(BIN)/python tools/conformance.py

.PHONY: clean
clean: ## what set-up and tests made; keeps ./var
	rm -rf .venv web/node_modules src/archipel/static .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
