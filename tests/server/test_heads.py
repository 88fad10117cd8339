"""A head is parsed when all of it is here, or when it is refused whatever follows."""

import io
import socket
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

from storage_app.server import heads

HOST = b"\r\nHost: x\r\n\r\n"


@pytest.fixture
def pair() -> Iterator[tuple[Any, socket.socket]]:
    client, server = socket.socketpair()
    with closing(client), closing(server):
        server.settimeout(0)
        yield SimpleNamespace(sock=server, parser=SimpleNamespace(unreader=SimpleNamespace(buf=io.BytesIO()))), client


@pytest.mark.parametrize(
    ("sent", "due"),
    [
        pytest.param(b"GET / HTTP/1.1" + HOST, True, id="whole"),
        pytest.param(b"GET / HTTP/1.1" + HOST + b"GET", True, id="whole and more"),
        pytest.param(b"GET / HTTP/1.1" + HOST[:-1], False, id="without its last byte"),
        pytest.param(b"", False, id="nothing"),
        pytest.param(b"GET / HTTP/1.1\n", True, id="bare newline"),
        pytest.param(b"GET / HTTP/1.1\r", False, id="half a line end"),
        pytest.param(b"a" * 8192, False, id="longest line"),
        pytest.param(b"a" * 8193, True, id="line too long"),
    ],
)
def test_head_is_due_when_it_can_be_decided(pair: tuple[Any, socket.socket], sent: bytes, due: bool) -> None:
    conn, client = pair
    client.sendall(sent)
    assert heads.receive(conn) is due
    assert heads.has_begun(conn) is bool(sent)
    assert not heads.is_too_large(conn)


def test_head_without_an_end_is_too_large(pair: tuple[Any, socket.socket]) -> None:
    conn, client = pair
    client.sendall(b"GET / HTTP/1.1\r\n")
    line = b"a: " + b"b" * 1019 + b"\r\n"
    for _ in range(2 * heads.MAX_BYTES // len(line)):
        client.sendall(line)
        if heads.receive(conn):
            break
    assert heads.is_too_large(conn)
    assert heads.MAX_BYTES < len(conn.parser.unreader.buf.getvalue()) <= heads.MAX_BYTES + heads.STEP_BYTES
    heads.refuse(conn)
    assert client.recv(100).startswith(b"HTTP/1.1 431 ")


def test_client_that_disconnected_is_due(pair: tuple[Any, socket.socket]) -> None:
    conn, client = pair
    client.close()
    assert heads.receive(conn)
