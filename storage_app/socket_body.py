"""The body of a request straight from its connection.

gunicorn reads ahead up to a megabyte, and copies a large body four times before the application has it.
"""

import fcntl
import struct
import termios
from typing import Any


class SocketBody:
    """A body of `length` bytes, in place of gunicorn's own `Body` for it; of a file it has `read` alone.

    `unreader` is gunicorn's: the connection, and what came with the request's head.
    """

    def __init__(self, unreader: Any, length: int) -> None:
        self._unreader = unreader
        self._left = length
        self.failed = False  # gunicorn keeps no connection of which it does not know where the next request begins

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes as soon as there are some; none at the end, or when the client has gone.

        Without a size, all that are left. Raises OSError.
        """
        if size < 0:
            return b"".join(iter(lambda: self.read(self._left), b""))
        wanted = min(size, self._left)
        ahead = len(self._unreader.buf.getbuffer())
        try:
            data: bytes = self._unreader.read(min(wanted, ahead)) if ahead else self._unreader.sock.recv(wanted)
        except OSError:
            self.failed = True
            raise
        self._left -= len(data)
        return data

    def is_here(self) -> bool:
        """Whether all that is left has come, so that reading it waits for nobody."""
        missing = self._left - len(self._unreader.buf.getbuffer())
        return missing <= 0 or missing <= _waiting(self._unreader.sock.fileno())


def is_here(stream: object) -> bool:
    """Whether reading the body `stream` waits for nobody."""
    return isinstance(stream, SocketBody) and stream.is_here()


def _waiting(descriptor: int) -> int:
    """Return how many bytes can be read from a socket at once (tcp(7), FIONREAD)."""
    return int(struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, b"\0\0\0\0"))[0])
