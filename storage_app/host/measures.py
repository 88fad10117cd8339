"""`observe` and `count` tell what happens in this process. They do nothing unless a recorder is installed.

The metrics install one, so that code below them need not know them. To measure something else, add a member to
`Duration` or `Event` here, and its metric to `metrics/counters.py`.
"""

import time
from enum import Enum, auto
from typing import Protocol

# A shorter wait counts as none. To find out about it would cost more than the wait.
SHORTEST_WAIT_SECONDS = 0.0001


class Duration(Enum):
    """What takes time."""

    TRANSACTION = auto()  # a write transaction of the index, with its locks and COMMIT
    SYNC = auto()  # the sync of one or several files or directories
    LOCK_WAIT = auto()  # a wait for a lock of the index
    TURN_WAIT = auto()  # a wait for the worker's other requests


class Event(Enum):
    """What happens now and then."""

    WORKER_START = auto()
    WEBHOOK = auto()  # an attempt to deliver an event; its outcome is `delivered`, `failed` or `given_up`
    LOST_WEBHOOK = auto()  # an event that the outbox has no room for
    EARLY_REFUSAL = auto()  # of a request that the application never saw; its outcome is the status


class Recorder(Protocol):
    """Keeps the durations and events of a process. Threads may share it."""

    def observe(self, what: Duration, seconds: float) -> None:
        """Record that `what` took so long."""

    def count(self, what: Event, outcome: str) -> None:
        """Record that `what` happened. `outcome` is one of few words, empty for an event that has none."""


class _Forgetful:
    """Keeps nothing."""

    def observe(self, what: Duration, seconds: float) -> None:
        pass

    def count(self, what: Event, outcome: str) -> None:
        pass


class _Installed:
    recorder: Recorder = _Forgetful()


def install(recorder: Recorder | None) -> None:
    """Let `recorder` keep what happens in this process from now on, or nobody."""
    _Installed.recorder = recorder or _Forgetful()


def observe(what: Duration, since: float) -> None:
    """Record that `what` began at `since`, by `time.perf_counter`, and has ended now."""
    _Installed.recorder.observe(what, time.perf_counter() - since)


def observe_wait(what: Duration, since: float) -> None:
    """Record a wait as `observe` does, unless it was shorter than SHORTEST_WAIT_SECONDS."""
    seconds = time.perf_counter() - since
    if seconds >= SHORTEST_WAIT_SECONDS:
        _Installed.recorder.observe(what, seconds)


def count(what: Event, outcome: str = "") -> None:
    """Record that `what` happened."""
    _Installed.recorder.count(what, outcome)
