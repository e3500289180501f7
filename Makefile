# make demo       install, memorize the sample documents, ask questions
# make test       install what tests need, run all checks
# make quick      what fails most often, in under a minute: for the inner loop
# make screens    record docs/screens anew
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
DEMO_HOME = demo-home
ASK = $(BIN)/titans ask --home $(DEMO_HOME)

# Each test process has the networks in memory and uses one core; a file's tests stay in one process, which share what they made.
PYTEST = $(BIN)/pytest --numprocesses 2 --dist loadfile
QUICK = tests/ingest/test_archives.py tests/ingest/test_html.py tests/ingest/test_ingest.py tests/ingest/test_layout.py tests/model \
	tests/test_project.py $(patsubst %,tests/titans_cli/test_%.py,budget chat maintenance recitation remember safety shards transfer_container)

.PHONY: demo test check lint quick screens clean

$(BIN)/titans: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "titans needs Python 3.11 or newer. Try: make PYTHON=python3.12 demo")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable .
	touch $@

$(BIN)/pytest: $(BIN)/titans
	$(BIN)/pip install --quiet --editable '.[test]'
	touch $@

demo: $(BIN)/titans
	$(BIN)/titans ingest titans_cli/samples --home $(DEMO_HOME)
	$(ASK) "How many years ago did our fathers bring forth a new nation?"
	$(ASK) "What did the Fox say about the grapes?"
	$(ASK) "Who is the author of bzip2?"
	$(ASK) "What does Amendment II protect?"
	$(ASK) "Which option makes bzip2 keep the input files?"
	$(BIN)/titans recite "Four score and" --home $(DEMO_HOME)
	$(BIN)/titans status --home $(DEMO_HOME)

test: $(BIN)/pytest check

screens: $(BIN)/titans
	$(BIN)/python docs/record.py

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint
	$(PYTEST)

quick: $(BIN)/pytest lint
	$(PYTEST) $(QUICK)

clean:
	rm -rf $(VENV) $(DEMO_HOME) build *.egg-info
