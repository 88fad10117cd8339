"""A request passes its turn on where it waits for something else than the processor, so that others can begin."""

import fcntl
import io
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from flask import Request
from gunicorn.http.unreader import SocketUnreader
from werkzeug.test import EnvironBuilder

from storage_app.api.http import bodies
from storage_app.api.http.bodies import RequestBody
from storage_app.host import blocking, files
from storage_app.index import Index
from storage_app.index.postgres import Postgres
from storage_app.server.places import places
from storage_app.server.request_body import GunicornBody, SocketBody
from storage_app.server.scheduler import Scheduler
from storage_app.server.slow_clients import SlowClientSocket
from tests.support.disruptions import wait_until
from tests.support.service import free_port

SOON = 10.0


# Its turns are long: a request that kept its own would lose it all the same.
scheduler = Scheduler(seconds=6 * SOON)


@pytest.fixture(autouse=True)
def _scheduled() -> Iterator[None]:
    blocking.install(scheduler)
    yield
    blocking.install(None)
    places.end()
    assert scheduler._current is None


@contextmanager
def waiting(work: Callable[[], object], go: Callable[[], object]) -> Iterator[None]:
    """Let a thread begin `work` in its turn, and hold on there until `go` lets it end after the body."""

    def in_turn() -> None:
        scheduler.begin()
        try:
            work()
        finally:
            scheduler.end()

    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(in_turn)
        try:
            yield
            assert not future.done()
        finally:
            go()
        future.result(SOON)


def assert_another_can_begin() -> None:
    began = threading.Event()

    def begin() -> None:
        scheduler.begin()
        began.set()
        scheduler.end()

    threading.Thread(target=begin, daemon=True).start()
    assert began.wait(SOON)


def test_while_it_waits_for_its_body() -> None:
    asked, comes = threading.Event(), threading.Event()

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            asked.set()
            assert comes.wait(SOON)
            return super().read(size)

    body = RequestBody(
        Request(EnvironBuilder(method="PUT", data=b"body").get_environ() | {"wsgi.input": GunicornBody(Slow(b"body"))})
    )
    with waiting(body.read, comes.set):
        assert asked.wait(SOON)
        assert_another_can_begin()


class Sent:
    """The server's end of a connection, on which a client has `sent` so much of a body."""

    def __init__(self, sent: bytes, length: int) -> None:
        self.client, server = socket.socketpair()
        server.settimeout(SOON)
        self.stream = SocketBody(SocketUnreader(server), length)
        body = {"wsgi.input": self.stream, "CONTENT_LENGTH": str(length)}
        self.body = RequestBody(Request(EnvironBuilder(method="PUT").get_environ() | body))
        self.client.sendall(sent)
        wait_until(lambda: self.stream.is_here() or len(sent) < length)

    def close(self) -> None:
        self.client.close()
        self.stream._unreader.sock.close()


@contextmanager
def a_turn() -> Iterator[None]:
    scheduler.begin()
    try:
        yield
    finally:
        scheduler.end()


def has_turn() -> bool:
    return scheduler._current is not None


def test_not_while_it_reads_a_body_that_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Sent(b"body", 4)) as sent, a_turn(), monkeypatch.context() as context:
        context.setattr(scheduler, "detach", lambda: pytest.fail("it was given up"))
        assert sent.body.read() == b"body"


def test_until_all_of_its_body_has_come() -> None:
    """Once, and not for each piece."""
    with closing(Sent(b"bo", 4)) as sent, a_turn():
        assert (sent.body.read(), has_turn()) == (b"bo", False)
        sent.client.sendall(b"d")
        assert (sent.body.read(), has_turn()) == (b"d", False)
        sent.client.sendall(b"y")
        assert (sent.body.read(), has_turn()) == (b"y", True)


def test_body_that_is_drained_after_its_request_takes_no_turn() -> None:
    """gunicorn reads what a refused request has left, and the thread would keep a turn that it ended before."""
    with closing(Sent(b"bo", 4)) as sent:
        with a_turn():
            assert sent.stream.read(4) == b"bo"
            sent.stream.end_request()
        sent.client.sendall(b"dy")
        assert (sent.stream.read(), has_turn()) == (b"dy", False)


def test_a_fast_client_is_asked_for_more_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that is slower for less again: the memory is held while it is waited for."""
    monkeypatch.setattr(bodies, "_FIRST_STEP_BYTES", 1000)
    asked: list[int] = []
    with closing(Sent(bytes(2000), 10 * bodies.STEP_BYTES)) as sent:
        read = sent.stream.read

        def note(size: int = -1) -> bytes:
            asked.append(size)
            return read(size)

        monkeypatch.setattr(sent.stream, "read", note)
        sent.body.read()
        sent.body.read()
        sent.client.sendall(b"x")
        sent.body.read()
    assert asked == [1000, bodies.STEP_BYTES, 1000]


def test_while_the_disk_syncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, synced = threading.Event(), threading.Event()

    def sync(_: int) -> None:
        asked.set()
        assert synced.wait(SOON)

    monkeypatch.setattr(os, "fsync", sync)
    with waiting(lambda: files.write_new(tmp_path / "new", b"content", durable=True), synced.set):
        assert asked.wait(SOON)
        assert_another_can_begin()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    made = Index(tmp_path / "index.sqlite3")
    made.create()
    with made.alone():  # so that the file of its lock is there
        pass
    yield made
    made.close()


def write(index: Index) -> None:
    with index.write():
        pass


def test_while_another_thread_writes_to_the_index(index: Index) -> None:
    held = index._database._writer  # type: ignore[union-attr]
    held.acquire()
    with waiting(lambda: write(index), held.release):
        assert_another_can_begin()


def test_while_another_process_writes_to_the_index(index: Index, tmp_path: Path) -> None:
    with open(tmp_path / "index.lock", "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with waiting(lambda: write(index), lambda: fcntl.flock(lock, fcntl.LOCK_UN)):
            assert_another_can_begin()


def test_while_others_commit_together(index: Index) -> None:
    held = index._group_commit._running
    held.acquire()
    with waiting(lambda: index.write_grouped(lambda _: None), held.release):
        assert_another_can_begin()


def receive(client: socket.socket, size: int) -> int:
    received = 0
    while received < size and (data := client.recv(1024 * 1024)):
        received += len(data)
    return received


@pytest.mark.parametrize(("size", "detached"), [(1000, False), (8 * 1024 * 1024, True)])
def test_while_the_client_takes_an_answer(size: int, detached: bool) -> None:
    """An answer that the kernel has room for waits for nobody."""
    client, server = socket.socketpair()
    with (
        closing(client),
        closing(SlowClientSocket.of(server)) as connection,
        a_turn(),
        ThreadPoolExecutor(1) as threads,
    ):
        connection.settimeout(SOON)
        places.begin(connection)
        received = threads.submit(receive, client, size)
        connection.sendall(bytes(size))
        assert has_turn() is not detached
        assert received.result(SOON) == size


def test_before_it_sends_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    client, server = socket.socketpair()
    with closing(client), closing(SlowClientSocket.of(server)) as connection, a_turn():
        with (tmp_path / "file").open("rb", buffering=0) as file:
            connection.sendfile(file, 0, 7)
        assert client.recv(100) == b"content"
        assert not has_turn()


def test_before_a_database_server_is_waited_for() -> None:
    scheduler.begin()
    try:
        database = Postgres(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
        assert database.is_current()  # unknown, as far as it can tell
        assert scheduler._current is None
    finally:
        scheduler.end()
        database.close()
