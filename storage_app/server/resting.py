"""Busy connections between two requests, and those that are sending the head of one."""

import select
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from . import heads


class Resting:
    """Connections without a request. Only the leader may call `next`, `look`, `remove` and `remove_late`."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._lock = threading.Lock()  # what is in `_since` or `_heads` is in `_epoll` too
        self._since: dict[int, tuple[Any, float]] = {}  # by descriptor, longest rest first
        self._heads: dict[int, tuple[Any, float]] = {}  # by descriptor, since when a head is incomplete
        self._ready: deque[tuple[Any, float | None]] = deque()

    def add(self, conn: Any) -> None:
        """Wait for the next request of `conn` from now on."""
        # A pipelined request is here already. It is due as soon as the client takes answers.
        event = select.EPOLLOUT if heads.is_due(conn) else select.EPOLLIN
        self._add(self._since, conn, time.monotonic(), event)

    def _add(self, to: dict[int, tuple[Any, float]], conn: Any, since: float, event: int) -> None:
        with self._lock:
            descriptor = conn.sock.fileno()
            to[descriptor] = conn, since  # before an event can fire
            try:
                self._watch(descriptor, event | select.EPOLLONESHOT)
            except BaseException:
                to.pop(descriptor, None)  # a signal may raise when the leader has it already
                raise

    def _watch(self, descriptor: int, events: int) -> None:
        try:
            self._epoll.modify(descriptor, events)
        except FileNotFoundError:
            self._epoll.register(descriptor, events)

    def next(self, timeout: float) -> Any:
        """Return the next connection that sent a whole head or disconnected, or None after `timeout` seconds or less.

        An incomplete head is read, and waits for the rest.
        """
        self.look(timeout)
        while self._ready:
            conn, head_since = self._ready.popleft()
            if heads.receive(conn):
                return conn
            if heads.has_begun(conn):
                self._add(self._heads, conn, head_since or time.monotonic(), select.EPOLLIN)
            else:
                self.add(conn)
        return None

    def has_next(self) -> bool:
        """Return whether `look` found a connection that `next` did not take yet. Any thread may call it."""
        return bool(self._ready)

    def look(self, timeout: float) -> None:
        """Wait for `timeout` seconds or less until a connection sends something, or disconnects."""
        if not self._ready:
            for descriptor, _ in self._epoll.poll(timeout):
                self._take(descriptor)

    def _take(self, descriptor: int) -> None:
        if descriptor in self._since:  # otherwise it was removed
            self._ready.append((self._since.pop(descriptor)[0], None))
        elif descriptor in self._heads:
            self._ready.append(self._heads.pop(descriptor))

    def remove(self, until: float) -> Iterator[Any]:
        """Remove and yield the connections that have rested since `until` on the monotonic clock, or longer."""
        while (conn := self._remove_one(until)) is not None:
            yield conn

    def _remove_one(self, until: float) -> Any:
        with self._lock:
            for descriptor, (conn, since) in self._since.items():
                if since > until:
                    return None
                if not heads.has_begun(conn):
                    self._forget(self._since, descriptor)
                    return conn
        return None

    def remove_late(self, *, heads_until: float, readers_until: float) -> list[Any]:
        """Remove and return the connections that keep the next request waiting since then, or longer.

        They have sent some of a head, or requests in advance whose answers they do not take.
        """
        with self._lock:
            unfinished = [(self._heads, fd, conn) for fd, (conn, since) in self._heads.items() if since <= heads_until]
            readers = [(fd, conn) for fd, (conn, since) in self._since.items() if since <= readers_until]
            late = unfinished + [(self._since, fd, conn) for fd, conn in readers if heads.has_begun(conn)]
            for rests, descriptor, _ in late:
                self._forget(rests, descriptor)
        return [conn for *_, conn in late]

    def _forget(self, rests: dict[int, tuple[Any, float]], descriptor: int) -> None:
        del rests[descriptor]
        self._epoll.unregister(descriptor)  # or an event for the main thread would fire after the next `add`

    def is_empty(self) -> bool:
        """Return whether no connection rests or is ready."""
        return not self._since and not self._heads and not self._ready
