"""Bodies straight from a connection: what came with the head, then what comes, and nothing beyond the end."""

import hashlib
import os
import socket
from collections.abc import Iterator

import pytest
from gunicorn.http.unreader import SocketUnreader

from storage_app.server.request_body import SocketBody
from tests.support.disruptions import wait_until


class Connection:
    """Both ends of a connection; `ahead` is what gunicorn has read with the head."""

    def __init__(self) -> None:
        self.client, self.server = socket.socketpair()
        self.server.settimeout(10)
        self.unreader = SocketUnreader(self.server)

    def body(self, length: int, *, ahead: bytes = b"") -> SocketBody:
        self.unreader.unread(ahead)
        return SocketBody(self.unreader, length)


@pytest.fixture
def connection() -> Iterator[Connection]:
    made = Connection()
    yield made
    made.client.close()
    made.server.close()


def test_body_is_what_came_with_the_head_and_then_what_comes(connection: Connection) -> None:
    body = connection.body(10, ahead=b"0123")
    connection.client.sendall(b"456789")
    assert [body.read(3), body.read(3), body.read(4), body.read(4), body.read(4)] == [b"012", b"3", b"4567", b"89", b""]


def test_nothing_beyond_the_end_is_taken(connection: Connection) -> None:
    """Of what came with the head, or of what comes: the next request begins there."""
    body = connection.body(4, ahead=b"0123GET")
    assert (body.read(), body.read()) == (b"0123", b"")
    assert connection.unreader.buf.getvalue() == b"GET"
    connection.unreader.take_buffered()
    body = connection.body(4)
    connection.client.sendall(b"0123GET")
    assert (body.read(100), body.read(100)) == (b"0123", b"")
    assert connection.server.recv(100) == b"GET"


def test_body_ends_early_when_the_client_goes(connection: Connection) -> None:
    body = connection.body(10)
    connection.client.sendall(b"012")
    connection.client.close()
    assert (body.read(), body.read(), body.failed) == (b"012", b"", False)


def test_connection_is_not_kept_when_the_client_falls_silent(connection: Connection) -> None:
    connection.server.settimeout(0.01)
    body = connection.body(10)
    with pytest.raises(TimeoutError):
        body.read()
    assert body.failed


@pytest.mark.parametrize(
    ("ahead", "sent", "is_here"),
    [(b"", b"", False), (b"01", b"2", False), (b"01", b"23", True), (b"0123", b"", True), (b"", b"0123GET", True)],
)
def test_body_is_here_when_all_of_it_came(connection: Connection, ahead: bytes, sent: bytes, is_here: bool) -> None:
    body = connection.body(4, ahead=ahead)
    connection.client.sendall(sent)
    assert body.is_here() is is_here


def test_long_body_comes_in_large_pieces(connection: Connection) -> None:
    content = os.urandom(64 * 1024)
    body = connection.body(len(content), ahead=content[:1000])
    connection.client.sendall(content[1000:])
    wait_until(body.is_here)
    pieces = [body.read(32 * 1024), body.read(32 * 1024), body.read(32 * 1024)]
    assert [len(piece) for piece in pieces] == [1000, 32 * 1024, 32 * 1024 - 1000]
    assert hashlib.sha256(b"".join(pieces)).digest() == hashlib.sha256(content).digest()
