"""What processes take: time of processors, and memory."""

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from .processes import Server

MIB = 1024 * 1024

_TICKS = os.sysconf("SC_CLK_TCK")
_UTIME, _CSTIME = 11, 14  # places behind the name in /proc/<pid>/stat; between them stime and cutime


def cpu_seconds(servers: Iterable[Server]) -> float:
    """Return the processor time that the servers' processes have taken, with that of children that have ended."""
    return sum(_ticks(pid) for server in servers for pid in server.pids()) / _TICKS


def memory_mib(servers: Iterable[Server]) -> float:
    """Return the memory that the servers' processes hold, shared pages counted in proportion (PSS)."""
    return sum(_pss_kib(pid) for server in servers for pid in server.pids()) / 1024


def _ticks(pid: int) -> int:
    with suppress(OSError):  # it has ended meanwhile
        # The name stands in parentheses and may hold anything, parentheses and blanks included.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(field) for field in fields[_UTIME : _CSTIME + 1])
    return 0


def _pss_kib(pid: int) -> int:
    with suppress(OSError):
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        return int(found[1]) if found else 0
    return 0
