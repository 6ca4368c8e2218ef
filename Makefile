# Everything runs in .venv, made from any Python 3.11 or newer: make PYTHON=python3.13 test
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input

.PHONY: demo test test-frameworks test-office lint format schemas traces bench clean

demo: .venv/core ## trace question 22 of the exercises and print the worked solution
	@$(BIN)/lstm-trace example q22 | $(BIN)/lstm-trace report -

test: .venv/dev ## the tests; no deep-learning framework needed
	$(BIN)/python -m pytest -n auto --ignore=tests/frameworks --ignore=tests/office

test-office: .venv/dev ## spreadsheets computed again by LibreOffice; skipped with a message where there is no soffice
	$(BIN)/python -m pytest -rs tests/office

test-frameworks: .venv/frameworks ## the tests against PyTorch, Keras, Flax and onnxruntime
	KERAS_BACKEND=torch $(BIN)/python -m pytest tests/frameworks

lint: .venv/dev ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schemas: .venv/core ## JSON Schemas from the pydantic models
	for name in problem trace; do $(BIN)/lstm-trace schema $$name > schemas/$$name.json; done

traces: .venv/core ## every example problem with its trace, report and CSV
	$(BIN)/python traces/make.py

bench: .venv/frameworks ## speed against the peers, as ratios
	$(BIN)/python benchmarks/lstm.py

.venv/core: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install -e .
	touch $@

.venv/dev: .venv/core
	$(PIP) install -e '.[test,lint]'
	touch $@

.venv/frameworks: .venv/dev
	$(PIP) install -e '.[test,frameworks]'
	touch $@

clean:
	rm -rf .venv build dist *.egg-info
