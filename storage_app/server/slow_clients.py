"""Sockets that tolerate slow readers, but not silent ones."""

import os
import socket
import time
from contextlib import suppress
from fcntl import ioctl
from struct import unpack
from termios import TIOCOUTQ
from typing import Any, cast

from ..host.blocking import detach


class SlowClientSocket(socket.socket):
    """A socket that times out only if the client takes nothing at all for that long.

    Python times out while the kernel has no room for more, and Linux reports room only when a third of the send buffer
    is free, which holds up to 4 MiB. A client that reads less than 24 KiB a second would be cut off within a minute.
    The kernel's own limit (tcp(7), TCP_USER_TIMEOUT) counts a nearly closed window as silence.

    Other requests run as soon as one has to wait for its client.
    """

    __slots__ = ()

    @classmethod
    def of(cls, plain: socket.socket) -> "SlowClientSocket":
        """Change the class of `plain` in place, because gunicorn keeps the object that it accepted. Return `plain`."""
        if not isinstance(plain, cls):
            plain.__class__ = cls
        return cast(SlowClientSocket, plain)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send `count` bytes of `file` from `offset`, or all. Raises `TimeoutError` if the client takes nothing."""
        detach()
        silence = self.gettimeout()
        if not silence or not count:
            return super().sendfile(file, offset, count)
        end, patience = offset + count, _Patience(self, silence)
        self.settimeout(patience.step)
        self._send_full_packets(True)
        try:
            while offset < end:
                try:
                    super().sendfile(file, offset, end - offset)
                    break
                except TimeoutError:
                    reached = max(offset, file.tell())  # `super().sendfile` leaves the file at the position it reached
                    patience.wait_on(sent=reached - offset)
                    offset = reached
        finally:
            self.settimeout(silence)
            self._send_full_packets(False)
        return count

    def _send_full_packets(self, only: bool) -> None:
        """Let the kernel wait for full packets (Nagle), instead of sending whatever the client has room for."""
        if self.family != socket.AF_UNIX:
            with suppress(OSError):  # the client has disconnected
                self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, not only)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of `data`. Raises `TimeoutError` if the client takes nothing."""
        silence = self.gettimeout()
        if not silence or flags:
            super().sendall(data, flags)
            return
        rest = memoryview(data)[self._sent_at_once(data) :]
        if not rest:
            return
        detach()
        patience = _Patience(self, silence)
        self.settimeout(patience.step)
        try:
            while rest:
                try:
                    sent = self.send(rest)
                except TimeoutError:
                    sent = 0
                    patience.wait_on(sent=sent)
                rest = rest[sent:]
        finally:
            self.settimeout(silence)

    def _sent_at_once(self, data: Any) -> int:
        """Send what the kernel takes without blocking, which is all of most answers. Return the number of bytes."""
        try:
            return os.write(self.fileno(), data)  # a socket with a timeout does not block; `send` would poll it first
        except BlockingIOError:
            return 0


class _Patience:
    """Measures for how long a client has taken nothing. The socket times out every `step` seconds to check."""

    def __init__(self, connection: socket.socket, silence: float) -> None:
        self._connection = connection
        self._silence = silence
        self._taken_at = time.monotonic()
        self._held = self._held_now()
        self.step = silence / 2

    def wait_on(self, *, sent: int) -> None:
        """Check the client after a step that sent `sent` bytes. Raise `TimeoutError` if it was silent for too long."""
        held, now = self._held_now(), time.monotonic()
        if sent or held < self._held:
            self._taken_at = now
        elif now - self._taken_at >= self._silence:
            raise TimeoutError("the client takes nothing")
        self._held = held

    def _held_now(self) -> int:
        """Return how many bytes the kernel holds that the client has not acknowledged (tcp(7), SIOCOUTQ)."""
        (held,) = unpack("i", ioctl(self._connection, TIOCOUTQ, bytes(4)))
        return int(held)
