# Everything a contributor needs; each target builds what it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH := .venv-bench
# What dlm is measured on: the system's own Python where that is new enough, as curl and aria2c are the system's.
BENCH_PYTHON ?= $(shell /usr/bin/python3 -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo /usr/bin/python3 || echo $(PYTHON))
INTEROP := .venv-interop

.PHONY: demo test check format schemas docs interop bench snapshots example-lock clean

demo: $(VENV)/.installed ## install, start a stand-in python.org on loopback, and walk through lock, sync and verify
	$(BIN)/python examples/demo.py

test: $(VENV)/.developed ## run all tests
	$(BIN)/python -m pytest -n 2 $(ARGS)

check: $(VENV)/.developed ## style and types
	$(BIN)/ruff check src tests examples benchmarks
	$(BIN)/ruff format --check src tests examples benchmarks
	$(BIN)/mypy

format: $(VENV)/.developed
	$(BIN)/ruff check --fix src tests examples benchmarks
	$(BIN)/ruff format src tests examples benchmarks

schemas: $(VENV)/.developed ## write schemas/ from the models
	$(BIN)/dlm schema manifest > schemas/downloads.schema.json
	$(BIN)/dlm schema lockfile > schemas/downloads.lock.schema.json
	$(BIN)/dlm schema output > schemas/output.schema.json
	$(BIN)/dlm schema events > schemas/events.schema.json

docs: $(VENV)/.developed ## write the reference pages of docs/ from the settings and the commands
	$(BIN)/python -m dlm.cli.reference docs

interop: $(VENV)/.developed $(INTEROP)/.installed ## share a cache with the packages cachedir and dlmachine, which stand in an environment of their own
	$(BIN)/python -m pytest -n 2 tests/interop --predecessor $(INTEROP)/bin/python $(ARGS)

bench: $(BENCH)/.installed ## measure dlm beside others; installs what is missing, writes benchmarks/RESULTS.md; ARGS=--quick for a look
	$(BIN)/python -m pip --python $(BENCH)/bin/python install --quiet --disable-pip-version-check --no-deps --no-build-isolation --force-reinstall .
	$(BENCH)/bin/python -m benchmarks.wire --install $(ARGS)

snapshots: $(VENV)/.developed ## accept what the commands print now
	$(BIN)/python -m pytest tests/functional --snapshot-update

example-lock: $(VENV)/.developed ## write downloads.lock.example, which a test compares
	DLM_WRITE_EXAMPLE_LOCK=1 $(BIN)/python -m pytest tests/functional/test_examples.py

clean:
	rm -rf $(VENV) $(BENCH) $(INTEROP) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml requirements/run.txt requirements/build.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.developed: $(VENV)/.installed requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	touch $@

# dlm as users have it, not editable, and beside it the libraries that it is compared with. Without a pip of its own,
# as tools are installed today; some systems' Python could not install one either.
$(BENCH)/.installed: $(VENV)/bin/python Makefile requirements/build.txt requirements/run.txt requirements/bench.txt
	$(BENCH_PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	$(BENCH_PYTHON) -m venv --clear --without-pip $(BENCH)
	$(BIN)/python -m pip --python $(BENCH)/bin/python install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt -r requirements/run.txt -r requirements/bench.txt
	touch $@

# Made anew as a whole: an installation that was cut short, or of other versions, leaves nothing behind.
$(INTEROP)/.installed: requirements/interop.txt
	$(PYTHON) -m venv --clear $(INTEROP)
	@$(INTEROP)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r $< || \
	  { echo "make interop: what $< pins cannot be installed into $(INTEROP), see above; nothing was tested against it" >&2; exit 1; }
	touch $@
