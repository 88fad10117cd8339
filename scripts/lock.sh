#!/usr/bin/env bash
# Locks requirements.in, requirements-build.in and requirements-dev.in with hashes, for every supported Python:
# scripts/lock.sh [--upgrade]
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

# Extras stay in: older versions of pip take "coverage" for no pin of "coverage[toml]".
for name in requirements requirements-build requirements-dev; do
  .venv/bin/uv pip compile --quiet --no-config --no-header --universal --python-version 3.11 --generate-hashes \
    --no-strip-extras "$@" "$name.in" -o "$name.txt"
done
