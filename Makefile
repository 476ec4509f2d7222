# The project's commands. `make test` and `make demo` do their whole set-up themselves: they need Python 3.11 or newer,
# make and a package index, nothing else. Every set-up step leaves a stamp, so that the next run is quick.

.DEFAULT_GOAL := help
.PHONY: help demo test test-system check bench soak bench-gateway bench-imports bench-start audit lock set-up node-modules clean
SHELL := /bin/sh
export PYTHON

PY := .venv/bin/python
LOCKED := .venv/.locked
INSTALLED := .venv/.installed
NODE_MODULES := tests/node/node_modules/.installed
PYTEST := $(PY) -m pytest
# two files of tests at a time; make test WORKERS=0 has all of them in one process, which a debugger wants
WORKERS ?= 2
TOGETHER := -n $(WORKERS) --dist loadfile
STATIC := tests/architecture/test_floors.py tests/architecture/test_sizes.py tests/architecture/test_walls.py

help: ## these lines
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

demo: set-up ## an example API, served as MCP tools and called once; keeps serving until Ctrl-C
	@$(PY) examples/demo.py

test: check node-modules ## every test that needs only a package index
	$(PYTEST) $(TOGETHER) -m "not system and not corpus"

test-system: set-up node-modules ## the longer suites, and what needs system packages or the corpus of real documents
	@tools/system-packages
	$(PYTEST) $(TOGETHER) -m "system or corpus"

check: set-up ## exactly what CI runs first: lint, format, types, floors, sizes, words
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports
	$(PYTEST) $(STATIC)

bench: set-up ## cost of a call beside a relay and a direct call
	$(PY) bench/run.py

soak: set-up ## 100,000 checked calls; memory must stay flat
	$(PY) bench/run.py soak

bench-gateway: set-up ## ten thousand servers on one node beside a node with ten
	$(PY) bench/run.py gateway

bench-imports: set-up ## how long others wait while the largest documents are imported
	$(PY) bench/run.py imports

bench-start: set-up ## how long a gateway takes to be ready, what it holds, how it ends
	$(PY) bench/run.py start

audit: set-up ## known vulnerabilities in the runtime lock; asks an advisory service, so it needs the network
	@$(PY) tools/audit.py

lock: ## write locks/ anew from pyproject.toml (make lock UPGRADE=--upgrade takes the newest versions)
	tools/lock $(UPGRADE)

set-up: $(INSTALLED) ## the Python environment in .venv
	@:

node-modules: $(NODE_MODULES) ## the npm packages that tests drive as clients and oracles
	@:

clean: ## remove what make made
	rm -rf .venv .cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis tests/node/node_modules dist
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

$(LOCKED): locks/dev.txt tools/set-up tools/find-python
	@tools/set-up
	@touch $@

$(INSTALLED): $(LOCKED) pyproject.toml
	@$(PY) -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@# as an installation does: no start pays for compiling, not even where Python is told to write no bytecode
	@$(PY) -m compileall -q src
	@touch $@

$(NODE_MODULES): $(LOCKED) tests/node/package-lock.json tests/node/package.json tools/node-modules
	@tools/node-modules
	@touch $@
