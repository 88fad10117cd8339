"""Request bodies read straight from the connection, and what their reading waits for."""

import fcntl
import struct
import termios
from typing import Any

from gunicorn.http.errors import ParseException

from ..host.blocking import blocking


class _Wait:
    """Lets other requests run from the first time that a body is waited for until all of it has come."""

    def __init__(self) -> None:
        self._blocking: Any = None

    def begin(self) -> None:
        if self._blocking is None:
            self._blocking = blocking()
            self._blocking.__enter__()

    def end(self) -> None:
        if self._blocking is not None:
            self._blocking, ended = None, self._blocking
            ended.__exit__(None, None, None)


class SocketBody:
    """A body of `length` bytes, in place of gunicorn's own `Body`; it has `read` alone of a file's methods.

    gunicorn reads up to a megabyte ahead, and copies a large body four times before the application has it. `unreader`
    is gunicorn's: the connection, and the bytes that came with the request's head.
    """

    def __init__(self, unreader: Any, length: int) -> None:
        self._unreader = unreader
        self._left = length
        self._wait = _Wait()
        self.failed = False  # gunicorn closes a connection when it cannot know where the next request begins

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes as soon as there are some; none at the end, or when the client has gone.

        Without a size, return all that are left. Raises OSError.
        """
        if size < 0:
            return b"".join(iter(lambda: self.read(self._left), b""))
        if self._left == 0 or size == 0:
            return b""
        if not self.is_here():
            self._wait.begin()
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

    def is_here(self) -> bool:
        """Whether the rest of the body has come, so that reading it waits for nobody."""
        missing = self._left - len(self._unreader.buf.getbuffer())
        return missing <= 0 or missing <= _waiting(self._unreader.sock.fileno())


class GunicornBody:
    """gunicorn's own `Body`, where OSError is the only error that `read` raises."""

    def __init__(self, body: Any) -> None:
        self._body = body
        self._wait = _Wait()

    def read(self, size: int = -1) -> bytes:
        """Return `size` bytes, fewer at the end, all without a size. Raises OSError, for broken chunks too."""
        self._wait.begin()
        try:
            data: bytes = self._body.read(None if size < 0 else size)
        except ParseException as error:
            raise OSError("the chunks of the body are broken") from error
        if len(data) < size or size < 0:
            self._wait.end()
        return data


def _waiting(descriptor: int) -> int:
    """Return how many bytes can be read from a socket at once (tcp(7), FIONREAD)."""
    return int(struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, b"\0\0\0\0"))[0])
