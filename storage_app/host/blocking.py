"""Marks where a thread may wait for something other than the processor: a disk, a lock, a client, a server.

Nothing happens there by itself. A server that schedules its requests installs its scheduler here, and runs other
requests while one waits.
"""

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

# A lock that requests hold for less than this is waited for without letting others run: they would want it too.
PATIENCE_SECONDS = 0.002


class Scheduler(Protocol):
    """Decides which threads run."""

    def blocking(self) -> AbstractContextManager[None]:
        """Let others run while the body waits, and queue again afterwards."""

    def detach(self) -> object:
        """Let others run from now on; the calling thread goes on beside them until its request ends."""


class _Unscheduled:
    """Every thread runs whenever it can."""

    def blocking(self) -> AbstractContextManager[None]:
        return nullcontext()

    def detach(self) -> None:
        pass


class _Installed:
    scheduler: Scheduler = _Unscheduled()


def install(scheduler: Scheduler | None) -> None:
    """Have `scheduler` decide for this process from now on; None: nobody."""
    _Installed.scheduler = scheduler or _Unscheduled()


def blocking() -> AbstractContextManager[None]:
    """Mark the body of `with` as a wait."""
    return _Installed.scheduler.blocking()


def detach() -> None:
    """Mark the rest of the request as a wait: a thread that holds a lock must not queue while others want it."""
    _Installed.scheduler.detach()


def acquired(lock: threading.Lock, *, timeout: float = -1) -> bool:
    """Acquire a lock that many requests need, and `detach` if that takes long. Return False after `timeout` seconds."""
    if lock.acquire(timeout=PATIENCE_SECONDS):
        return True
    detach()
    return lock.acquire(timeout=timeout)
