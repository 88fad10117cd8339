"""What a run was made on."""

import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

from storage_app.version import __version__

from .programs import program


def described(folder: Path) -> dict[str, str]:
    """Return what a reader must know to make sense of the figures, by what it is."""
    return {
        "service": f"{__version__}, Python {platform.python_version()}, 2 workers with 32 threads",
        "peers": "; ".join([_version("nginx", "-v"), _version("rclone", "version"), _version("wrk", "-v")]),
        "machine": f"{os.cpu_count()} x {_cpu()}, {_memory_gib():.0f} GiB of memory, Linux {platform.release()}",
        "disk": _file_system(folder),
        "load before": ", ".join(f"{load:.1f}" for load in os.getloadavg()) + " (1, 5 and 15 minutes)",
    }


def _version(name: str, option: str) -> str:
    said = subprocess.run([program(name), option], capture_output=True, text=True, check=False)
    return (said.stderr + said.stdout).strip().splitlines()[0].removeprefix("nginx version: ").partition(" [")[0]


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3


def _file_system(folder: Path) -> str:
    """Return the type of the file system that a folder is on."""
    device = f"{os.major(folder.stat().st_dev)}:{os.minor(folder.stat().st_dev)}"
    return next((kind for where, kind in _mounts() if where == device), "unknown file system")


def _mounts() -> Iterator[tuple[str, str]]:
    """Name the device and the type of each mounted file system: proc_pid_mountinfo(5)."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        yield before.split()[2], after.split()[0]
