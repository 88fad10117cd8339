"""Requests in lanes wait without a thread, first come, first served, and share the leader with all others."""

import io
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from storage_app.api.lanes import Lane
from storage_app.host.measures import Duration
from storage_app.server import lanes as module
from storage_app.server.lanes import Lanes
from tests.support.disruptions import wait_until
from tests.support.measured import Kept

LISTS, COPIES = Lane("lists", at_once=1), Lane("copies", at_once=2)
MOST = 4


class Waiting:
    """Lanes, and connections whose requests wait in them."""

    def __init__(self) -> None:
        self.closed: list[Any] = []
        self.lanes = Lanes(MOST, self.closed.append)
        self.clients: dict[int, socket.socket] = {}
        self._stack = ExitStack()

    def close(self) -> None:
        self._stack.close()

    def connect(self) -> Any:
        """Return a connection whose parser has just parsed a request."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = self._stack.enter_context(socket.create_connection(listener.getsockname()))
            server = self._stack.enter_context(listener.accept()[0])
        server.setblocking(False)
        parser = SimpleNamespace(mesg=object(), unreader=SimpleNamespace(buf=io.BytesIO()))
        conn = Connection(server, parser)
        self.clients[id(conn)] = client
        return conn

    def add(self, lane: Lane, count: int) -> list[Any]:
        conns = [self.connect() for _ in range(count)]
        assert all(self.lanes.put_aside(lane, conn) for conn in conns)
        return conns

    def next(self) -> Any:
        return self.lanes.next(others_wait=False)

    def begin(self, lane: Lane, conn: Any) -> bool:
        return self.lanes.may_begin(lane, conn, others_wait=False)


class Connection:
    def __init__(self, sock: socket.socket, parser: Any) -> None:
        self.sock, self.parser = sock, parser


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    made = Waiting()
    yield made
    made.close()


def test_first_come_first_served_as_many_at_once_as_the_lane_says(waiting: Waiting) -> None:
    first, second, third = waiting.add(LISTS, 3)
    assert not waiting.begin(LISTS, waiting.connect())
    assert waiting.next() is first
    assert waiting.begin(LISTS, first)
    assert waiting.next() is None
    for before in (second, third):
        waiting.lanes.leave()
        assert waiting.next() is before
        assert waiting.begin(LISTS, before)
    assert waiting.lanes.is_empty()
    assert not waiting.begin(LISTS, waiting.connect())
    waiting.lanes.leave()
    assert waiting.begin(LISTS, waiting.connect())


def test_lanes_do_not_wait_for_each_other(waiting: Waiting) -> None:
    lists, copies = waiting.add(LISTS, 2), waiting.add(COPIES, 2)
    called = [waiting.next() for _ in range(2)]
    assert called == [lists[0], copies[0]]
    assert waiting.begin(LISTS, lists[0])
    assert [waiting.next(), waiting.next()] == [copies[1], None]


def test_request_is_the_one_that_was_parsed(waiting: Waiting) -> None:
    conn = waiting.connect()
    parser, request = conn.parser, conn.parser.mesg
    assert waiting.lanes.put_aside(LISTS, conn)
    assert conn.parser.unreader is parser.unreader
    assert next(conn.parser) is request
    assert conn.parser is parser


def test_others_have_the_leader_for_as_long_as_a_request_had_it(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now, perf_counter=time.perf_counter))
    (conn,) = waiting.add(LISTS, 1)
    assert waiting.begin(COPIES, waiting.connect())
    clock.now += 0.01
    waiting.lanes.leave()
    assert waiting.lanes.next(others_wait=True) is None
    assert not waiting.lanes.may_begin(COPIES, waiting.connect(), others_wait=True)
    assert waiting.lanes.may_begin(COPIES, waiting.connect(), others_wait=False)
    waiting.lanes.leave()
    clock.now += 0.02
    assert waiting.lanes.next(others_wait=True) is conn


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


def test_request_ends_with_its_connection(waiting: Waiting) -> None:
    gone, there = waiting.add(LISTS, 2)
    reset(waiting.clients[id(gone)])
    wait_until(lambda: waiting.next() is there)
    assert waiting.closed == [gone]
    assert waiting.lanes.is_empty()


def half_close(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("leave", [half_close, socket.socket.close])
def test_client_that_closed_its_side_comes_last(waiting: Waiting, leave: Callable[[socket.socket], None]) -> None:
    """It may have left, as most do, or only have nothing more to say."""
    left, *there = waiting.add(LISTS, 3)
    leave(waiting.clients[id(left)])
    wait_until(lambda: left.sock.recv(1, socket.MSG_PEEK) == b"")
    assert [waiting.next() for _ in range(3)] == [*there, left]
    assert waiting.closed == []


def test_client_with_another_request_behind_has_not_left(waiting: Waiting) -> None:
    ahead, behind = waiting.add(LISTS, 2)
    waiting.clients[id(ahead)].sendall(b"GET / HTTP/1.1\r\n\r\n")
    half_close(waiting.clients[id(ahead)])
    wait_until(lambda: ahead.sock.recv(1, socket.MSG_PEEK) == b"G")
    assert [waiting.next(), waiting.next()] == [ahead, behind]


def test_no_more_wait_than_may(waiting: Waiting) -> None:
    left, *_ = waiting.add(LISTS, 2) + waiting.add(COPIES, MOST - 2)
    new = waiting.connect()
    assert not waiting.lanes.put_aside(LISTS, new)
    half_close(waiting.clients[id(left)])
    wait_until(lambda: left.sock.recv(1, socket.MSG_PEEK) == b"")
    called = waiting.next()  # finds that the other one has left
    assert waiting.lanes.put_aside(LISTS, called)
    assert waiting.lanes.put_aside(LISTS, new)
    assert waiting.closed == [left]


def test_all_requests_can_be_removed(waiting: Waiting) -> None:
    conns = waiting.add(LISTS, 2) + waiting.add(COPIES, 1)
    assert waiting.lanes.remove_all() == conns
    assert waiting.lanes.is_empty()


def test_wait_in_a_lane_is_a_wait_for_other_requests(waiting: Waiting, kept: Kept) -> None:
    (conn,) = waiting.add(LISTS, 1)
    asked, since = conn.parser._parser.mesg, time.perf_counter()
    wait_until(lambda: time.perf_counter() - since >= 0.01)
    assert kept.durations == []
    assert next(conn.parser) is asked
    ((what, seconds),) = kept.durations
    assert what is Duration.TURN_WAIT
    assert seconds >= 0.01
