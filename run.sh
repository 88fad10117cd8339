#!/usr/bin/env bash
# Starts the service with nothing but Python 3.11 or newer on the machine.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"

usage() {
  cat <<'USAGE'
Usage: ./run.sh

Starts the storage service on http://localhost:8001; Ctrl-C ends it. The first time, it makes the virtual environment
.venv, installs the locked requirements and writes .env with random keys. Any setting of .env can be overridden from
the environment:

  PORT=9000 ./run.sh

.env.example explains every setting. PYTHON=python3.12 chooses the Python that .venv is made with.
USAGE
}

case "${1-}" in
  "") ;;
  -h | --help) usage; exit ;;
  *)
    echo "./run.sh takes no argument '$1': settings come from .env or the environment, as in PORT=9000 ./run.sh" >&2
    echo >&2
    usage >&2
    exit 2
    ;;
esac

source scripts/lib.sh
python=$(find_python)
supervise "$python" scripts/bootstrap.py --write-env requirements.txt
exec .venv/bin/selfdb-storage serve
