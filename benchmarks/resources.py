"""What processes take: time of processors, and memory."""

import mmap
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from .processes import Server

MIB = 1024 * 1024

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")

_TICKS = os.sysconf("SC_CLK_TCK")
_UTIME, _CSTIME = 11, 14  # places behind the name in /proc/<pid>/stat; between them stime and cutime


def cpu_seconds(servers: Iterable[Server]) -> float:
    """Return the processor time that the servers' processes have taken, with that of children that have ended."""
    return sum(_ticks(pid) for server in servers for pid in server.pids()) / _TICKS


def memory_mib(servers: Iterable[Server]) -> float:
    """Return the memory that the servers' processes hold, shared pages counted in proportion (PSS)."""
    return sum(_pss_kib(pid) for server in servers for pid in server.pids()) / 1024


def touch_free_memory(mebibytes: int) -> None:
    """Use so much of the free memory once, so that a virtual machine has it from its host.

    At most half of it, and in a container with a limit nothing.

    Where hosts take back what is not used, and give it page by page, that costs more than all that is measured.
    """
    if _CGROUP_LIMIT.exists() and _CGROUP_LIMIT.read_text().strip() != "max":
        return
    free = _PAGE_BYTES * os.sysconf("SC_AVPHYS_PAGES")
    with mmap.mmap(-1, min(free // 2, mebibytes * MIB)) as memory:
        with suppress(OSError):  # a kernel without huge pages
            memory.madvise(mmap.MADV_HUGEPAGE)
        for place in range(0, len(memory), _PAGE_BYTES):
            memory[place] = 1


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
