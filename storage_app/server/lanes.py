"""The lanes of a worker: requests whose work is long wait there without a thread, and others overtake them.

The leader answers one request after another. Without lanes, 300 pages of lists that come together would keep a health
check waiting for all of them.
"""

import socket
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from typing import Any

from ..api.lanes import Lane
from ..host.measures import Duration, observe_wait
from .scheduler import TURN_SECONDS


class Lanes:
    """Waiting requests by lane, first come, first served. Only the leader calls `may_begin`, `put_aside` and `next`.

    No more than `most` wait. `close` is called for the connection of each request that is given up.
    """

    def __init__(self, most: int, close: Callable[[Any], object]) -> None:
        self._most = most
        self._close = close
        self._lock = threading.Lock()
        self._queues: OrderedDict[Lane, _Queue] = OrderedDict()  # the lane that was served last is last
        self._running: Counter[Lane] = Counter()
        self._called: set[Any] = set()  # connections that `next` returned
        self._rest_until = 0.0  # on the monotonic clock
        self._own = _Own()

    def may_begin(self, lane: Lane, conn: Any, *, others_wait: bool) -> bool:
        """Return whether a request begins now, in this thread, which then calls `leave` at its end."""
        with self._lock:
            is_called = conn in self._called
            self._called.discard(conn)
            is_first = is_called or not self._queues.get(lane)
            if not is_first or (not is_called and self._rests(others_wait)) or self._running[lane] >= lane.at_once:
                return False
            self._running[lane] += 1
        self._own.lane, self._own.began = lane, time.monotonic()
        return True

    def leave(self) -> None:
        """Let the next one of the lane begin: this thread's request has ended, or waits for its client in a place."""
        lane, self._own.lane = self._own.lane, None
        if lane is not None:
            now = time.monotonic()
            with self._lock:
                self._running[lane] -= 1
                # Others have the leader for as long as this one had it.
                self._rest_until = now + min(now - self._own.began, TURN_SECONDS)

    def put_aside(self, lane: Lane, conn: Any) -> bool:
        """Let a request that was parsed wait. Return False if too many do."""
        with self._lock:
            if self._count() >= self._most and not any(queue.close_one_that_left() for queue in self._queues.values()):
                return False
            conn.parser = _Parsed(conn)
            self._queues.setdefault(lane, _Queue(self._close)).add(conn)
        return True

    def next(self, *, others_wait: bool) -> Any:
        """Return a connection whose request may begin, or None."""
        with self._lock:
            if not self._rests(others_wait):
                for lane, queue in self._queues.items():
                    conn = queue.next() if self._running[lane] < lane.at_once else None
                    if conn is not None:
                        self._queues.move_to_end(lane)
                        self._called.add(conn)
                        return conn
        return None

    def is_empty(self) -> bool:
        """Return whether no request waits."""
        with self._lock:
            return not any(self._queues.values())

    def remove_all(self) -> list[Any]:
        """Remove and return the connections of all requests that wait."""
        with self._lock:
            return [conn for queue in self._queues.values() for conn in queue.remove_all()]

    def _rests(self, others_wait: bool) -> bool:
        return others_wait and time.monotonic() < self._rest_until

    def _count(self) -> int:
        return sum(len(queue) for queue in self._queues.values())


class _Own(threading.local):
    """The state of one thread's request."""

    lane: Lane | None = None
    began = 0.0


class _Queue:
    """Connections whose requests wait.

    A client that has closed its side may have left, or only have nothing more to send. It comes after all others.
    """

    def __init__(self, close: Callable[[Any], object]) -> None:
        self._close = close
        self._waiting: deque[Any] = deque()
        self._left: deque[Any] = deque()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._left)

    def add(self, conn: Any) -> None:
        self._waiting.append(conn)

    def next(self) -> Any:
        while self._waiting:
            conn = self._waiting.popleft()
            try:
                if conn.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                    return conn
                self._left.append(conn)
            except BlockingIOError:
                return conn
            except OSError:  # the client has disconnected
                self._close(conn)
        return self._left.popleft() if self._left else None

    def close_one_that_left(self) -> bool:
        """Give up the request that came first of those whose clients closed their side. Return whether there is one."""
        if self._left:
            self._close(self._left.popleft())
            return True
        return False

    def remove_all(self) -> list[Any]:
        removed = [*self._waiting, *self._left]
        self._waiting.clear()
        self._left.clear()
        return removed


class _Parsed:
    """Stands in for the parser of a connection, and returns the request that it parsed last once more."""

    def __init__(self, conn: Any) -> None:
        self._conn = conn
        self._parser = conn.parser
        self._waits_since = time.perf_counter()
        self.unreader = conn.parser.unreader

    def __next__(self) -> Any:
        observe_wait(Duration.TURN_WAIT, self._waits_since)
        self._conn.parser = self._parser
        return self._parser.mesg
