# Everything runs in a virtual environment of its own, .venv; nothing has to be installed by hand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
DEMO := work/demo
# Two test processes; the tests of a file share what it sets up, and stay together.
SIDE_BY_SIDE := --numprocesses 2 --dist loadfile

.PHONY: demo serve test test-all lint typecheck conformance benchmark clean

# Train on real MNIST digits, package, serve, post real digits, show the answers.
demo: $(INSTALLED)
	$(BIN)/python -m model_training.demo --output $(DEMO)

# Keep serving what the demo made, until Ctrl-C.
serve: $(INSTALLED)
	$(BIN)/model-service serve $(DEMO)/train --host 127.0.0.1 --port 8080

test: lint typecheck
	$(BIN)/python -m pytest -m "not slow" $(SIDE_BY_SIDE)

test-all: lint typecheck
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[data,test,ray]'
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: $(INSTALLED)
	$(BIN)/mypy

# Serve the packages of the original documents, unmodified, and check what they answer.
DIR ?= ../shared/conformance
conformance: $(INSTALLED)
	CONFORMANCE_DIR="$(abspath $(DIR))" $(BIN)/python -m pytest tests/conformance

benchmark: $(INSTALLED)
	$(BIN)/python tests/benchmarks/throughput.py

$(INSTALLED): setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[data,test]'
	touch $(INSTALLED)

clean:
	rm -rf $(VENV) work build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
