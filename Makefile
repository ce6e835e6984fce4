# `make help` lists what there is. Everything runs in .venv, which is made at first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DATA ?=
BOXES ?=
STORAGE ?=
RECORDINGS = $(if $(DATA),data=rfcx data.root="'$(DATA)'")

.DEFAULT_GOAL := help
.PHONY: help look ladder sweep article mended length experiments smoke test lint format ui dashboard clean

help:  ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

ladder: $(INSTALLED)  ## Climb the ladder on the embedded data, or on make ladder DATA=folder (RFCX layout)
	$(BIN)/python -m rfcx_lab +experiment=ladder $(RECORDINGS)

look: $(INSTALLED)  ## A page about the data before any training, or on make look DATA=folder (RFCX layout)
	$(BIN)/python -m rfcx_lab +experiment=look $(RECORDINGS)

sweep: $(INSTALLED)  ## Search depth and width for the frontier beyond which models overfit (DATA=folder as above)
	$(BIN)/python -m rfcx_lab +experiment=sweep $(RECORDINGS)

article: $(INSTALLED)  ## The article's pipeline as it is written, with what is wrong with it (DATA=folder as above)
	$(BIN)/python -m rfcx_lab +experiment=article $(RECORDINGS)

mended: $(INSTALLED)  ## The same, corrected choice by choice: which ones matter? (DATA=folder as above)
	$(BIN)/python -m rfcx_lab +experiment=mended $(RECORDINGS)

length: $(INSTALLED)  ## Is it the length? True boxes, swapped boxes, noise (BOXES=folder with a train_tp.csv; DATA=folder)
	$(BIN)/python -m rfcx_lab +experiment=length $(RECORDINGS) $(if $(BOXES),length.boxes="'$(BOXES)'")

experiments: $(INSTALLED)  ## List the studies on record with their answers
	$(BIN)/python -m rfcx_lab.records

smoke: $(INSTALLED)  ## The same path at toy size: does everything work here?
	$(BIN)/python -m rfcx_lab +experiment=smoke

test: $(INSTALLED)  ## Run the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(INSTALLED)  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)  ## Lay out the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

ui: $(INSTALLED)  ## Open the MLflow UI and, where there is a sweep, the Optuna dashboard (.venv/bin/python -m rfcx_lab.ui --help)
	$(BIN)/python -m rfcx_lab.ui

dashboard: $(INSTALLED)  ## Open the Optuna dashboard alone, on the last sweep (STORAGE=file or URL of another)
	$(BIN)/python -m rfcx_lab.ui --only optuna$(if $(STORAGE), --storage "$(STORAGE)")

clean:  ## Remove the environment (results under runs/ stay)
	rm -rf $(VENV)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@
