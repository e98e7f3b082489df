PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: study test test-slow lint bench lock

# Exact versions from requirements.lock, then this project in place.
$(BIN)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

study: $(BIN)/.installed
	$(BIN)/qkd-study run studies/q2c_low_data.py

test: $(BIN)/.installed
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(BIN)/.installed
	$(BIN)/python -m pytest -m slow

lint: $(BIN)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Ratios on one thread; run it on a quiet machine. The extra brings jax, a rival, and matplotlib.
bench: $(BIN)/.installed
	$(BIN)/pip install --quiet --editable ".[bench]"
	$(BIN)/python benchmarks/quantum_step.py
	$(BIN)/python benchmarks/plan_choice.py

# Freeze what a fresh environment resolves to. Torch is named first, so that its version is chosen here.
lock:
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet torch==2.13.0
	.venv-lock/bin/pip install --quiet --editable ".[dev]"
	(echo "# Exact versions of everything, for make and CI. Made by make lock."; \
	 .venv-lock/bin/pip freeze --exclude-editable | sed 's/+cpu$$//') > requirements.lock
	rm -rf .venv-lock
