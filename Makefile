# Two commands: `make demo` and `make test`. Both make their own .venv.
PYTHON ?= python3.11
export DO_NOT_TRACK = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1
BIN = .venv/bin

.PHONY: demo test lint types tests unit slow clean

demo: .venv/ready
	$(BIN)/homing demo demo

test: .venv/ready
	$(MAKE) -j2 lint types tests

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: .venv/ready
	$(BIN)/mypy

# all at once: what two runs would each import, collect and make is made once
tests: .venv/ready
	$(BIN)/pytest -n 2 --dist loadgroup

unit: .venv/ready
	$(BIN)/pytest -m "not slow" -n 2 --dist loadgroup

slow: .venv/ready
	$(BIN)/pytest -m slow -n 2 --dist loadgroup

# without compiling all modules beforehand, half of the installation's time: an import compiles what it needs
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --no-compile -c constraints.txt torch==2.13.0 -e ".[dev]"
	touch $@

clean:
	rm -rf .venv demo
