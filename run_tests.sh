#!/usr/bin/env bash
# Runs the tests, and on demand every other check, with nothing but Python 3.11 or newer on the machine.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"

usage() {
  cat <<'USAGE'
Usage: ./run_tests.sh [--check] [--no-skips] [--ci | --long] [options and paths for pytest]

Runs the tests and prints the coverage.

  --check      first the format, the linter and the types: everything that CI checks
  --no-skips   a skipped test is a failure
  --ci         the long proofs (kills, faults, the model of the protocol, gigabytes) in the form that CI runs
  --long       the long proofs in full, which takes hours; give their paths: CONTRIBUTING.md

One process a core runs them; -n 0 runs all in one, for a debugger.

  ./run_tests.sh tests/test_settings.py -k secret
USAGE
}

check=false
arguments=()
for argument in "$@"; do
  case "$argument" in
    -h | --help) usage; exit ;;
    --check) check=true ;;
    --no-skips) arguments+=(--fail-on-skip) ;;
    *) arguments+=("$argument") ;;
  esac
done

source scripts/lib.sh
python=$(find_python)
supervise "$python" scripts/bootstrap.py requirements-dev.txt

if "$check"; then
  supervise .venv/bin/ruff format --check .
  supervise .venv/bin/ruff check .
  supervise .venv/bin/mypy
fi

# A data file of its own: two runs at a time would overwrite each other's. tests/plugins/orderly_end.py removes it.
export COVERAGE_FILE="$PWD/.coverage-run-$$"
# The tests of one file share what was started for them, so files are what is spread over the cores, in the order of
# tests/conftest.py.
exec .venv/bin/python -m pytest -p tests.plugins.no_skips -p tests.plugins.orderly_end \
  -n auto --dist loadfile --no-loadscope-reorder --cov --cov-report=term-missing:skip-covered ${arguments[@]+"${arguments[@]}"}
