"""A request gives its turn up where it waits for something else than the processor, so that others can begin."""

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

from storage_app import disk
from storage_app.api import bodies, delivery
from storage_app.api.bodies import RequestBody
from storage_app.api.ranges import ByteRange
from storage_app.api.streams import STEP_BYTES
from storage_app.index import Index
from storage_app.index.postgres import Postgres
from storage_app.socket_body import SocketBody
from storage_app.turns import turns
from tests.support.core import a_file
from tests.support.disruptions import wait_until
from tests.support.service import free_port

SOON = 10.0


@pytest.fixture(autouse=True)
def _turns_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this, who does not give its turn up loses it all the same."""
    monkeypatch.setattr(turns, "_seconds", 6 * SOON)


@contextmanager
def waiting(work: Callable[[], object], go: Callable[[], object]) -> Iterator[None]:
    """Let a thread begin `work` in its turn, and hold on there until `go` lets it end after the body."""

    def in_turn() -> None:
        turns.begin()
        try:
            work()
        finally:
            turns.leave()

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
        turns.begin()
        began.set()
        turns.leave()

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
        Request(EnvironBuilder(method="PUT", data=b"body").get_environ() | {"wsgi.input": Slow(b"body")})
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
    turns.begin()
    try:
        yield
    finally:
        turns.end()


def has_turn() -> bool:
    return turns._now is not None


def test_not_while_it_reads_a_body_that_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Sent(b"body", 4)) as sent, a_turn(), monkeypatch.context() as context:
        context.setattr(turns, "leave", lambda: pytest.fail("it was given up"))
        assert sent.body.read() == b"body"


def test_until_all_of_its_body_has_come() -> None:
    """Once, and not for each piece."""
    with closing(Sent(b"bo", 4)) as sent, a_turn():
        assert (sent.body.read(), has_turn()) == (b"bo", False)
        sent.client.sendall(b"d")
        assert (sent.body.read(), has_turn()) == (b"d", False)
        sent.client.sendall(b"y")
        assert (sent.body.read(), has_turn()) == (b"y", True)


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
    with waiting(lambda: disk.write_new(tmp_path / "new", b"content", durable=True), synced.set):
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
    held = index._together._running
    held.acquire()
    with waiting(lambda: index.write_together(lambda _: None), held.release):
        assert_another_can_begin()


@pytest.mark.parametrize(
    ("ranges", "given_up"),
    [
        (None, True),
        ((ByteRange(0, STEP_BYTES + 1),), True),
        ((ByteRange(0, 1), ByteRange(5, 6)), True),
        ((ByteRange(0, STEP_BYTES),), False),
    ],
)
def test_before_it_sends_much(ranges: tuple[ByteRange, ...] | None, given_up: bool) -> None:
    turns.begin()
    try:
        file = a_file("large", size=2 * STEP_BYTES)
        delivery._send(Request(EnvironBuilder().get_environ()), file, ranges, {}, io.BytesIO(bytes(file.size)))
        assert (turns._now is None) is given_up
    finally:
        turns.leave()


def test_before_a_database_server_is_waited_for() -> None:
    turns.begin()
    try:
        database = Postgres(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
        assert database.is_current()  # unknown, as far as it can tell
        assert turns._now is None
    finally:
        turns.leave()
        database.close()
