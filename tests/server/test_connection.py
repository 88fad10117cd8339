"""The rules of connections: who is silent is cut off, and who was refused is read on from, for a while."""

import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from gunicorn.http.body import Body, ChunkedReader
from gunicorn.http.unreader import IterUnreader, SocketUnreader
from werkzeug.wsgi import ClosingIterator

from storage_app.server import connection
from storage_app.server.connection import ConnectionRules
from storage_app.server.places import places
from storage_app.server.request_body import SocketBody
from storage_app.server.slow_clients import SlowClientSocket

SENT = b"x" * 100_000


class Exchange:
    """One request over a real connection, whose client has sent a body of `SENT`."""

    def __init__(self) -> None:
        self.client, self.server = socket.socketpair()
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * len(SENT))
        self.client.sendall(SENT)
        self.environ: dict[str, Any] = {
            "gunicorn.socket": self.server,
            "wsgi.input": SocketBody(SocketUnreader(self.server), len(SENT)),
        }

    def answer(self, status: str) -> None:
        """Answer without having read the body."""

        def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            start_response(status, [])
            return [b"answer"]

        with closing(ClosingIterator(ConnectionRules(application)(self.environ, lambda *_: lambda _: None))) as answer:
            assert list(answer) == [b"answer"]
            assert self.left() > 0  # the answer goes first

    def left(self) -> int:
        """Return how many bytes of the body were not read, up to a few."""
        self.server.setblocking(False)
        try:
            return len(self.server.recv(10, socket.MSG_PEEK))
        except BlockingIOError:
            return 0


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    made = Exchange()
    with made.client, made.server:
        yield made
    places.end()


@pytest.mark.parametrize(
    ("status", "is_read_on"),
    [("200 OK", False), ("204 No Content", False), ("304 Not Modified", False), ("400 Bad", True), ("507 Full", True)],
)
def test_refused_body_is_read_to_its_end(exchange: Exchange, status: str, is_read_on: bool) -> None:
    """Or the client, which sends all of it first, would lose the answer to a reset."""
    exchange.answer(status)
    assert (exchange.left() == 0) is is_read_on


def test_client_that_is_gone_is_not_read_on_from(exchange: Exchange) -> None:
    exchange.environ["wsgi.input"] = SocketBody(SocketUnreader(exchange.server), 2 * len(SENT))
    exchange.client.close()
    exchange.answer("413 Too Large")
    assert exchange.server.recv(10) == b""


def test_client_that_falls_silent_is_not_waited_for(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_DRAIN_SECONDS", 0.05)
    body = SocketBody(SocketUnreader(exchange.server), 2 * len(SENT))
    exchange.environ["wsgi.input"] = body
    exchange.answer("413 Too Large")
    assert body.failed


def test_refused_client_is_not_invited_to_send_its_body(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9110 section 10.1.1. What it sends all the same is read."""
    monkeypatch.setattr(connection, "_DRAIN_SECONDS", 0.05)
    exchange.environ |= {"HTTP_EXPECT": "100-continue", "SERVER_PROTOCOL": "HTTP/1.1"}
    exchange.environ["wsgi.input"] = SocketBody(SocketUnreader(exchange.server), 2 * len(SENT))
    exchange.answer("413 Too Large")
    assert exchange.left() == 0
    exchange.client.setblocking(False)
    with pytest.raises(BlockingIOError):
        exchange.client.recv(10)


def test_so_much_is_read_and_no_more(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_DRAIN_BYTES", len(SENT) - 10)
    exchange.answer("413 Too Large")
    assert exchange.left() == 10


def test_few_refused_clients_are_read_on_from_at_once(exchange: Exchange) -> None:
    """The others lose their answers, so that threads are left for whoever is not refused."""
    with ExitStack() as others:
        for _ in range(4):
            others.enter_context(connection._drains)
        exchange.answer("413 Too Large")
        assert exchange.left() > 0
    exchange.answer("413 Too Large")
    assert exchange.left() == 0


def test_silent_client_has_a_bound_and_a_slow_one_none(exchange: Exchange) -> None:
    exchange.answer("200 OK")
    ConnectionRules(lambda *_: [])(exchange.environ, lambda *_: lambda _: None)
    assert isinstance(exchange.server, SlowClientSocket)
    assert exchange.server.gettimeout() == ConnectionRules.silence_seconds == 60


@pytest.mark.parametrize(("chunks", "content"), [(b"3\r\nabc\r\n0\r\n\r\n", b"abc"), (b"zz\r\nabc\r\n", None)])
def test_chunks_come_as_bytes_or_as_oserror(exchange: Exchange, chunks: bytes, content: bytes | None) -> None:
    """Of gunicorn's own errors the application knows nothing."""
    exchange.environ["wsgi.input"] = Body(ChunkedReader(None, IterUnreader(iter([chunks]))))
    ConnectionRules(lambda *_: [])(exchange.environ, lambda *_: lambda _: None)
    body = exchange.environ["wsgi.input"]
    if content is None:
        with pytest.raises(OSError, match="chunks"):
            body.read(100)
    else:
        assert body.read(100) == content
