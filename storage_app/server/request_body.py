"""Request bodies, read straight from the socket. Other requests run during the wait for one."""

import fcntl
import struct
import termios
from collections.abc import Callable
from typing import Any

from gunicorn.http.errors import ParseException

from ..host.blocking import blocking

_STEP_BYTES = 128 * 1024
# A refused body that is here is read if it is no longer than this, and its connection kept.
_LEFT_BYTES = 64 * 1024


class _Wait:
    """Lets other requests run from the first wait for a body until the body is complete."""

    def __init__(self) -> None:
        self._blocking: Any = None
        self._is_over = False

    def begin(self) -> None:
        if self._blocking is None and not self._is_over:
            self._blocking = blocking()
            self._blocking.__enter__()

    def end(self) -> None:
        if self._blocking is not None:
            self._blocking, ended = None, self._blocking
            ended.__exit__(None, None, None)

    def abandon(self) -> None:
        """Forget the wait: the request is over, and its thread must not queue for it any more."""
        self._blocking, self._is_over = None, True


class SocketBody:
    """A body of `length` bytes that replaces gunicorn's own `Body`. Of a file's methods it has only `read`.

    gunicorn reads up to a megabyte ahead, and copies a large body four times before the application gets it. gunicorn's
    `unreader` holds the socket, and the bytes that came with the request's head.
    """

    def __init__(self, unreader: Any, length: int) -> None:
        self._unreader = unreader
        self._left = length
        self._wait = _Wait()
        self.failed = False  # if True, gunicorn closes the connection: the next request could begin anywhere
        self.end_connection: Callable[[], object] = lambda: None  # call it to end the connection after the answer
        self.invite: Callable[[], object] | None = None  # call it once, before the first wait for the body

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes as soon as some have arrived, or none at the end or if the client disconnected.

        Without a size, return the rest of the body. Raises OSError.
        """
        if size < 0:
            return b"".join(iter(lambda: self.read(self._left), b""))
        if self._left == 0 or size == 0:
            return b""
        if not self.is_here():
            self._wait.begin()
            _invite(self)
        data = self._received(min(size, self._left))
        self._left -= len(data)
        if not data or self._left == 0:
            self._wait.end()
        return data

    def _received(self, wanted: int) -> bytes:
        ahead = len(self._unreader.buf.getbuffer())
        try:
            data: bytes = self._unreader.read(min(wanted, ahead)) if ahead else self._unreader.sock.recv(wanted)
        except OSError:
            self.failed = True
            raise
        return data

    def refuse(self) -> None:
        """End the connection after the answer, unless the rest of the body is here and short."""
        if self._left > _LEFT_BYTES or not self.is_here():
            self.failed = True
            self.end_connection()

    def end_request(self) -> None:
        """Let gunicorn read what the application left, which it does after the request, without waiting for a turn."""
        self._wait.abandon()

    def is_here(self) -> bool:
        """Return whether the rest of the body has arrived, so that reading it does not block."""
        missing = self._left - len(self._unreader.buf.getbuffer())
        return missing <= 0 or missing <= _waiting(self._unreader.sock.fileno())


class GunicornBody:
    """gunicorn's own `Body`, with OSError as the only error that `read` raises."""

    def __init__(self, body: Any) -> None:
        self._body = body
        self._wait = _Wait()
        self._is_complete = False
        self.invite: Callable[[], object] | None = None  # call it once, before the first read

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, none only at the end; without a size, the rest.

        gunicorn waits until it has all that it is asked for, and holds it, so it is asked for little. Raises OSError,
        for broken chunks too.
        """
        self._wait.begin()
        _invite(self)
        try:
            data: bytes = self._body.read(None if size < 0 else min(size, _STEP_BYTES))
        except ParseException as error:
            raise OSError("the chunks of the body are broken") from error
        if not data or size < 0:
            self._is_complete = True
            self._wait.end()
        return data

    def refuse(self) -> None:
        """End the connection after the answer, unless all of the body was read. It cannot be told what is here."""
        if not self._is_complete:
            self._body.failed = True
            self._body.end_connection()


def _invite(body: SocketBody | GunicornBody) -> None:
    invite, body.invite = body.invite, None
    if invite is not None:
        invite()


def _waiting(descriptor: int) -> int:
    """Return how many bytes can be read from a socket without blocking (tcp(7), FIONREAD)."""
    return int(struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, b"\0\0\0\0"))[0])
