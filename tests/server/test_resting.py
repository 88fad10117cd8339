"""Connections between two requests: whole heads are handed out, and incomplete ones wait for a while."""

import io
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

from storage_app.server.resting import Resting

SOON = 10.0
WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends of a connection: the client's, and the server's."""
    client, server = socket.socketpair()
    with closing(client), closing(server):
        yield client, server


@pytest.fixture
def client(pair: tuple[socket.socket, socket.socket]) -> socket.socket:
    return pair[0]


@pytest.fixture
def conn(pair: tuple[socket.socket, socket.socket]) -> Any:
    """The connection at the server's end, as far as gunicorn's is looked at."""
    end = pair[1]
    end.settimeout(0)
    return SimpleNamespace(sock=end, parser=SimpleNamespace(unreader=SimpleNamespace(buf=io.BytesIO())))


@pytest.fixture
def resting() -> Resting:
    return Resting()


def test_what_comes_for_others_is_not_taken_for_the_next_request(
    client: socket.socket, conn: Any, resting: Resting
) -> None:
    """A connection that was given back is answered by others, and may rest again before the leader looks."""
    resting.add(conn)
    assert list(resting.remove(time.monotonic())) == [conn]
    client.sendall(WHOLE)
    assert resting._epoll.poll(0) == []
    resting.add(conn)
    assert resting.next(SOON) is conn


def test_a_connection_that_just_comes_to_rest_can_be_given_back(
    conn: Any, resting: Resting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that stops gives all of them back, those that the main thread adds at the same moment, too."""
    with ThreadPoolExecutor(1) as pool:
        removals: list[Future[list[Any]]] = []
        watch = resting._watch

        def remove_meanwhile(descriptor: int, events: int) -> None:
            removals.append(pool.submit(lambda: list(resting.remove(time.monotonic()))))
            wait(removals, timeout=0.1)
            watch(descriptor, events)

        monkeypatch.setattr(resting, "_watch", remove_meanwhile)
        resting.add(conn)
        assert removals[0].result(SOON) == [conn]


def test_a_connection_that_cannot_be_watched_does_not_rest(conn: Any, resting: Resting) -> None:
    """Or the worker would wait for it for ever."""
    resting._epoll.close()
    with pytest.raises(ValueError, match="closed epoll"):
        resting.add(conn)
    assert resting.is_empty()


def test_order_to_end_may_come_when_a_connection_has_just_been_taken_to_answer(
    client: socket.socket, conn: Any, resting: Resting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It raises SystemExit wherever the main thread is."""

    def taken_then_ended(descriptor: int, events: int) -> None:
        resting._epoll.register(descriptor, events)
        client.send(WHOLE)
        assert resting.next(SOON) is conn
        raise SystemExit

    monkeypatch.setattr(resting, "_watch", taken_then_ended)
    with pytest.raises(SystemExit):
        resting.add(conn)
    assert resting.is_empty()


def test_an_incomplete_head_waits_for_the_rest(client: socket.socket, conn: Any, resting: Resting) -> None:
    resting.add(conn)
    for part in (WHOLE[:3], WHOLE[3:-1]):
        client.sendall(part)
        assert resting.next(SOON) is None
        assert list(resting.remove(time.monotonic())) == []  # the main thread would wait without a limit
    client.sendall(WHOLE[-1:])
    assert resting.next(SOON) is conn
    assert conn.parser.unreader.buf.getvalue() == WHOLE
    assert resting.is_empty()


def test_a_head_is_late_by_its_first_byte(client: socket.socket, conn: Any, resting: Resting) -> None:
    resting.add(conn)
    client.sendall(b"G")
    assert resting.next(SOON) is None
    began = time.monotonic()
    client.sendall(b"E")
    assert resting.next(SOON) is None
    assert resting.remove_late(heads_until=began - SOON, readers_until=began - SOON) == []
    assert resting.remove_late(heads_until=began, readers_until=began - SOON) == [conn]
    assert resting.is_empty()


def test_requests_in_advance_are_late_when_the_client_takes_no_answers(conn: Any, resting: Resting) -> None:
    conn.parser.unreader.buf.write(WHOLE)
    resting.add(conn)
    now = time.monotonic()
    assert list(resting.remove(now)) == []
    assert resting.remove_late(heads_until=now, readers_until=now - SOON) == []
    assert resting.remove_late(heads_until=now, readers_until=now) == [conn]


def test_a_client_that_disconnects_is_handed_out(client: socket.socket, conn: Any, resting: Resting) -> None:
    resting.add(conn)
    client.sendall(b"G")
    assert resting.next(SOON) is None
    client.close()
    assert resting.next(SOON) is conn
