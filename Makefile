# Every target sets up what it needs; where it is there already, it does nothing.
PYTHON ?= python3
VENV := $(or $(LABS_VENV),.venv)
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
RUN := $(BIN)/python
NBVAL := $(RUN) tools/validate.py
# Unit tests on all cores; what measures memory or time runs alone afterwards.
SIDE_BY_SIDE := $(RUN) -m pytest -q -n auto --dist worksteal

.PHONY: help lab setup dev test quick test-full test-gpu test-repeat test-below test-own test-browser test-nbgrader test-trl test-room test-sagemaker test-limits test-hub pythons proof report build bench wheel-test lint lock

help:           ## this list
	@sed -n 's/^\([a-z-]*\): *.*## /  make \1 - /p' Makefile

setup:          ## the environment, the models and the kernel
	@$(PYTHON) tools/bootstrap.py $(if $(TORCH),--torch $(TORCH))

dev:            ## setup, and what linting and the browser test need
	@$(PYTHON) tools/bootstrap.py $(if $(TORCH),--torch $(TORCH)) --dev

lab: setup      ## your notebooks in work/, which git ignores, opened in JupyterLab
	@$(BIN)/labs start work

quick: setup    ## unit tests that need no model: the inner loop
	$(SIDE_BY_SIDE) -m "not serial and not slow and not model" tests
	$(RUN) -m pytest -q -m "serial and not slow and not model" tests

test: setup     ## unit tests, editions in step, every solution notebook at the smoke profile
	$(SIDE_BY_SIDE) -m "not serial" tests
	$(RUN) -m pytest -q -m serial tests
	$(NBVAL) --profile smoke labs/solutions

test-full: setup ## the solutions at their real sizes, every learner notebook to its end; no network, 4 GiB
	$(NBVAL) --profile auto --sandbox labs/solutions
	$(NBVAL) --profile smoke --sandbox labs

test-gpu: setup ## the solution notebooks on CUDA; fails where there is no CUDA device
	$(NBVAL) --profile gpu --require-cuda labs/solutions

test-repeat: setup ## every notebook twenty times at the smoke profile: nothing may fail now and then; hours
	$(NBVAL) --profile smoke --repeat 20 labs/solutions labs

test-below: setup ## every right answer that the tests know, in its notebook, and the cells below it run; half an hour
	$(RUN) tools/below.py

test-own: setup  ## every lab with other models and a person's own dialogues: to its end, or refused in one sentence
	$(RUN) tools/own_inputs.py

test-browser: dev ## JupyterLab in a real browser, from the learner's side
	$(RUN) -m pytest -q tests/browser

test-nbgrader: setup ## nbgrader in its own environment marks four submissions of lab 00
	$(RUN) -m pytest -q tests/longer/test_nbgrader.py

test-trl: setup  ## lab 10's DPO loss against TRL's trainer, which is put into build/trl/
	$(RUN) -m pytest -q tests/longer/test_trl.py

test-room: setup ## thirty clients take the models from a room's server between two network namespaces; root on Linux
	$(RUN) -m pytest -q tests/longer/test_room_network.py

test-sagemaker: setup ## a Studio space played: set-up, three labs, a restart, a full disk; Linux, root, gigabytes in build/studio/
	$(RUN) tools/studio_test.py

test-limits: setup ## the same space, and in it both editions of every lab; half an hour more
	$(RUN) tools/studio_test.py --all-labs

test-hub: setup  ## JupyterHub itself, 1 to 8 learners at once, a CPU quota, and nbgitpuller; root on Linux, node and npm
	$(RUN) tools/hub_play.py
	$(RUN) -m pytest -q tests/longer/test_nbgitpuller.py

pythons:        ## make quick and labs 00 and 02 with every supported Python that is found; gigabytes in build/pythons/
	$(PYTHON) tools/pythons.py $(if $(TORCH),--torch $(TORCH))

proof: setup    ## what the course promises and what was measured, in one table
	$(RUN) tools/proof.py

report: setup   ## run every solution notebook and write build/report/
	$(RUN) tools/report.py

build: setup    ## labs/source to the learner notebooks, without outputs, and to the solutions, executed
	$(RUN) tools/build.py

bench: setup    ## start-up and loading; decoding, training and scoring beside the library and the machine's limits
	$(RUN) benchmarks/startup.py
	$(RUN) benchmarks/speed.py

lint: dev       ## ruff, mypy, codespell, and the direction of imports
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/codespell && $(BIN)/lint-imports

wheel-test: setup ## the wheel in an empty environment: start, labs 00 and 02, update over an edited notebook
	$(RUN) tools/wheel_test.py

lock: dev       ## resolve requirements.lock and requirements-dev.lock anew (authors only)
	$(RUN) tools/lock.py
