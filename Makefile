# Two commands matter: `make demo` and `make test`. Both build their own environment in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# The tests start programs by the thousand; without bytecode each would compile nstd anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-systemd lint types tests soak bench install clean

demo: $(VENV)/.installed
	$(BIN)/nstd demo

test: lint types tests

lint: $(VENV)/.developed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.developed
	$(BIN)/mypy

# More processes than cores: a test that follows a daemon waits more than it computes.
TEST_PROCESSES ?= 4
tests: $(VENV)/.developed
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist worksteal

# Under the real systemd, in a throw-away machine that needs root and namespaces. One test goes all of
# docs/service.md's way, which takes long where other tests run beside it.
test-systemd: $(VENV)/.developed
	$(BIN)/python -m pytest tests/systemd --timeout 900

# An hour: good and hostile jobs while the daemon is killed at random. SOAK_SECONDS=600 SEED=7 make soak
SOAK_SECONDS ?= 3600
SEED ?= 0
soak: $(VENV)/.developed
	$(BIN)/python tests/soak.py --seconds $(SOAK_SECONDS) --seed $(SEED)

# Minutes, on a machine that does nothing else. TORCH_PYTHON=... compares with PyTorch too.
bench: $(VENV)/.installed
	mkdir -p bench
	$(BIN)/nstd bench --json > bench/machine.json
	$(BIN)/python benchmarks/iteration.py --json bench/iteration.json $(if $(TORCH_PYTHON),--torch-python $(TORCH_PYTHON))
	$(BIN)/python benchmarks/memory.py --json bench/memory.json
	$(BIN)/python benchmarks/jobs.py --json bench/jobs.json
	$(BIN)/python benchmarks/spool.py --json bench/spool.json
	$(BIN)/python benchmarks/status.py --json bench/status.json
	$(BIN)/python benchmarks/hooks.py --json bench/hooks.json

install: $(VENV)/.installed

# A stamp is newer than what it was made from; nothing is installed twice.
$(VENV)/.created:
	$(PYTHON) -c 'import sys; sys.exit("nstd needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml constraints.txt
	$(INSTALL) --editable .
	touch $@

$(VENV)/.developed: $(VENV)/.installed
	$(INSTALL) --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) demo dist bench
