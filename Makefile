# make demo: set up, train on the samples of the repository, translate, and say where the report is.
# make test: set up, then everything that continuous integration runs.
# make test-long: set up, then kill runs and translations at 50 random instants each, fill the disk at every write, damage every
#   file of runs, fuzz the readers, try the property tests with free seeds, translate 20,000 files, check the types for other
#   Pythons and systems, and run the whole demo from the wheel.
# make docs: set up, then build the documentation site in build/site; fails on a broken link.
# make wheel: set up, build sdist and wheel in build/dist, check their files, and run a short demo from the wheel alone.
# make sbom: set up, then list what the package and its extras install in build/sbom.json (CycloneDX).
# make lock: set up, then pin the newest versions that pyproject.toml allows, and list their licences in docs/licences.md.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Without a GPU the pinned torch; with one, the build that pip finds for it.
CONSTRAINTS := $(shell command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi >/dev/null 2>&1 || echo -c constraints.txt)
INSTALL := -m pip --disable-pip-version-check install --quiet
# Exactly these wheels, and no others. torch follows by its version; the lock has what it depends on.
LOCKED := $(INSTALL) --require-hashes --no-deps --only-binary :all: -r
# $(call environment,FOLDER,LOCK,MORE): a new environment with the packages of requirements/LOCK.lock, torch and MORE.
define environment
$(PYTHON) -m venv $(1)
$(1)/bin/python $(LOCKED) requirements/$(2).lock
$(1)/bin/python $(INSTALL) $(CONSTRAINTS) torch $(3)
endef
WHEEL_DEMO_MINUTES := 0.05
EXTRAS := features judges embeddings formats medical video voice voice-vad voice-neural voice-content voice-measures export export-openvino hub serve ray wandb trackio mlflow
UV := $(BIN)/uv --quiet --config-file requirements/uv.toml pip

.PHONY: demo test test-long docs wheel sbom lock licences format clean

demo: $(VENV)/.demo
	$(BIN)/unpaired demo

test: $(VENV)/.test
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/pytest -n 2
	$(BIN)/python -m tools.build_site
	$(MAKE) wheel

docs: $(VENV)/.test
	$(BIN)/python -m tools.build_site

test-long: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.kill --instants 50
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.disk_full --every-page 8
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.damaged_runs
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.fuzz
	HYPOTHESIS_PROFILE=free $(BIN)/pytest tests/properties
	$(BIN)/mypy --python-version 3.12 --platform darwin src
	$(BIN)/mypy --python-version 3.13
	$(BIN)/mypy --python-version 3.14
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.load
	$(MAKE) wheel WHEEL_DEMO_MINUTES=5.5

# Not in the working folder: there Python would import the package from src.
wheel: $(VENV)/.test
	rm -rf build/dist build/wheel-venv build/wheel-demo
	$(BIN)/python -m build --no-isolation --outdir build/dist . >/dev/null
	$(BIN)/python -m tools.check_dist build/dist
	$(call environment,build/wheel-venv,demo)
	build/wheel-venv/bin/python $(INSTALL) --no-deps build/dist/*.whl
	build/wheel-venv/bin/python -m pip check
	cd build && wheel-venv/bin/unpaired demo --minutes $(WHEEL_DEMO_MINUTES) --out wheel-demo
	test -s build/wheel-demo/report.html

# Without pip itself, which no lock has.
sbom: $(VENV)/.release
	rm -rf build/sbom-venv
	$(call environment,build/sbom-venv,runtime,torchvision)
	build/sbom-venv/bin/python -m pip uninstall --quiet --yes pip
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o build/sbom.json build/sbom-venv

COMPILE := $(UV) compile -c constraints.txt pyproject.toml --upgrade
lock: $(VENV)/.release
	$(COMPILE) $(EXTRAS:%=--extra %) -o requirements/runtime.lock
	$(COMPILE) -c requirements/runtime.lock --extra features -o requirements/demo.lock
	$(COMPILE) -c requirements/runtime.lock --extra dev --extra docs -o requirements/dev.lock
	$(COMPILE) -c requirements/runtime.lock -c requirements/dev.lock --extra release -o requirements/release.lock
	$(MAKE) licences

# The metadata of all locked packages: two installations together have those of every system and Python.
licences: $(VENV)/.release
	rm -rf build/licences
	for system in "linux --python-version 3.11" "windows --python-version 3.13"; do \
	  $(UV) install --target build/licences --python-platform $$system --no-deps --require-hashes \
	    $(foreach lock,runtime demo dev release,-r requirements/$(lock).lock) || exit 1; \
	done
	$(BIN)/python -m tools.licences build/licences

format: $(VENV)/.test
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

$(VENV)/.demo: pyproject.toml constraints.txt requirements/demo.lock
	$(call environment,$(VENV),demo)
	$(BIN)/python $(INSTALL) --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.test: $(VENV)/.demo requirements/dev.lock
	$(BIN)/python $(LOCKED) requirements/dev.lock
	touch $@

$(VENV)/.release: $(VENV)/.test requirements/release.lock
	$(BIN)/python $(LOCKED) requirements/release.lock
	touch $@

clean:
	rm -rf $(VENV) build dist src/*.egg-info
