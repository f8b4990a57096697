# make demo   trains on the example sample, predicts, and ends with the path of the report
# make test   all tests          make lint   all static checks
# make newcomer   the commands of README and tutorial in a fresh environment without constraints
# make test-remote  servers that fail, with the time-outs of users (6 minutes)
# make bench  benchmarks         make docs   the documentation as web pages, in site/
# make reference   the reference pages that follow from the code
# make validation  our figures against the same models called directly
# make clean  removes what these made

SHELL := /bin/bash
PYTHON ?= python3
export PYTHON

DEMO := .venv-demo
VENV := .venv
SETUP := pyproject.toml constraints.txt tools/venv.sh
EXAMPLE := examples/higgs

.PHONY: help demo test test-remote lint newcomer bench reference docs validation clean

help:
	@sed -n 's/^# //p' Makefile

$(DEMO)/.stamp: $(SETUP)
	@tools/venv.sh $(DEMO)

$(VENV)/.stamp: $(SETUP)
	@tools/venv.sh $(VENV) all test lint docs

demo: $(DEMO)/.stamp
	@rm -rf demo
	$(DEMO)/bin/mlaas4hep train $(EXAMPLE)/workflow.yaml --fout demo/bundle
	$(DEMO)/bin/mlaas4hep predict demo/bundle $(EXAMPLE)/data/ggH_tautau.root -o demo/scores.root
	@echo "report: $(CURDIR)/demo/bundle/report.html"

test: $(VENV)/.stamp
	@tools/system-packages.sh
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile --max-worker-restart 0

test-remote: $(VENV)/.stamp
	@tools/system-packages.sh
	MLAAS4HEP_REMOTE=long $(VENV)/bin/python -m pytest -s tests/streaming/remote/test_faults.py

lint: $(VENV)/.stamp
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/repo-review --show errskip .

newcomer:
	$(PYTHON) tools/newcomer.py

bench: $(VENV)/.stamp
	$(VENV)/bin/python -m benchmarks.streaming.run
	$(VENV)/bin/python -m benchmarks.serving.run

reference: $(VENV)/.stamp
	$(VENV)/bin/python tools/reference.py

docs: $(VENV)/.stamp
	$(VENV)/bin/mkdocs build --strict

validation: $(VENV)/.stamp
	$(VENV)/bin/python validation/run.py
	$(VENV)/bin/python validation/challenge.py

clean:
	rm -rf $(DEMO) $(VENV) demo site validation/work
