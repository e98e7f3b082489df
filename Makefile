PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: study test test-slow lint docs coverage bench lock upgrade

# Is torch here the build that needs CUDA's libraries? A CPU build of the same version does not.
NEEDS_CUDA = import sys; from importlib.metadata import requires; \
    sys.exit(not any(r.startswith(("nvidia", "cuda", "triton")) for r in requires("torch") or ()))

TORCH = $(shell sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements.lock)

# $(1): a lock, with what it builds on. Its versions and hashes are all that is installed, so pip
# resolves nothing. But torch comes first, by its version: with hashes, pip would prefer PyPI's build,
# which needs gigabytes of CUDA, to a CPU build that is offered beside it, and the hashes of CPU builds
# cannot all be known, since PyPI lacks them.
define install
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-deps $(TORCH)
	$(BIN)/pip install --quiet --require-hashes --no-deps --requirement $(1)
	if $(BIN)/python -c '$(NEEDS_CUDA)'; then $(BIN)/pip install --quiet --require-hashes --no-deps \
		--requirement requirements-cuda.lock; fi
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/pip check
endef

RUNTIME := requirements.lock requirements-cuda.lock pyproject.toml

$(BIN)/.installed: $(RUNTIME)
	$(call install,requirements.lock)
	touch $@

# All that is in requirements.lock is in this one, so what runs studies is there afterwards, too.
$(BIN)/.installed-dev: $(RUNTIME) requirements-cluster.lock requirements-dev.lock
	$(call install,requirements-dev.lock)
	touch $(BIN)/.installed $@

study: $(BIN)/.installed
	$(BIN)/qkd-study run studies/q2c_low_data.py

test: $(BIN)/.installed-dev
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(BIN)/.installed-dev
	$(BIN)/python -m pytest -m slow

lint: $(BIN)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Into site/; a warning is an error, and so is a page that no other page leads to.
docs: $(BIN)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# Of the fast tests, what runs in their own process and in the commands that they start.
coverage: $(BIN)/.installed-dev
	$(BIN)/python -m pytest -m "not slow" --cov --cov-report=term:skip-covered

# Ratios on one thread; run it on a quiet machine. The extra brings jax, a rival, and matplotlib.
bench: $(BIN)/.installed
	$(BIN)/pip install --quiet --editable ".[bench]"
	$(BIN)/python benchmarks/quantum_step.py
	$(BIN)/python benchmarks/plan_choice.py
	$(BIN)/python -m benchmarks.noise
	$(BIN)/python -m benchmarks.shots

# The locks follow from pyproject.toml. `lock` keeps each version that still fits, `upgrade` none.
lock:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet uv==0.13.9
	.venv-lock/bin/python tools/lock.py $(LOCK)

upgrade:
	$(MAKE) lock LOCK=--upgrade
