"""Runs the requests of a process one after another instead of all at once.

The interpreter runs one thread at a time, and switches at every read, write and query. When many requests are in
progress, that is up to 90 switches for each, which cost more than the request itself. So a request queues before it
begins. The next one begins when the one before has ended, blocks, or takes so long that it probably blocks.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType

from ..host.measures import Duration, observe_wait

# Most requests finish in 1 % of this. One that overruns is probably blocked, so the next stops waiting for it.
TURN_SECONDS = 0.025


class Scheduler:
    """A first-come, first-served queue of threads, of which one has the turn."""

    def __init__(self, seconds: float = TURN_SECONDS) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._queue: deque[_Turn] = deque()
        self._current: _Turn | None = None
        self._own = threading.local()
        self._on_detach: Callable[[], object] = lambda: None

    def on_detach(self, callback: Callable[[], object]) -> None:
        """Call `callback` in each thread that detaches."""
        self._on_detach = callback

    def begin(self) -> None:
        """Wait for the turn. The calling thread keeps it until it calls `end` or `detach`."""
        turn = self._own.turn = _Turn()
        with self._lock:
            self._queue.append(turn)
            if self._current is None:
                self._pass_on()
        if not turn.came.acquire(blocking=False):
            self._wait_for(turn)

    def _wait_for(self, turn: "_Turn") -> None:
        began = time.perf_counter()
        while not turn.came.acquire(timeout=self._seconds):
            with self._lock:
                if self._current is not None and time.monotonic() - self._current.since > self._seconds:
                    self._pass_on()
        observe_wait(Duration.TURN_WAIT, began)

    def end(self) -> None:
        """Pass the turn on, unless the thread has detached."""
        turn = getattr(self._own, "turn", None)
        if turn is not None:
            self._own.turn = None
            with self._lock:
                if turn is self._current:
                    self._pass_on()

    def detach(self) -> bool:
        """Pass the turn on and let the calling thread go on without one. Returns whether it had one."""
        if getattr(self._own, "turn", None) is None:
            return False
        self.end()
        self._on_detach()
        return True

    def blocking(self) -> "Blocking":
        """Return a context that lets others run while its body waits, and then queues again."""
        return Blocking(self)

    def _pass_on(self) -> None:
        self._current = self._queue.popleft() if self._queue else None
        if self._current is not None:
            self._current.since = time.monotonic()
            self._current.came.release()


class Blocking:
    """The context of `Scheduler.blocking`. A failed request may abandon it: it needs no cleanup."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._had_turn = False

    def __enter__(self) -> None:
        self._had_turn = self._scheduler.detach()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._had_turn:
            self._scheduler.begin()


class _Turn:
    def __init__(self) -> None:
        self.since = 0.0  # on the monotonic clock
        self.came = threading.Lock()
        self.came.acquire()  # released when the turn comes
