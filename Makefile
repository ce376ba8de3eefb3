# Every target sets up what it needs; where it is there already, it does nothing.
PYTHON ?= python3
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
RUN := $(BIN)/python
NBVAL := $(RUN) tools/validate.py

.PHONY: help lab setup dev test quick test-full test-gpu test-browser report build bench lint lock

help:           ## this list
	@sed -n 's/^\([a-z-]*\): *.*## /  make \1 - /p' Makefile

setup:          ## the environment, the models and the kernel
	@$(PYTHON) tools/bootstrap.py $(if $(TORCH),--torch $(TORCH))

dev:            ## setup, and what linting and the browser test need
	@$(PYTHON) tools/bootstrap.py $(if $(TORCH),--torch $(TORCH)) --dev

lab: setup      ## open the first lab in JupyterLab
	@$(BIN)/labs open

quick: setup    ## unit tests alone, for the inner loop
	$(RUN) -m pytest -q -m "not slow" tests

test: setup     ## unit tests, editions in step, every notebook at the smoke profile
	$(RUN) -m pytest -q tests
	$(NBVAL) --profile smoke labs labs/solutions

test-full: setup ## the solution notebooks at their real sizes, without network, in 4 GiB
	$(NBVAL) --profile auto --sandbox labs/solutions

test-gpu: setup ## the solution notebooks on CUDA; fails where there is no CUDA device
	$(NBVAL) --profile gpu --require-cuda labs/solutions

test-browser: dev ## JupyterLab in a real browser, from the learner's side
	$(RUN) -m pytest -q tests/browser

report: setup   ## run every solution notebook and write build/report/
	$(RUN) tools/report.py

build: setup    ## labs/source to the learner and solution notebooks, executed
	$(RUN) tools/build.py

bench: setup    ## start-up, loading and decoding, measured
	$(RUN) benchmarks/startup.py

lint: dev       ## ruff, mypy, codespell
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/codespell

lock: dev       ## resolve requirements.lock and requirements-dev.lock anew (authors only)
	$(RUN) tools/lock.py
