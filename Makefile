# Every target does the set-up it needs; stamp files skip what was done already.
#
#   make lab     JupyterLab on notebooks/quickstart.ipynb (LAB_ARGS="--no-browser --port 9000" adds options)
#   make test    lint, types, js tests, then all Python, browser and notebook tests
#   make demo    run the quickstart headless and leave its report in quickstart.html
#   make bench   measure against peers             make soak   the tests that take long
#   make lint    linters and type checkers         make js     build the front end
#   make clean   remove what was built             make distclean   and the environment too
#
# Needed: Python >= 3.11, Node >= 20; for the tests a chromium on the PATH and a PostgreSQL server.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
export PATH := $(CURDIR)/$(BIN):$(PATH)

DEPENDENCIES := $(VENV)/.dependencies
INSTALLED := $(VENV)/.installed
BENCH := .venv-bench
PEERS := $(BENCH)/.installed
NODE_MODULES := js/node_modules/.installed
BUILT := medilytica_widgets/static/loader.js
JS_SOURCES := $(shell find js/src -type f -not -name '*.test.*') js/build.mjs js/tsconfig.json

.PHONY: help lab test demo bench soak lint js setup chromium postgres clean distclean

help:
	@sed -n '/^#   make/s/^# *//p' Makefile

# -- set-up ------------------------------------------------------------------

$(DEPENDENCIES): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "No virtual environment could be made. On Debian: apt-get install python3-venv" >&2; exit 1; }
	$(PIP) install --quiet --constraint constraints.txt hatchling hatch-jupyter-builder jupyter-builder
	# The front end is not built yet: an empty folder stands in until the second install below.
	mkdir -p medilytica_widgets/labextension
	SKIP_JUPYTER_BUILDER=1 $(PIP) install --quiet --constraint constraints.txt --no-build-isolation --editable '.[test]'
	touch $@

$(NODE_MODULES): js/package.json js/package-lock.json js/.npmrc
	@node -e 'process.exit(Number(parseInt(process.versions.node) < 20))' || \
	  { echo "Node 20 or newer is needed to build the front end (on Debian: apt-get install nodejs npm)." >&2; exit 1; }
	cd js && npm ci
	touch $@

$(BUILT): $(NODE_MODULES) $(JS_SOURCES) | $(DEPENDENCIES)
	cd js && npm run --silent build
	touch $@

# JupyterLab reads the lab extension and its configuration from the environment, so they are installed anew with each build.
$(INSTALLED): $(DEPENDENCIES) $(BUILT) $(shell find jupyter-config -type f) medilytica_widgets/_version.py
	SKIP_JUPYTER_BUILDER=1 $(PIP) install --quiet --no-deps --no-build-isolation --editable .
	touch $@

js: $(INSTALLED)

setup: $(INSTALLED)

chromium:
	@command -v chromium >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends chromium; \
	fi; \
	command -v chromium >/dev/null || { \
	  echo "The browser tests need Chromium on the PATH under the name 'chromium'." >&2; \
	  echo "On Debian or Ubuntu: sudo apt-get install chromium. Elsewhere, install it and put a link named chromium on the PATH." >&2; \
	  exit 1; }

postgres:
	@found() { command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }; \
	found && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends postgresql; \
	fi; \
	found || { \
	  echo "The run store's tests start a PostgreSQL server. On Debian or Ubuntu: sudo apt-get install postgresql." >&2; \
	  exit 1; }

# -- what people run -----------------------------------------------------------

# JupyterLab refuses to run as root unless told; whoever is root in a container means it.
AS_ROOT := $(shell test "$$(id -u)" = 0 && echo --allow-root)

lab: setup
	$(BIN)/jupyter lab notebooks/quickstart.ipynb $(AS_ROOT) $(LAB_ARGS)

demo: setup
	MEDILYTICA_HEADLESS=1 $(BIN)/python -m medilytica_widgets.report notebooks/quickstart.ipynb quickstart.html

lint: setup
	$(BIN)/ruff check .
	$(BIN)/mypy
	cd js && npm run --silent types

# pytest comes last, so that its closing line closes the whole.
test: setup chromium postgres lint
	cd js && npm run --silent test
	$(BIN)/python -m pytest --nbval-lax tests notebooks

# The peers have an environment of their own, which sees the package's through a .pth file: they can neither change its
# pins nor bring another torch into it.
$(PEERS): tests/benchmarks/requirements.txt constraints.txt $(DEPENDENCIES)
	test -x $(BENCH)/bin/python || $(BIN)/python -m venv $(BENCH)
	echo '*' > $(BENCH)/.gitignore
	packages='import sysconfig; print(sysconfig.get_path("purelib"))'; \
	$(BIN)/python -c "$$packages" > "$$($(BENCH)/bin/python -c "$$packages")/package.pth"
	$(BENCH)/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt \
	  --requirement tests/benchmarks/requirements.txt
	$(BENCH)/bin/python -c 'import sys, torch; sys.exit(torch.__file__.startswith(sys.prefix))' || \
	  { echo "The peers brought a torch of their own into $(BENCH); see tests/benchmarks/requirements.txt." >&2; exit 1; }
	touch $@

bench: setup $(PEERS)
	$(BENCH)/bin/python -m tests.benchmarks

soak: setup chromium postgres
	$(BIN)/python -m pytest --capture=no --timeout=0 tests/soak
	MEDILYTICA_EVERYTHING=1 $(BIN)/python -m pytest tests/browser

clean:
	rm -rf js/lib dist medilytica_widgets/static medilytica_widgets/labextension
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis quickstart.html test-output
	rm -f $(INSTALLED)

distclean: clean
	rm -rf $(VENV) $(BENCH) js/node_modules
