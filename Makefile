# make demo    train a denoiser and its unconstrained twin, reconstruct, certify, write runs/demo/
# make test    everything that CI runs
# make test-fast   while working: ruff, and one case of every test of the library
# make bench   the benchmarks
# make bench-gpu   those of them that a GPU can run, and its number formats
# make bench-escnn   equivariant layers against escnn, in an environment of its own
# make docs    the documentation, into site/
# make clean   remove what was built; the environment and runs/ stay
#
# Another interpreter: make demo PYTHON=python3.12

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := runs/demo
LIBRARY := activations bijections certification compose control density deploy diagnostics fields flow imaging integrators linear manifolds models optim solvers structure symmetry transport
# Two workers with one thread each fill two cores; more threads only fight.
WORKERS ?= 2
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install -qq -c constraints.txt

MADE := $(VENV)/.made
USER_READY := $(VENV)/.ready-demo
TEST_READY := $(VENV)/.ready-test
BENCH_READY := $(VENV)/.ready-bench
ESCNN := .venv-escnn
ON_GPU := device equivariance guarantee orthogonal riemannian spline waiting
RECIPE := pyproject.toml constraints.txt

say = @printf '\n== %s\n' "$(1)"

.PHONY: help demo test test-fast bench bench-gpu bench-escnn docs clean lint types doctests tests site wheel
help:
	@sed -n 's/^# make/make/p' Makefile

# --- environments: stamps are newer than the recipe once it is installed ---------

$(MADE):
	@command -v $(PYTHON) >/dev/null || { echo "Expected Python >= 3.11; found no '$(PYTHON)'. Name one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Expected Python >= 3.11; got $$($(PYTHON) --version 2>&1). Name a newer one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@touch $@

$(USER_READY): $(MADE) $(RECIPE)
	$(call say,environment: PyTorch and what the demo needs (the first time takes minutes))
	@$(PIP) -e '.[workshop,images]'
	@touch $@

$(TEST_READY): $(MADE) $(RECIPE)
	$(call say,environment: PyTorch and what the tests need (the first time takes minutes))
	@$(PIP) -e '.[workshop,images,digits,onnx,docs,bench,dev]'
	@touch $(USER_READY) $@

$(BENCH_READY): $(TEST_READY)
	$(call say,environment: the peers that the benchmarks compare with)
	@$(PIP) -e '.[peers]'
	@touch $@

# Another numpy than ours: see benchmarks/escnn.txt.
$(ESCNN)/.ready: benchmarks/escnn.txt pyproject.toml
	$(call say,environment: escnn and what it needs)
	@test -x $(ESCNN)/bin/python || $(PYTHON) -m venv $(ESCNN)
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(ESCNN)/bin/python -m pip install -qq -r benchmarks/escnn.txt
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(ESCNN)/bin/python -m pip install -qq --no-deps escnn==1.0.11
	@touch $@

# --- the demo ------------------------------------------------------------------------

# A run that was interrupted goes on from its last checkpoint.
demo: $(USER_READY)
	$(call say,demo: train and certify into $(RUN)/)
	@$(BIN)/darboux train denoise --out $(RUN) $(if $(wildcard $(RUN)/config.json),--resume)
	$(call say,demo: reconstruct with the denoiser and with a prior that comes with the package)
	@$(BIN)/python -m reproductions.image_reconstruction.demo $(RUN)

# --- what CI runs ----------------------------------------------------------------------

# Three sections are one process each: two of them at a time.
test: lint
	@$(MAKE) -j 2 -O types site wheel
	@$(MAKE) doctests tests
	$(call say,all sections passed)

lint: $(TEST_READY)
	$(call say,lint: ruff)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(TEST_READY)
	$(call say,types: mypy)
	@$(BIN)/mypy

doctests: $(TEST_READY)
	$(call say,doctests: the examples of the package)
	@$(ONE_THREAD) $(BIN)/python -m pytest -q -n $(WORKERS) --doctest-modules src/darboux reproductions

tests: $(TEST_READY)
	$(call say,tests)
	@$(ONE_THREAD) $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal --ignore tests/conventions/test_wheel.py --ignore tests/conventions/test_site.py

site: $(TEST_READY)
	$(call say,documentation: mkdocs build --strict)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build -q --strict
	@$(ONE_THREAD) $(BIN)/python -m pytest -q tests/conventions/test_site.py

wheel: $(TEST_READY)
	$(call say,wheel: built and inspected and imported on its own)
	@$(ONE_THREAD) $(BIN)/python -m pytest -q tests/conventions/test_wheel.py

# --- while working ---------------------------------------------------------------------

test-fast: $(TEST_READY)
	@$(BIN)/ruff check .
	@$(ONE_THREAD) $(BIN)/python -m pytest -q -n $(WORKERS) --fast $(addprefix tests/,$(LIBRARY))

# --- the rest ----------------------------------------------------------------------------

bench: $(BENCH_READY)
	$(call say,benchmarks)
	@$(BIN)/python -m pytest benchmarks --benchmark-only --benchmark-columns=median,iqr,rounds

bench-gpu: $(BENCH_READY)
	$(call say,benchmarks: on a GPU)
	@$(BIN)/python -m pytest $(addprefix benchmarks/test_,$(ON_GPU:=.py)) --device cuda --benchmark-only --benchmark-columns=median,iqr,rounds

bench-escnn: $(ESCNN)/.ready
	$(call say,benchmarks: against escnn)
	@PYTHONPATH=src $(ESCNN)/bin/python -m pytest benchmarks/test_equivariance.py --benchmark-only --benchmark-columns=median,iqr,rounds -W default

docs: site
	@echo "The documentation is in site/index.html."

clean:
	@rm -rf build dist site .mypy_cache .ruff_cache .pytest_cache .benchmarks
	@find src reproductions tests -name __pycache__ -type d -prune -exec rm -rf {} +
