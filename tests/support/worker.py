"""A worker of gunicorn in a thread of the test, so that it can be watched, and connections to it."""

import os
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from types import SimpleNamespace
from typing import Any

from gunicorn import config, glogging

from storage_app.host.blocking import blocking
from storage_app.server import worker
from tests.support.disruptions import wait_until
from tests.support.raw_http import read_answer

SOON = 10.0  # a bound for what must come


class Observed(worker.Worker):
    """A worker that counts how often its main thread takes care of a connection, and leaves signals to the tests."""

    def init_signals(self) -> None:
        self.enqueued = 0

    def enqueue_req(self, conn: Any) -> None:
        self.enqueued += 1
        super().enqueue_req(conn)


class Server:
    """A worker in a thread of this process, which answers a path by calling what `answers` has for it."""

    def __init__(self, **settings: object) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as gunicorn's
        self.port: int = self.listener.getsockname()[1]
        self.answers: dict[str, Callable[[], str]] = {}
        self.answered_by: list[int] = []
        cfg = config.Config()
        for name, value in {"threads": 4, "keepalive": 75, **settings}.items():
            cfg.set(name, value)
        app = SimpleNamespace(wsgi=lambda: self._answer)
        self.worker = Observed(1, os.getppid(), [self.listener], app, 60, cfg, glogging.Logger(cfg))
        self._main = threading.Thread(target=self._run)

    def _run(self) -> None:
        with suppress(SystemExit):
            self.worker.init_process()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        self.answered_by.append(threading.get_ident())
        path = environ["PATH_INFO"]
        if path == "/broken":
            start_response("200 OK", [("Content-Length", "8")])
            return break_off()
        answer = self.answers.get(path)
        body = (answer() if answer else path).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    def start(self) -> None:
        self._main.start()
        wait_until(lambda: self.worker.booted)

    def begin_to_stop(self) -> None:
        self.worker.handle_exit(signal.SIGTERM, None)

    def quit(self) -> None:
        """End the main thread as SIGQUIT does: at once."""
        self.worker.notify = quit_thread
        self.join()

    def join(self) -> None:
        self._main.join(SOON)

    def is_alive(self) -> bool:
        return any(thread.is_alive() for thread in (self._main, *self.worker.tpool._threads))

    def assert_ends(self) -> None:
        """Assert that every thread of the worker ends by itself, and leaves no connection."""
        self.join()
        wait_until(lambda: not self.is_alive())
        if self.worker.notify is quit_thread:
            self._clean_up()
        assert self.worker.nr_conns == 0

    def _clean_up(self) -> None:
        """Do what the end of the process does."""
        self.run_what_is_left()
        self.worker.murder_keepalived(force=True)
        self.worker.method_queue.close()
        self.worker.poller.close()
        self.listener.close()

    def run_what_is_left(self) -> None:
        """Do what the main thread was asked to when it had ended."""
        deferred = self.worker.method_queue._queue
        while not deferred.empty():
            deferred.get()()

    def is_led(self) -> bool:
        return self.worker._leadership._leader is not None

    @contextmanager
    def client(self) -> Iterator["Client"]:
        with closing(Client(self.port)) as client:
            yield client

    @contextmanager
    def clients(self, count: int) -> Iterator[list["Client"]]:
        """Make connections that have each been answered once."""
        with ExitStack() as stack:
            made = [stack.enter_context(self.client()) for _ in range(count)]
            for client in made:
                assert client.get("/") == "/"
            yield made

    def close(self) -> None:
        self.worker.tmp.close()
        for descriptor in self.worker.PIPE:
            os.close(descriptor)


def quit_thread() -> None:
    raise SystemExit


def break_off() -> Iterator[bytes]:
    yield b"half"
    raise ValueError


class Client:
    """One connection; `ask` without waiting for the `answer`, or `get` it."""

    def __init__(self, port: int) -> None:
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=SOON)

    def close(self) -> None:
        self.connection.close()

    def send(self, data: str) -> None:
        self.connection.sendall(data.encode())

    def ask(self, path: str, *headers: str) -> None:
        self.send("\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]))

    def answer(self) -> str:
        """Return the body, marked where it was the last of this connection; or a status that is not 200."""
        status, headers, body = read_answer(self.connection)
        if status != 200:
            return str(status)
        return body.decode() + (" (last)" if headers["Connection"] == "close" else "")

    def get(self, path: str) -> str:
        self.ask(path)
        return self.answer()

    def rest(self) -> str:
        """Return what comes until the server closes the connection."""
        return b"".join(iter(lambda: self.connection.recv(4096), b"")).decode()

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()


class Waiting:
    """What a request does: it waits, in its turn or in a pause of it, until it may go on."""

    def __init__(self, *, paused: bool = False, came: Callable[[], object] = lambda: None) -> None:
        self._came = threading.Event()
        self._on_coming = came
        self._may_go_on = threading.Event()
        self._paused = paused

    def __call__(self) -> str:
        if self._paused:
            with blocking():
                self._wait()
        else:
            self._wait()
        return "waited"

    def _wait(self) -> None:
        self._on_coming()
        self._came.set()
        assert self._may_go_on.wait(SOON)

    def assert_comes(self) -> None:
        assert self._came.wait(SOON)

    def go_on(self) -> None:
        self._may_go_on.set()
