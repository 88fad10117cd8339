"""Programs of npm, installed once for each state of package-lock.json."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checkout import ROOT

CLIENTS = ROOT / "tests" / "clients"
# Outside of the tests' tree, which other tests walk while npm changes its folder.
TOOLS = Path(sys.prefix) / "npm"
PACKAGE = ("package.json", "package-lock.json")
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


def installed() -> Path:
    """Return where the programs are. Skips the test without npm."""
    if shutil.which("npm") is None:
        pytest.skip("needs npm: apt-get install nodejs npm")
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # of several processes that test, one installs
        if not _is_installed():
            for name in PACKAGE:
                shutil.copyfile(CLIENTS / name, TOOLS / name)
            run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], TOOLS)
    return TOOLS / "node_modules" / ".bin"


def _is_installed() -> bool:
    names = [name for name in PACKAGE if (TOOLS / name).exists()]
    same = all((TOOLS / name).read_bytes() == (CLIENTS / name).read_bytes() for name in names)
    return same and (TOOLS / "node_modules" / ".package-lock.json").exists()


def run(command: list[str | Path], directory: Path, **environment: str) -> str:
    """Run to the end; a failure shows what the command printed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # openapi-python-client calls ruff
    done = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, "PATH": path, **QUIET, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
