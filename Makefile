# Needs Python 3.11 or newer with pip and venv; everything else is installed into .venv.
#   make quickstart                      set-up, then train, test and run a small potential (under ten minutes on 2 cores)
#   make test                            set-up with the developers' tools, then the tests
#   make test-all                        all tests: make test, then make test-slow (half an hour on 2 cores)
#   make test-clients                    tests of other programs that run potentials, which are installed into .venv-clients
#   make published-weights               download weights of SevenNet (43 MB); make test-slow then tests importing them
#   make check                           formatter, linter and type checker
#   make docs                            the documentation site, in build/docs (open index.html)
#   make test PYTHON=/path/to/python3.12 choose the interpreter

PYTHON ?= python3
WORKERS ?= 2
# They run in an environment of their own: make test-clients.
WITHOUT_CLIENTS := --ignore tests/clients
BIN := .venv/bin
INSTALLED := .venv/.installed
DEVELOPER := .venv/.developer
CLIENTS := .venv-clients/.installed
PACKAGING := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help install quickstart test test-slow test-all test-clients published-weights check docs clean

help:
	@sed -n 's/^#   //p' Makefile

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, but '$(PYTHON)' is: $$($(PYTHON) --version 2>&1). Use: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv

$(INSTALLED): $(PACKAGING) | $(BIN)/python
	@echo "Installing into .venv; this takes a few minutes the first time."
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

# The developers' set-up contains the users'.
$(DEVELOPER): $(PACKAGING) | $(BIN)/python
	@echo "Installing into .venv; this takes a few minutes the first time."
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $(INSTALLED) $@

install: $(INSTALLED)

quickstart: $(INSTALLED)
	$(BIN)/potentials train configs/quickstart.yaml
	$(BIN)/potentials md runs/quickstart/best.potential builtin:ethanol --ensemble nve --temperature 300 --time 1ps \
	  --output runs/quickstart/nve.traj --overwrite
	@echo
	@echo "The potential is runs/quickstart/best.potential, the trajectory runs/quickstart/nve.traj; look at runs/quickstart."
	@echo "HTML report: runs/quickstart/report.html"
	@echo "The command is $(BIN)/potentials (source .venv/bin/activate to call it potentials). Next, with your own data:"
	@echo "  potentials init data.xyz > config.yaml && potentials check config.yaml && potentials train config.yaml"

test: $(DEVELOPER)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) $(WITHOUT_CLIENTS)

test-slow: $(DEVELOPER)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) -m "slow and not long" $(WITHOUT_CLIENTS)

test-all: test test-slow

# The wheel of sevenn contains the weights that tests/interop compares; it is unpacked and not installed.
published-weights: build/sevennet/.unpacked

build/sevennet/.unpacked: | $(DEVELOPER)
	$(BIN)/python -m pip download --quiet --no-deps --dest build/sevennet sevenn==0.13.0
	$(BIN)/python -m zipfile -e build/sevennet/sevenn-0.13.0-py3-none-any.whl build/sevennet
	@touch $@

# An environment of its own: the programs bring some 150 packages, and two of them refuse versions of the developers'.
$(CLIENTS): $(PACKAGING) tests/clients/requirements.txt | $(BIN)/python
	@echo "Installing other programs into .venv-clients; this takes a few minutes the first time."
	$(BIN)/python -m venv .venv-clients
	.venv-clients/bin/python -m pip install --quiet -c constraints.txt -e '.[clients,test-clients]'
	.venv-clients/bin/python -m pip install --quiet --no-deps -r tests/clients/requirements.txt
	@touch $@

test-clients: $(CLIENTS)
	OMP_NUM_THREADS=1 POTENTIALS_CLIENTS=required .venv-clients/bin/python -m pytest -n $(WORKERS) tests/clients

check: $(DEVELOPER)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(DEVELOPER)
	$(BIN)/python -m sphinx --builder html --fresh-env --quiet --fail-on-warning --keep-going docs build/docs
	@echo "The documentation is build/docs/index.html."

clean:
	rm -rf .venv .venv-clients build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
