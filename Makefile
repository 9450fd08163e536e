# Every target works as the first command on a fresh clone: it makes .venv and installs what is missing.
PYTHON ?= python3
LESSON ?=
VENV := .venv
# On Windows, where make comes with Git Bash, a virtual environment has its programs elsewhere.
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
# For test-unit: "lowest" or "newest" puts these versions of all packages into .venv first, where they
# stay; without it they are as they are. Both need --upgrade: uv else keeps what is there and fits.
VERSIONS ?=
UPGRADE := --upgrade $(if $(filter lowest,$(VERSIONS)),--resolution lowest-direct)

.PHONY: help start play progress test test-unit test-gpu test-full test-browser test-colab colab colab-versions run sync badges measure lint site
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

play: $(VENV)/installed  ## open the playground: prompts, sketches and masks, with a canvas to draw on
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[play]"
	OMP_WAIT_POLICY=PASSIVE $(BIN)/jupyter lab --ServerApp.root_dir=. notebooks/playground.ipynb

progress: $(VENV)/installed  ## lessons done, exercises right, and what to do next
	@$(BIN)/python -m course_utils.checks.progress

test: $(VENV)/installed-dev  ## unit tests, lesson rules, every cell of every lesson; one lesson: make test LESSON=03
	$(BIN)/python -m pytest --nbval -n 2 --dist loadfile $(if $(LESSON),-k "$(LESSON)_")

test-unit: $(VENV)/installed-dev  ## the unit tests alone; with the lowest packages allowed, or the newest: make test-unit VERSIONS=lowest
ifneq ($(VERSIONS),)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/python -m uv pip install --quiet $(UPGRADE) -r requirements.txt -e ".[dev]"
endif
	$(BIN)/python -m pytest -n 2 --dist loadfile tests

test-full: $(VENV)/installed-dev  ## Stable Diffusion at its own size against diffusers: minutes, 8 GB of memory, 4 GB of disk
	$(BIN)/python -m pytest -m full tests/test_full_size.py

# The lessons' cells are run and their claims checked (lax: another processor rounds otherwise, so the
# printed numbers are not compared with those that were committed).
test-gpu: $(VENV)/installed-dev  ## what needs an NVIDIA GPU: unit tests, a training under torchrun, lessons 06, 11, 13 and 14
	$(BIN)/python -m pytest -m gpu tests
	$(BIN)/python -m pytest --nbval-lax notebooks/06_*.ipynb notebooks/11_*.ipynb notebooks/13_*.ipynb notebooks/14_*.ipynb

test-browser: $(VENV)/installed-dev  ## lessons 00, 01 and 13 in JupyterLab, in Chromium: some ten minutes; pictures in screenshots/
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[browser]"
	$(BIN)/python -m pytest -m browser tests/test_browser.py

# Needs no .venv. Colab's Python, 3.13, makes an environment of its own in .colab.
test-colab:  ## every lesson with the packages of Google Colab and each of its two OpenCVs: make PYTHON=python3.13 test-colab LESSON=03
	$(PYTHON) tools/try_colab.py $(LESSON)

colab-versions:  ## read anew which packages Google Colab has, for test-colab
	$(PYTHON) tools/colab_versions.py

colab:  ## pack what is committed as diffusion-course.zip, to upload to Google Colab
	git archive --format=zip --prefix=course/ --output=diffusion-course.zip HEAD
	@echo "diffusion-course.zip is packed: the set-up cell of each lesson asks for it in Colab."

run: $(VENV)/installed-dev  ## execute lessons and keep their outputs: make run LESSON=03
	$(BIN)/python -m tools.lessons run $(LESSON)

sync: $(VENV)/installed-dev  ## copy course_utils/built, set-up cells and measured times into the lessons; write the cheat sheets
	$(BIN)/python -m tools.lessons sync $(LESSON)
	$(BIN)/python -m tools.cheat_sheets

badges: sync  ## after setting the repository's address in pyproject.toml: stamp it into the lessons

site: $(VENV)/installed-dev  ## the reading edition: a web site of the lessons as they were executed, in site/build/html
	$(BIN)/python -m sphinx -q -W --keep-going -E -c site -d site/build/doctrees . site/build/html
	@echo "Open site/build/html/index.html in a browser."

measure: $(VENV)/installed-dev  ## time every lesson on this machine and write data/measured.json
	$(BIN)/python -m tools.measure $(LESSON)
	$(BIN)/python -m tools.lessons sync

lint: $(VENV)/installed-dev  ## ruff, and: no lesson shows stale code or stale outputs
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/python -m tools.lessons check
