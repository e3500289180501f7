# make demo       install, memorize the sample documents, ask questions
# make test       install what tests need, run them
# make screens    record docs/screens anew
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
DEMO_HOME = demo-home
ASK = $(BIN)/titans ask --home $(DEMO_HOME)

.PHONY: demo test check screens clean

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

check:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

clean:
	rm -rf $(VENV) $(DEMO_HOME) build *.egg-info
