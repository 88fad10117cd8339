"""The command that rebuilds the index, timed."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..processes import run, wait_briefly
from .stores import MeasuredStore


@dataclass(frozen=True, slots=True)
class Rebuild:
    """What one run of the command took."""

    seconds: float
    peak_mib: float


def rebuild(store: MeasuredStore, meanwhile: Callable[[], None] = wait_briefly) -> Rebuild:
    """Run `storage rebuild`, and `meanwhile` over and over until it ends. Raises `RuntimeError` when it fails."""
    began, peak = time.perf_counter(), 0
    process = run([sys.executable, "-m", "flask", "--app", "wsgi", "storage", "rebuild"], store.environment)
    try:
        while process.poll() is None:
            peak = max(peak, _peak_kib(process.pid))
            meanwhile()
        seconds = time.perf_counter() - began
    finally:
        process.kill()  # does nothing when it has ended
        process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"The rebuild of {store.path} failed.")
    return Rebuild(seconds, peak / 1024)


def _peak_kib(pid: int) -> int:
    """Return the most memory that the process has had resident, 0 when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0)
