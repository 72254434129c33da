# Each target is complete on a fresh machine: it does its own set-up first.

PYTHON := .venv/bin/python
READY := .venv/.ready

MINUTES ?= 3

# The tests start hundreds of servers; where a machine forbids it, each would compile all anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup demo test test-pure test-faults chaos check bench pictures messages lock clean

setup: $(READY)

$(READY): requirements/dev.txt pyproject.toml tools/setup.sh
	@tools/setup.sh
	@touch $@

# Without voices of the machine's own they are fetched, where they can be had.
demo: $(READY)
	@.venv/bin/cordboard pbx voices >/dev/null || true
	@.venv/bin/cordboard demo

test: $(READY)
	@tools/system.sh
	@$(PYTHON) -m pytest -n auto --dist loadgroup -m "not faults"

# The tests that need no Asterisk, no PostgreSQL and no browser.
test-pure: $(READY)
	@$(PYTHON) -m pytest -m "not faults and not pbx and not browser and not postgres"

test-faults: $(READY)
	@tools/system.sh
	@$(PYTHON) -m pytest -m faults

# Faults at random on the real Asterisk: make chaos MINUTES=30 [SEED=4711]
chaos: $(READY)
	@PYTHONPATH=.:tests $(PYTHON) tests/chaos.py --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

check: $(READY)
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

bench: $(READY)
	@$(PYTHON) -m bench

# The pictures of README.md, made by the browser as the browser tests drive it.
pictures: $(READY)
	@tools/system.sh
	@$(PYTHON) -m pytest -m browser --pictures docs/pictures
	@.venv/bin/cordboard script draw scripts/nps.yaml --language en --output docs/pictures/nps.svg

# The pinned, hashed requirements from the ranges of pyproject.toml.
lock:
	@tools/lock.sh

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
