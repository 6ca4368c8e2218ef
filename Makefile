# Everything runs in .venv, made from any Python 3.11 or newer: make PYTHON=python3.13 test
PYTHON ?= python3
# the Python of test-oldest
OLDEST ?= $(or $(shell command -v python3.11 || command -v python3.12),$(PYTHON))
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input

# What a tier has apart from these: the folders that need a framework, a browser, LibreOffice or minutes.
TESTS := -n auto --dist loadfile --ignore=tests/frameworks --ignore=tests/office --ignore=tests/browser \
	--ignore=tests/load
# Files that reach every room, in half a minute: what test-oldest runs.
QUICK := $(addprefix tests/,test_api.py test_docs.py test_exercises.py test_rooms.py test_traces.py cell \
	model/test_problem.py trace/test_trace.py verification/test_verify.py weights/test_layouts.py)

# the modules of the page have their types in comments, which TypeScript checks
TSC := npx -y -p typescript@5 tsc
LOCAL := lstm_trace/service/static/bench/local
TYPED_AS := --noEmit --allowJs --checkJs --strict --noUnusedLocals --target es2022 --lib es2023 --module esnext \
	--moduleResolution bundler

.PHONY: demo serve test test-all test-oldest test-frameworks test-notebook test-office test-browser test-database test-corpus test-load fuzz \
	lint format golden schemas traces images docs bench clean

# Nothing is shortened in these; see tests/support/tiers.py
test-all test-frameworks test-notebook test-office test-browser test-database test-corpus test-load: \
  export LSTM_TRACE_TESTS = all

demo: .venv/core ## trace question 22 of the exercises and print the worked solution
	@$(BIN)/lstm-trace example q22 | $(BIN)/lstm-trace report - --digits 8 --trim

serve: .venv/serve ## the bench in the browser, with the examples; Ctrl-C ends it
	$(BIN)/lstm-trace serve

test: .venv/test ## the fast tests, in less than two minutes; no deep-learning framework needed
	$(BIN)/python -m pytest $(TESTS)

test-all: .venv/test ## those and the slow ones: processes that are killed, PostgreSQL, every language and notation, more seeds
	$(BIN)/python -m pytest $(TESTS)

test-oldest: .venv-oldest/test ## the fast tests on the oldest versions that pyproject.toml names; with Python 3.11 or 3.12
	.venv-oldest/bin/python -m pytest -n auto $(QUICK)

test-browser: .venv/browser ## the web pages in headless Chromium; skipped with a message where there is none
	$(BIN)/python -m pytest -rs tests/browser

test-database: .venv/test ## the store on SQLite and on a PostgreSQL of its own; that is skipped where it is not installed
	$(BIN)/python -m pytest -rs tests/store

test-corpus: .venv/corpus ## the corpus with its cluster and probe: processes that are killed, workers joined by address
	$(BIN)/python -m pytest -rs tests/corpus tests/tracking tests/cli/*_corpus_*.py

test-load: .venv/load ## the service under load for some minutes, and random requests from its OpenAPI description
	$(BIN)/python -m pytest -rs tests/load

test-office: .venv/test ## spreadsheets computed again by LibreOffice; skipped with a message where there is no soffice
	$(BIN)/python -m pytest -rs tests/office

test-frameworks: .venv/frameworks ## the tests against PyTorch, Keras, Flax and onnxruntime
	KERAS_BACKEND=torch $(BIN)/python -m pytest tests/frameworks

test-notebook: .venv/notebook ## the notebook of the documentation in Jupyter, and frames drawn by matplotlib
	$(BIN)/python -m pytest -rs tests/test_notebook.py tests/slow_notebook.py tests/report/test_rendered.py \
	  tests/report/test_math_dialects.py tests/frames/test_frames.py

fuzz: .venv/test ## random and damaged inputs, some minutes; PART=cells COUNT=1000000 SEED=2 for one part of it
	$(BIN)/python -m tests.fuzz.campaign $(if $(PART),--part $(PART)) $(if $(COUNT),--count $(COUNT)) --seed $(or $(SEED),1)

lint: .venv/lint ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@if command -v npx >/dev/null; then echo '$(TSC) …' && \
	  $(TSC) $(TYPED_AS) lstm_trace/lines/*.js $(LOCAL)/*.js $(LOCAL)/*/*.js \
	    $(addprefix lstm_trace/service/static/bench/runs/,edits.js holds.js premises.js) && \
	  $(TSC) $(TYPED_AS) --lib es2023,dom,dom.iterable lstm_trace/report/page/live.js; \
	  else echo 'The types of the modules of the page are not checked: that needs npx (apt-get install nodejs npm)'; fi

format: .venv/lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

golden: .venv/test traces schemas ## every kept output: tests/golden, notebooks of docs, traces and schemas
	$(BIN)/python -m docs.generated
	$(BIN)/python -m tests.golden.make
	$(BIN)/python -m docs.notebook

schemas: .venv/core ## JSON Schemas from the pydantic models
	for name in problem trace; do $(BIN)/lstm-trace schema $$name > schemas/$$name.json; done

traces: .venv/core ## every example problem with its trace, report and CSV
	$(BIN)/python traces/make.py

images: .venv/test ## the pictures of README and tour; that of the page needs Chromium
	$(BIN)/python -m docs.images.make

docs: .venv/docs ## the documentation as a site, in build/docs
	$(BIN)/sphinx-build -W --keep-going -q docs build/docs
	@echo 'Open build/docs/index.html'

bench: .venv/frameworks ## speed against the peers, as ratios
	$(BIN)/python benchmarks/lstm.py
	$(BIN)/python benchmarks/figures.py
	$(BIN)/python benchmarks/watch.py

.venv/core: pyproject.toml
	@echo 'Installing into .venv: numpy, pandas and a few smaller packages; usually less than a minute.' >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) install -e .
	@touch $@

.venv/test: .venv/core
	@echo 'Installing into .venv what the tests need (pytest, hypothesis, llvmlite, typst, pyarrow, …; 420 MB): about a minute …' >&2
	@$(PIP) install -e '.[test]'
	@touch $@

# numpy 1.26 has wheels up to Python 3.12 only
.venv-oldest/test: pyproject.toml tests/oldest.py
	@$(OLDEST) -c 'import sys; sys.exit(sys.version_info[:2] > (3, 12))' || \
	  { echo 'test-oldest needs Python 3.11 or 3.12, for which numpy 1.26 has wheels: make OLDEST=python3.11 test-oldest' >&2; exit 1; }
	@echo 'Installing the oldest versions into .venv-oldest: about a minute …' >&2
	@rm -rf .venv-oldest && $(OLDEST) -m venv .venv-oldest
	@$(OLDEST) tests/oldest.py | .venv-oldest/bin/python -m pip --quiet --disable-pip-version-check --no-input install \
	  -e . -r /dev/stdin
	@touch $@

.venv/serve: .venv/core
	@echo 'Installing FastAPI, uvicorn and SQLAlchemy into .venv: less than a minute …' >&2
	@$(PIP) install -e '.[serve,models,xlsx,pdf,parquet]'
	@touch $@

.venv/browser: .venv/test
	@echo 'Installing Playwright into .venv (Chromium is the one of the system) …' >&2
	@$(PIP) install -e '.[test,browser]'
	@touch $@

.venv/corpus: .venv/test
	@echo 'Installing Dask and scikit-learn into .venv: less than a minute …' >&2
	@$(PIP) install -e '.[test,corpus,probe]'
	@touch $@

.venv/load: .venv/test
	@echo 'Installing schemathesis into .venv …' >&2
	@$(PIP) install -e '.[test,load]'
	@touch $@

.venv/lint: .venv/core
	@echo 'Installing ruff and mypy into .venv, and what they read: FastAPI and SQLAlchemy …' >&2
	@$(PIP) install -e '.[lint,serve]'
	@touch $@

.venv/docs: .venv/core
	@echo 'Installing Sphinx into .venv: less than a minute …' >&2
	@$(PIP) install -e '.[docs]'
	@touch $@

.venv/notebook: .venv/test
	@echo 'Installing Jupyter and matplotlib into .venv: about a minute …' >&2
	@$(PIP) install -e '.[test,notebook]'
	@touch $@

.venv/frameworks: .venv/test
	@echo 'Installing PyTorch, Keras, Flax and onnxruntime into .venv: some gigabytes, several minutes …' >&2
	@$(PIP) install -e '.[test,frameworks]'
	@touch $@

clean:
	rm -rf .venv .venv-oldest build dist *.egg-info
