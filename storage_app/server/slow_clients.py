"""Sockets that tolerate slow clients, but not silent ones, and no more than there are places for."""

import errno
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from fcntl import ioctl
from struct import unpack
from termios import TIOCOUTQ
from typing import Any, cast

from ..errors import Unavailable
from ..host.blocking import detach
from .places import broken_pipe, cut_off, places

# How often a send looks whether its client takes anything. `places` goes by it.
_LOOK_SECONDS = 0.5
_STEP_BYTES = 1 << 30  # sendfile(2) takes less than 2 GiB at a time


class SlowClientSocket(socket.socket):
    """A socket that times out only if the client sends or takes nothing at all for that long.

    Python times out while the kernel has no room for more, and Linux reports room only when a third of the send buffer
    is free, which holds up to 4 MiB. A client that reads less than 24 KiB a second would be cut off within a minute.
    The kernel's own limit (tcp(7), TCP_USER_TIMEOUT) counts a nearly closed window as silence.

    Other requests run as soon as one has to wait for its client, and the wait takes one of the `places`.
    """

    __slots__ = ()

    @classmethod
    def of(cls, plain: socket.socket) -> "SlowClientSocket":
        """Change the class of `plain` in place, because gunicorn keeps the object that it accepted. Return `plain`."""
        if not isinstance(plain, cls):
            plain.__class__ = cls
        return cast(SlowClientSocket, plain)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Return up to `size` bytes as soon as some have come, none if the client disconnected.

        Raises `TimeoutError` if the client sends nothing, or has not sent its body in the time that a body has; and
        `Unavailable` if there is no place to wait in.
        """
        silence = self.gettimeout()
        if not silence or flags or not places.is_in_request():
            return super().recv(size, flags)
        try:
            return os.read(self.fileno(), size)  # a socket with a timeout does not block; `recv` would poll it first
        except BlockingIOError:
            place = places.hold()
        if not places.wait_for_body(silence):
            raise TimeoutError("the client sends nothing")
        data = os.read(self.fileno(), size)
        if not data:
            place.check()
        return data

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send `count` bytes of `file` from `offset`, or all. Raises as `sendall` does."""
        detach()
        silence = self.gettimeout()
        if not silence or not count:
            return super().sendfile(file, offset, count)
        source = file.fileno()

        def send(sent: int) -> int:
            return _sent_some(os.sendfile(self.fileno(), source, offset + sent, min(count - sent, _STEP_BYTES)))

        self._send_full_packets(True)
        try:
            self._send(send, count, silence)
        finally:
            self._send_full_packets(False)
        return count

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of `data`. Raises `TimeoutError` if the client takes nothing, `OSError` if it loses its place."""
        silence = self.gettimeout()
        if not silence or flags:
            super().sendall(data, flags)
            return
        view = memoryview(data)
        self._send(lambda sent: os.write(self.fileno(), view[sent:]), len(view), silence)

    def _send(self, send: Callable[[int], int], size: int, silence: float) -> None:
        """Call `send(sent)`, which returns how many more bytes the kernel took, until `size` bytes were sent."""
        sent, patience = 0, None
        while sent < size:
            try:
                sent += send(sent)
            except BlockingIOError:
                patience = patience or _Patience(self, silence)
                patience.wait(sent)

    def _send_full_packets(self, only: bool) -> None:
        """Let the kernel wait for full packets (Nagle), instead of sending whatever the client has room for."""
        if self.family != socket.AF_UNIX:
            with suppress(OSError):  # the client has disconnected
                self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, not only)


class _Patience:
    """The waits of one answer for a client that reads more slowly than it is sent to."""

    def __init__(self, connection: socket.socket, silence: float) -> None:
        detach()
        try:
            self._place = places.hold()
        except Unavailable as error:
            _abort(connection)
            raise broken_pipe(error.detail) from error
        self._connection = connection
        self._silence = silence
        self._step = min(_LOOK_SECONDS, silence / 2)
        self._taken_at = time.monotonic()
        self._sent = -1
        self._held = self._held_now()

    def wait(self, sent: int) -> None:
        """Wait a little for the client, of which `sent` is the number of bytes that the kernel took so far.

        Raises `TimeoutError` if it has taken nothing for too long.
        """
        held, now = self._held_now(), time.monotonic()
        if sent != self._sent or held < self._held:
            self._taken_at = now
        elif now - self._taken_at >= self._silence:
            _abort(self._connection)
            raise TimeoutError("the client takes nothing")
        self._sent, self._held = sent, held
        self._place.wait_to_send(self._step, silent_since=self._taken_at)

    def _held_now(self) -> int:
        """Return how many bytes the kernel holds that the client has not acknowledged (tcp(7), SIOCOUTQ)."""
        (held,) = unpack("i", ioctl(self._connection, TIOCOUTQ, bytes(4)))
        return int(held)


def _abort(connection: socket.socket) -> None:
    with suppress(OSError):  # the client has disconnected
        cut_off(connection)


def _sent_some(count: int) -> int:
    if count == 0:
        raise OSError(errno.EIO, "the file is shorter than its answer")
    return count
