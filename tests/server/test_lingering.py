"""A connection that is closed on this side waits for its client without a thread, and not for long."""

import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from storage_app.server import lingering
from storage_app.server.lingering import Lingering, half_close

MUCH_LATER = 60.0
SOON = 5.0


class Waits:
    """Connections that linger, with the loop of the main thread."""

    def __init__(self) -> None:
        self.forgotten = 0
        self.poller = selectors.DefaultSelector()
        self.lingering = Lingering(self.poller, self._forget)
        self.client, self.server = socket.socketpair()

    def _forget(self) -> None:
        self.forgotten += 1

    def run_until_forgotten(self) -> None:
        deadline = time.monotonic() + SOON
        while not self.forgotten:
            assert time.monotonic() < deadline
            for key, _ in self.poller.select(0.01):
                key.data(key.fileobj)
            self.lingering.close_late()
        assert self.server.fileno() == -1


@pytest.fixture
def waits() -> Iterator[Waits]:
    made = Waits()
    with closing(made.client), closing(made.server), closing(made.poller):
        yield made


def test_client_that_has_closed_is_not_waited_for(waits: Waits) -> None:
    waits.client.close()
    assert half_close(waits.server)


def test_connection_that_was_closed_is_not_waited_for(waits: Waits) -> None:
    waits.server.close()
    assert half_close(waits.server)


def test_client_learns_that_nothing_follows(waits: Waits) -> None:
    waits.server.sendall(b"answer")
    assert not half_close(waits.server)
    assert waits.client.recv(100) == b"answer"
    assert waits.client.recv(100) == b""


def test_what_a_client_still_sends_is_discarded_until_it_closes(waits: Waits) -> None:
    assert not half_close(waits.server)
    waits.lingering.add(waits.server)
    waits.client.sendall(b"more")
    waits.client.close()
    waits.run_until_forgotten()


@pytest.mark.parametrize(("name", "bound"), [("SILENCE_SECONDS", 0.05), ("SECONDS", 0.05), ("BYTES", 4)])
def test_client_is_not_waited_for_any_longer(
    waits: Waits, monkeypatch: pytest.MonkeyPatch, name: str, bound: float
) -> None:
    for other in ("SILENCE_SECONDS", "SECONDS"):
        monkeypatch.setattr(lingering, other, MUCH_LATER)
    monkeypatch.setattr(lingering, name, bound)
    assert not half_close(waits.server)
    waits.lingering.add(waits.server)
    waits.client.sendall(b"more")
    waits.run_until_forgotten()


def test_the_oldest_is_closed_to_make_room(waits: Waits) -> None:
    assert not waits.lingering.close_oldest()
    waits.lingering.add(waits.server)
    assert waits.lingering.close_oldest()
    assert waits.forgotten == 1


def test_worker_that_has_ended_waits_for_nobody(waits: Waits) -> None:
    waits.poller.close()
    waits.lingering.add(waits.server)
    assert waits.forgotten == 1
