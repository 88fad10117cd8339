"""Leadership: one thread of a worker waits for the next request of any busy connection, and answers it."""

import threading
import time
from collections.abc import Callable

from .scheduler import TURN_SECONDS


class Leadership:
    """Decides which thread leads. `call` summons a thread of the pool. No leader is needed while `is_idle`.

    A called thread says `come`, and then `take` before each wait for a request and `turn_to_request` after it. Any
    thread may `fill` the vacant lead. A leader that is about to block says `give_up`. The main thread says
    `replace_stuck`.
    """

    def __init__(self, is_idle: Callable[[], bool], call: Callable[[], object]) -> None:
        self._is_idle = is_idle
        self._call = call
        self._lock = threading.RLock()
        self._leader: int | None = None
        self._busy_since: float | None = None
        self._is_called = False  # a thread was called and has not come yet

    def turn_to_request(self) -> None:
        """Record that the leader has a request."""
        self._busy_since = time.monotonic()

    def come(self) -> None:
        """Record that the called thread has come."""
        with self._lock:
            self._is_called = False

    def take(self) -> bool:
        """Take or keep the lead, unless another thread leads or none is needed. Return whether this thread leads."""
        with self._lock:
            if self._leader not in (threading.get_ident(), None):
                return False
            self._leader = None if self._is_idle() else threading.get_ident()
            self._busy_since = None
            return self._leader is not None

    def fill(self) -> None:
        """Call a thread to lead, if a leader is needed and none leads or was called."""
        with self._lock:
            if self._leader is None and not self._is_called and not self._is_idle():
                self._call()
                self._is_called = True

    def give_up(self) -> None:
        """Let another thread lead, if this one does and is about to block."""
        with self._lock:
            if self._leader == threading.get_ident():
                self._pass_on()

    def replace_stuck(self) -> None:
        """Let another thread lead, if the leader has been busy with one request for more than TURN_SECONDS."""
        with self._lock:
            if self._busy_since is not None and time.monotonic() - self._busy_since > TURN_SECONDS:
                self._pass_on()

    def _pass_on(self) -> None:
        self._leader = self._busy_since = None
        self.fill()
