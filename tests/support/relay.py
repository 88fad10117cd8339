"""Something between nginx and the service that keeps the service's answer back for a while."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from tests.support.service import RunningService

WAIT_SECONDS = 30


class Relay:
    """Passes requests on to the service, one a connection, and no answer back until `may_go`. Use as a context."""

    def __init__(self, service: RunningService) -> None:
        self._service = service
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.answered = threading.Event()
        self.may_go = threading.Event()
        self._pool = ThreadPoolExecutor(4)

    def __enter__(self) -> "Relay":
        self._pool.submit(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.may_go.set()
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the accept
        self._listener.close()
        self._pool.shutdown()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self._pool.submit(self._pass_on, self._listener.accept()[0])

    def _pass_on(self, connection: socket.socket) -> None:
        with connection, socket.create_connection(("127.0.0.1", self._service.port), WAIT_SECONDS) as service:
            # So that the end of the answer can be told from the connection alone.
            service.sendall(connection.recv(65536).replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            answer = b"".join(iter(lambda: service.recv(65536), b""))
            self.answered.set()
            self.may_go.wait(WAIT_SECONDS)
            connection.sendall(answer)
