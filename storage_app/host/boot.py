"""The boot of this machine: what was not synced before another one may be lost."""

import time
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Return an id that is another after each boot of the machine."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:  # not Linux: whatever was not synced counts as lost
        return f"unknown-{time.time_ns()}"
