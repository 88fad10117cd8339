"""Connections that bear with slow readers, and not with silent ones."""

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
    """A socket whose timeout ends a long answer only when the client takes nothing at all for so long.

    Python takes for silence that the kernel has no room for more, and Linux says that it has only when a third of what
    it holds is free again, of up to 4 MiB: a reader of less than 24 KiB a second would be cut off within a minute. The
    kernel's own bound (tcp(7), TCP_USER_TIMEOUT) takes for silence that the client's window stays nearly shut.

    Other requests run as soon as one has to wait for its client to take more.
    """

    __slots__ = ()

    @classmethod
    def of(cls, plain: socket.socket) -> "SlowClientSocket":
        """Make `plain` one, and return it. gunicorn holds on to the object that it accepted, so no other will do."""
        if not isinstance(plain, cls):
            plain.__class__ = cls
        return cast(SlowClientSocket, plain)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send `count` bytes of `file` from `offset` on, or all; raises `TimeoutError` as described."""
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
                    reached = max(offset, file.tell())  # it tells how far it came by the place where it leaves the file
                    patience.wait_on(sent=reached - offset)
                    offset = reached
        finally:
            self.settimeout(silence)
            self._send_full_packets(False)
        return count

    def _send_full_packets(self, only: bool) -> None:
        """Have the kernel wait for full packets, where it would send whatever is there when the client takes some."""
        if self.family != socket.AF_UNIX:
            with suppress(OSError):  # the client has gone
                self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, not only)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of `data`; raises `TimeoutError` as described."""
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
        """Send what the kernel takes without waiting, which is all of most answers. Return how many bytes."""
        try:
            return os.write(self.fileno(), data)  # a socket with a timeout does not block; `send` would poll it first
        except BlockingIOError:
            return 0


class _Patience:
    """How long a client has taken nothing: looked at every `step` seconds, given up after `silence`."""

    def __init__(self, connection: socket.socket, silence: float) -> None:
        self._connection = connection
        self._silence = silence
        self._taken_at = time.monotonic()
        self._held = self._held_now()
        self.step = silence / 2

    def wait_on(self, *, sent: int) -> None:
        """Return when it is worth waiting on, after a step in which `sent` bytes went; raise `TimeoutError` else."""
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
