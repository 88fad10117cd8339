"""The counts of all workers together, in files that the workers share.

prometheus-client keeps the numbers of a process in files that are mapped into its memory, so that they survive it. A
file belongs to a number instead of a process: a worker that replaces another one goes on with its files. So there are
never more files than workers, and no counter goes back.
"""

import os
from pathlib import Path

from prometheus_client import multiprocess, values

# A command counts for itself, whatever its environment says.
values.ValueClass = values.MutexValue

# The room for each file of a worker, by what its name begins with. Histograms take 3 KB for each route, method and
# class of status that was seen.
_ROOM = {"counter": 64 * 1024, "gauge_livesum": 64 * 1024, "histogram": 512 * 1024}


def prepare(number: int, directory: Path) -> None:
    """Make the files with this `number` that are missing. Raises OSError if there is no room.

    A process that writes to a mapped file without room would not get an error, but a signal that ends it (SIGBUS).
    """
    for kind, size in _ROOM.items():
        path = directory / f"{kind}_{number}.db"
        if not path.exists():
            made = path.with_suffix(".new")
            with open(made, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)
            made.rename(path)  # whoever reads the files now sees none without its head


def share(number: int) -> None:
    """Keep what this process counts in the files with this `number`. Call it before `Metrics` is created.

    No other living process may have the number. The files are in the directory PROMETHEUS_MULTIPROC_DIR.
    """
    values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]


def counts_in_files() -> bool:
    """Return whether this process shares what it counts."""
    return bool(values.ValueClass._multiprocess)  # noqa: SLF001


def forget(number: int, directory: Path) -> None:
    """Forget the state of the worker with this `number`, which has ended. Its counts stay."""
    multiprocess.mark_process_dead(number, str(directory))  # type: ignore[no-untyped-call]
