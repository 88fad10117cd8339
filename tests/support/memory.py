"""What processes hold in memory."""

import re
from collections.abc import Iterable
from pathlib import Path


def family(pid: int) -> list[int]:
    """Return the process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [pid, *map(int, children.split())]


def resident_bytes(pids: Iterable[int]) -> int:
    """Return the resident memory of these processes together, shared pages counted once in proportion (PSS)."""
    return sum(_pss_bytes(pid) for pid in pids)


def _pss_bytes(pid: int) -> int:
    match = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(match[1]) * 1024 if match else 0
