# make demo: set up, train on the samples of the repository, translate, and say where the report is.
# make test: set up, then everything that continuous integration runs.
# make test-long: set up, then kill runs and translations at 50 random instants each, fill the disk at every write, damage
# every file of runs, fuzz the readers, and try the property tests with free seeds.
# make docs: set up, then build the documentation site in build/site; fails on a broken link.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Without a GPU the pinned versions, of which torch has a CPU build; with one, the build that pip finds for it.
CONSTRAINTS := $(shell command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi >/dev/null 2>&1 || echo -c constraints.txt)

.PHONY: demo test test-long docs format clean

demo: $(VENV)/.demo
	$(BIN)/unpaired demo

test: $(VENV)/.test $(VENV)/.docs
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/pytest -n 2
	$(BIN)/python -m tools.build_site

docs: $(VENV)/.docs
	$(BIN)/python -m tools.build_site

test-long: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.kill --instants 50
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.disk_full --every-page 8
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.damaged_runs
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.fuzz
	HYPOTHESIS_PROFILE=free $(BIN)/pytest tests/properties

format: $(VENV)/.test
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

$(VENV)/.demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet $(CONSTRAINTS) -e '.[features]'
	touch $@

$(VENV)/.test: $(VENV)/.demo
	$(BIN)/pip install --quiet $(CONSTRAINTS) -e '.[dev]'
	touch $@

$(VENV)/.docs: $(VENV)/.demo
	$(BIN)/pip install --quiet $(CONSTRAINTS) -e '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) build dist src/*.egg-info
