# Every target works as the first command on a fresh clone: it makes .venv and installs what is missing.
PYTHON ?= python3
LESSON ?=
VENV := .venv
BIN := $(VENV)/bin
# The same settings for `make run` and for the tests: their outputs are compared. One thread each,
# since the tests run two lessons side by side, and threads that wait for each other do so badly; and
# no Stable Diffusion from this machine's cache, so that lesson 14 is the same everywhere.
SETTINGS := TQDM_DISABLE=1 COURSE_CAMERA=sample COURSE_BUDGET=1 OMP_NUM_THREADS=1 HF_HUB_CACHE=/nonexistent

.PHONY: help start test test-full test-browser run sync badges measure lint site
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/'

$(BIN)/python:
	@$(PYTHON) -c "import sys; v = sys.version.split()[0]; sys.exit(None if sys.version_info >= (3, 11) else f'The course needs Python 3.11 or newer and this is {v}. Name another one: make PYTHON=python3.12 ...')"
	@# Half an environment (Debian without python3-venv makes one) would look like a whole one.
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/installed: requirements.txt pyproject.toml | $(BIN)/python
	@echo "Installing the course into $(VENV): some minutes the first time, and several GB."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $@

start: $(VENV)/installed  ## install the course and open it in JupyterLab
	@# Training threads that wait by spinning stall for seconds when a browser wants the core. With
	@# the course as its root, Jupyter opens the lessons' links to what is not in notebooks/.
	OMP_WAIT_POLICY=PASSIVE $(BIN)/jupyter lab --ServerApp.root_dir=. notebooks/00_start_here.ipynb

test: $(VENV)/installed-dev  ## unit tests, lesson rules, every cell of every lesson; one lesson: make test LESSON=03
	$(SETTINGS) $(BIN)/python -m pytest --nbval -n 2 --dist loadfile $(if $(LESSON),-k "$(LESSON)_")

test-full: $(VENV)/installed-dev  ## Stable Diffusion at its own size against diffusers: minutes, 8 GB of memory, 4 GB of disk
	$(BIN)/python -m pytest -m full tests/test_full_size.py

test-browser: $(VENV)/installed-dev  ## lessons 00, 01 and 13 in JupyterLab, in Chromium: some ten minutes; pictures in screenshots/
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[browser]"
	$(BIN)/python -m pytest -m browser tests/test_browser.py

run: $(VENV)/installed-dev  ## execute lessons and keep their outputs: make run LESSON=03
	$(SETTINGS) $(BIN)/python tools/lessons.py run $(LESSON)

sync: $(VENV)/installed-dev  ## copy course_utils/built, set-up cells and measured times into the lessons
	$(BIN)/python tools/lessons.py sync $(LESSON)

badges: sync  ## after setting the repository's address in pyproject.toml: stamp it into the lessons

site: $(VENV)/installed-dev  ## the reading edition: a web site of the lessons as they were executed, in site/build/html
	$(BIN)/python -m sphinx -q -W --keep-going -E -c site -d site/build/doctrees . site/build/html
	@echo "Open site/build/html/index.html in a browser."

measure: $(VENV)/installed-dev  ## time every lesson on this machine and write data/measured.json
	$(SETTINGS) OMP_NUM_THREADS=2 OMP_WAIT_POLICY=PASSIVE $(BIN)/python tools/measure.py $(LESSON)
	$(BIN)/python tools/lessons.py sync

lint: $(VENV)/installed-dev  ## ruff, and: no lesson shows stale code or stale outputs
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/python tools/lessons.py check
