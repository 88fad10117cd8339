"""A line to a service that is cut again and again."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self

PIECE_BYTES = 64 * 1024


class Listener(Protocol):
    @property
    def port(self) -> int: ...


class CuttingProxy:
    """Passes bytes on in both directions, and cuts a connection that has sent `every` bytes, up to `cuts` times.

    `on_cut` is called with the number of each cut. Use as a context.
    """

    def __init__(
        self, target: Listener, *, every: int, cuts: int, on_cut: Callable[[int], object] = lambda _: None
    ) -> None:
        self._target = target
        self._every = every
        self._cuts = cuts
        self._on_cut = on_cut
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.cut = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the accept
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._pass_on, args=[self._listener.accept()[0]], daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self._target.port), 30) as service:
            service.settimeout(None)
            threading.Thread(target=_copy, args=[service, client], daemon=True).start()
            sent = 0
            while data := client.recv(PIECE_BYTES):
                service.sendall(data)
                sent += len(data)
                if sent >= self._every and self._may_cut():
                    break
            _end(service)
            _end(client)

    def _may_cut(self) -> bool:
        with self._lock:
            if self.cut >= self._cuts:
                return False
            self.cut += 1
            self._on_cut(self.cut)
            return True


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(PIECE_BYTES):
            target.sendall(data)
    _end(target)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
