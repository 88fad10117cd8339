"""Connections that are closed on this side, and wait for their clients without a thread.

A close with unread bytes would reset the connection, and a client that first sends everything would lose the answer
(RFC 9112 section 9.6). So the server half-closes the connection, and discards what comes until the client closes too.
"""

import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

# A client that sends nothing for SILENCE_SECONDS, or goes on for SECONDS or BYTES, is not waited for any longer.
SILENCE_SECONDS = 2.0
SECONDS = 5.0
BYTES = 64 * 1024 * 1024
_STEP_BYTES = 256 * 1024


def half_close(connection: socket.socket) -> bool:
    """Say that nothing follows. Return whether the client has closed its side too. Does not wait."""
    try:
        connection.settimeout(0)
        connection.shutdown(socket.SHUT_WR)
        return not connection.recv(_STEP_BYTES)
    except BlockingIOError:
        return False
    except OSError:  # it was reset, or closed
        return True


class Lingering:
    """The connections that wait, for the main thread of a worker. `forget` is called for each one that is closed."""

    def __init__(self, poller: selectors.BaseSelector, forget: Callable[[], object]) -> None:
        self._poller = poller
        self._forget = forget
        self._buffer = bytearray(_STEP_BYTES)
        self._waits: dict[socket.socket, _Wait] = {}  # longest wait first

    def add(self, connection: socket.socket) -> None:
        """Close `connection`, on which `half_close` was called, once its client does or its time is up."""
        wait = self._waits[connection] = _Wait()
        try:
            self._poller.register(connection, selectors.EVENT_READ, partial(self._discard, wait))
        except (OSError, ValueError):  # too many are watched, or the worker has ended
            self._close(connection)

    def close_late(self) -> None:
        """Close the connections whose time is up."""
        now = time.monotonic()
        for connection in [connection for connection, wait in self._waits.items() if wait.is_over(now)]:
            self._close(connection)

    def close_oldest(self) -> bool:
        """Close the connection that has waited for longest. Return whether there was one."""
        connection = next(iter(self._waits), None)
        if connection is not None:
            self._close(connection)
        return connection is not None

    def _discard(self, wait: "_Wait", connection: socket.socket) -> None:
        try:
            count = connection.recv_into(self._buffer)
        except OSError:
            count = 0
        if count == 0:
            self._close(connection)
        else:
            wait.received(count)

    def _close(self, connection: socket.socket) -> None:
        del self._waits[connection]
        with suppress(KeyError, ValueError):
            self._poller.unregister(connection)
        connection.close()
        self._forget()


class _Wait:
    def __init__(self) -> None:
        self._began = self._heard = time.monotonic()
        self._bytes = 0

    def received(self, count: int) -> None:
        self._bytes += count
        self._heard = time.monotonic()

    def is_over(self, now: float) -> bool:
        return now - self._heard >= SILENCE_SECONDS or now - self._began >= SECONDS or self._bytes >= BYTES
