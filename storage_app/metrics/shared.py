"""The counts of all workers together, in files that the workers share.

prometheus-client keeps the numbers of a process in files that are mapped into its memory, so that they survive it. A
file belongs to a number instead of a process: a worker that replaces another one goes on with its files. So there are
never more files than workers, and no counter goes back.
"""

from pathlib import Path

from prometheus_client import multiprocess, values

# A command counts for itself, whatever its environment says.
values.ValueClass = values.MutexValue


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
