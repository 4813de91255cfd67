# Needs only python3 (3.11 to 3.13) with venv and pip. Everything else comes hash-pinned from requirements/.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COMPILE := $(BIN)/uv pip compile --universal --generate-hashes --no-strip-extras --no-header --no-emit-index-url --quiet
OURS := --python-version 3.11
# Environments of the tests with other releases of Celery and with Django; 5.7 and Django ask for a newer Python.
FLEETS := $(wildcard requirements/fleets/*.in)

# Some images set it. A fifth of the processor time of a process that starts is its own modules, compiled again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install install-dev up test check format bench map site dashboard requirements

install: $(VENV)/.installed

install-dev: $(VENV)/.installed-dev

up: install
	@exec $(BIN)/celeriac up

# Four processes, for two cores: many tests wait. Each has a PostgreSQL and a Valkey of its own. What shares a running
# stack runs in one of them: tests/conftest.py.
test: install-dev
	$(BIN)/pytest -n 4

check: install-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/unit/domain --cov --cov-fail-under=100

format: install-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install-dev
	$(BIN)/python -m bench

# docs/map.md and docs/permissions.md, read from the code.
map: install-dev
	$(BIN)/python -m tools.code_map
	$(BIN)/python -m tools.permissions

# The pages of docs/ as a site in site/, with no network; a link that leads nowhere fails it.
site: install-dev
	$(BIN)/zensical build --strict

# The web page, from dashboard/src into dashboard/static, which is committed: only who changes it needs Node.
dashboard: install-dev
	$(BIN)/python -m tools.dashboard

requirements: install-dev
	$(COMPILE) $(OURS) requirements/installer.in --output-file requirements/installer.txt
	$(COMPILE) $(OURS) pyproject.toml requirements/build.in --output-file requirements/run.txt
	$(COMPILE) $(OURS) pyproject.toml requirements/build.in --extra dev --output-file requirements/dev.txt
	for pins in $(FLEETS:.in=); do \
		oldest=3.9; case $$pins in *5.7|*django) oldest=3.10;; esac; \
		$(COMPILE) --python-version $$oldest $$pins.in --output-file $$pins.txt || exit 1; \
	done

$(VENV)/.created:
	$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else "Celeriac needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

# First the installer itself: the pip that a Python brings may look past the pins once there are newer releases.
$(VENV)/.installed: $(VENV)/.created requirements/installer.txt requirements/run.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/installer.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@
