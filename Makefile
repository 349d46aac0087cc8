# Every target sets up what it needs in .venv; what has not changed is not built again.

PYTHON ?= python3
BIN := .venv/bin
NATIVE := CMakeLists.txt $(shell find native -name '*.cpp' -o -name '*.hpp')
CXX_FILES = $(shell find native -name '*.cpp' -o -name '*.hpp')
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

# Runs a command silently; if it fails, shows the end of what it said and one line about what to do.
quietly = echo "$(1)"; $(2) > .venv/log 2>&1 || \
	{ tail -n 25 .venv/log; echo "make: this failed: $(1) (all of it is in .venv/log)"; exit 1; }

SYSTEM_INCLUDES = $(shell $(BIN)/python -c 'import nanobind, sysconfig; \
	print("-isystem", nanobind.include_dir(), "-isystem", sysconfig.get_paths()["include"])')

.PHONY: demo test test-all django-tests check format bench report docs clean

demo: .venv/demo ## Shows what Augury saves in front of a database of real flights.
	@$(BIN)/augury demo

test: .venv/test ## Types, style, and all but the slow tests.
	@echo "Checking style and types"
	@$(BIN)/ruff check --quiet
	@$(BIN)/mypy --no-error-summary
	@echo "Testing"
	@$(BIN)/pytest -q -m "not slow"

test-all: .venv/test ## All tests.
	@$(BIN)/pytest -q

django-tests: .venv/test ## The cases of Django's own backends, of its source from PyPI.
	@version=$$($(BIN)/python -c 'import django; print(django.__version__)'); \
	test -d .venv/django-$$version || { \
		$(BIN)/python -m pip --disable-pip-version-check download --quiet --no-binary :all: --no-deps \
			--dest .venv Django==$$version && tar -xzf .venv/[Dd]jango-$$version.tar.gz -C .venv; }; \
	DJANGO_SOURCE=$$PWD/.venv/django-$$version $(BIN)/pytest -q tests/unit/test_django.py

check: .venv/check ## Types, style, static analysis of both languages, known vulnerabilities.
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive src
	@$(BIN)/python tests/static/audit.py
	@$(BIN)/clang-format --dry-run --Werror $(CXX_FILES)
	@printf '%s\n' native/bind/*.cpp | xargs -P "$$(nproc)" -n 1 sh -c '$(BIN)/clang-tidy --quiet "$$0" \
		-- -std=c++20 -Inative $(SYSTEM_INCLUDES) 2> /dev/null'

format: .venv/check ## Rewrites the sources as the style wants them.
	@$(BIN)/ruff check --quiet --fix
	@$(BIN)/ruff format --quiet
	@$(BIN)/clang-format -i $(CXX_FILES)

bench: .venv/bench ## Compares with every peer.
	@$(BIN)/augury bench

docs: .venv/docs ## Writes the documentation as a site to build/site.
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "Read build/site/index.html"

# QUICK=1: rough figures. SECTION=name: only that. TRACES=folder: real traces, too.
report: .venv/test .venv/bench ## Measures everything beside its peers; writes docs/benchmarks.md.
	@$(BIN)/python -m benchmarks.report $(if $(QUICK),--quick) \
		$(if $(SECTION),--section $(SECTION)) $(if $(TRACES),--traces $(TRACES))

clean: ## Removes everything that make has made.
	rm -rf .venv build augury-demo .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/python:
	@command -v $(PYTHON) > /dev/null || \
		{ echo "make: $(PYTHON) is missing; install Python 3.11 or newer, or say make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "make: Python 3.11 or newer is needed; say which with make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || \
		{ echo "make: Python has no venv; install it with: apt install python3-venv"; exit 1; }
	@$(PYTHON) -c 'import os, sys, sysconfig as s; \
		sys.exit(not os.path.exists(s.get_paths()["include"] + "/Python.h"))' || \
		{ echo "make: Python.h is missing; install it with: apt install python3-dev"; exit 1; }
	@command -v $${CXX:-c++} > /dev/null || \
		{ echo "make: no C++ compiler; install one with: apt install g++"; exit 1; }
	@$(PYTHON) -m venv .venv
	@$(call quietly,Setting up .venv,$(PIP) --upgrade pip)
	@touch $@

.venv/build: .venv/python pyproject.toml
	@$(call quietly,Installing the build tools,$(PIP) --group build)
	@touch $@

.venv/native: .venv/build $(NATIVE)
	@$(call quietly,Building Augury,$(PIP) --no-build-isolation --no-deps --editable . \
		--config-settings=cmake.define.AUGURY_WARNINGS_ARE_ERRORS=ON)
	@touch $@

.venv/demo: .venv/native
	@$(call quietly,Installing what the demo needs,$(PIP) 'augury[demo]')
	@touch $@

.venv/test: .venv/native
	@$(call quietly,Installing what the tests need,$(PIP) 'augury[all]' --group test)
	@touch $@

.venv/check: .venv/test
	@$(call quietly,Installing the checkers,$(PIP) --group check)
	@touch $@

.venv/bench: .venv/native
	@$(call quietly,Installing the peers,$(PIP) 'augury[cli]' --group bench)
	@touch $@

.venv/docs: .venv/native
	@$(call quietly,Installing what makes the site,$(PIP) --group docs)
	@touch $@
