"""`blocking()` marks code that may wait for a disk, a lock, a client or another server.

The mark does nothing by itself. A server that schedules its requests installs a scheduler here, which runs other
requests during the wait.
"""

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

# Others do not run during a wait for a lock that is shorter than this, because they would want the lock too.
PATIENCE_SECONDS = 0.002


class Scheduler(Protocol):
    """Decides which requests run."""

    def blocking(self) -> AbstractContextManager[None]:
        """Let other requests run while the body of `with` waits, and queue again after it."""

    def detach(self) -> object:
        """Let other requests run from now on. The calling thread runs beside them until its request ends."""


class _Unscheduled:
    """Lets every request run at any time."""

    def blocking(self) -> AbstractContextManager[None]:
        return nullcontext()

    def detach(self) -> None:
        pass


class _Installed:
    scheduler: Scheduler = _Unscheduled()


def install(scheduler: Scheduler | None) -> None:
    """Use `scheduler` in this process from now on, or none."""
    _Installed.scheduler = scheduler or _Unscheduled()


def blocking() -> AbstractContextManager[None]:
    """Mark the body of `with` as code that may wait."""
    return _Installed.scheduler.blocking()


def detach() -> None:
    """Mark the rest of the request as code that may wait.

    Call it before a wait under a lock. After `blocking()` the thread would queue while others want its lock.
    """
    _Installed.scheduler.detach()


def acquired(lock: threading.Lock, *, timeout: float = -1) -> bool:
    """Acquire a lock that many requests need, and return whether that succeeded.

    `detach` if it takes longer than PATIENCE_SECONDS, and then wait `timeout` more seconds; -1 = without limit.
    """
    if lock.acquire(timeout=PATIENCE_SECONDS):
        return True
    detach()
    return lock.acquire(timeout=timeout)
