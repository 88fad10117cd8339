"""Who computes now: the requests of a process begin one after another, and not all at once.

The interpreter runs one thread at a time, and at every read, write and look-up lets another go on. Where many have
something to do, that is up to 90 changes of thread for each request, which cost more than the request itself. So a
request waits for its turn before it begins. The next one's comes when it has ended, or waits for something else than
the processor: because it says so, or because it has taken very long.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Most requests take a hundredth of it. What takes longer most likely waits, and is not waited for any more.
TURN_SECONDS = 0.025

# For so long a lock of the index is waited for within a turn: others would come to wait for the same lock.
PATIENCE_SECONDS = 0.002


class Turns:
    """The queue of the threads that want to compute, first come, first served. A turn is the thread's that began it."""

    def __init__(self, seconds: float = TURN_SECONDS) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._waiting: deque[_Turn] = deque()
        self._now: _Turn | None = None
        self._own = threading.local()
        self._tell_given_up: Callable[[], object] = lambda: None

    def when_given_up(self, tell: Callable[[], object]) -> None:
        """Have `tell` called by each thread that gives its turn up before the end."""
        self._tell_given_up = tell

    def begin(self) -> None:
        """Wait for a turn of this thread, which lasts until it calls `end` or `leave`."""
        turn = self._own.turn = _Turn()
        with self._lock:
            self._waiting.append(turn)
            if self._now is None:
                self._pass_on()
        while not turn.came.acquire(timeout=self._seconds):
            with self._lock:
                if self._now is not None and time.monotonic() - self._now.since > self._seconds:
                    self._pass_on()

    def end(self) -> None:
        """Give the turn to the next one, if it was not given up before."""
        turn = getattr(self._own, "turn", None)
        if turn is not None:
            self._own.turn = None
            with self._lock:
                if turn is self._now:
                    self._pass_on()

    def leave(self) -> bool:
        """Give the turn up, and go on beside the next one; tell whether there was one."""
        if getattr(self._own, "turn", None) is None:
            return False
        self.end()
        self._tell_given_up()
        return True

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let others go on while the body waits for a disk or a client, and wait for another turn then."""
        had_turn = self.leave()
        try:
            yield
        finally:
            if had_turn:
                self.begin()

    def _pass_on(self) -> None:
        self._now = self._waiting.popleft() if self._waiting else None
        if self._now is not None:
            self._now.since = time.monotonic()
            self._now.came.release()


class _Turn:
    def __init__(self) -> None:
        self.since = 0.0  # on the monotonic clock
        self.came = threading.Lock()
        self.came.acquire()  # until it has come


# The interpreter's lock is the process's, and so are the turns. Only gunicorn's workers let requests wait for them.
turns = Turns()


def acquired(lock: threading.Lock, *, timeout: float = -1) -> bool:
    """Acquire a lock that many requests need, and let others compute when it takes long; False after `timeout`."""
    if lock.acquire(timeout=PATIENCE_SECONDS):
        return True
    turns.leave()
    return lock.acquire(timeout=timeout)
