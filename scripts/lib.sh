# Functions of run.sh and run_tests.sh, which source this file in the project's root.

# Prints the path of a Python that is new enough. If there is none, says what to install and fails.
find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      command -v "$candidate"
      return
    fi
  done
  echo "Python 3.11 or newer is needed and was not found: install it (Debian and Ubuntu: apt-get install python3 python3-venv)." >&2
  return 1
}

# Runs a command, and ends it on a signal to this script. bash alone would wait for it, or leave it behind.
supervise() {
  local child status=0
  "$@" &
  child=$!
  trap 'kill -TERM "$child" 2>/dev/null; wait "$child" || true; exit 130' INT
  trap 'kill -TERM "$child" 2>/dev/null; wait "$child" || true; exit 143' TERM HUP
  wait "$child" || status=$?
  trap - INT TERM HUP
  return "$status"
}
