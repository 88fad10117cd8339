"""Requests wait for their clients in a bounded number of places. The longest silence costs a client its place."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest

from storage_app.errors import Unavailable
from storage_app.server.places import PATIENCE_SECONDS, Place, Places
from tests.support.disruptions import wait_until

SOON = 10.0
COUNT = 3


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Requests:
    """Requests over real connections, each in a thread of its own, for `COUNT` places."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.places = Places(self.clock)
        self.places.limit(COUNT)
        self._stack = ExitStack()
        self._threads = self._stack.enter_context(ThreadPoolExecutor(2 * COUNT))
        self._over = threading.Event()

    def close(self) -> None:
        self._over.set()
        self._stack.close()

    def begin(self, wait: Callable[[Place], object] = lambda _: None) -> tuple[socket.socket, Future[object]]:
        """Begin a request that takes a place, waits in it, and keeps it. Return its client's end."""
        client, server = (self._stack.enter_context(end) for end in socket.socketpair())
        taken: Future[None] = Future()

        def run() -> object:
            self.places.begin(server)
            try:
                place = self.places.hold()
            except Unavailable as error:
                taken.set_exception(error)
                return None
            taken.set_result(None)
            try:
                outcome = wait(place)
                assert self._over.wait(SOON)
                return outcome
            finally:
                self.places.end()

        future = self._threads.submit(run)
        taken.result(SOON)
        return client, future


@pytest.fixture
def requests() -> Iterator[Requests]:
    made = Requests()
    yield made
    made.close()


def receive(place: Place) -> object:
    return place.wait_to_receive(SOON)


def is_waiting(requests: Requests, count: int) -> bool:
    return sum(place.silent_since is not None for place in requests.places._taken) == count


def test_a_request_without_a_place_is_refused(requests: Requests) -> None:
    for _ in range(COUNT):
        requests.begin()
    with pytest.raises(Unavailable) as refused:
        requests.begin()
    assert refused.value.headers["Retry-After"] == "5"


def test_a_request_that_ends_gives_its_place_up(requests: Requests) -> None:
    futures = [requests.begin()[1] for _ in range(COUNT)]
    requests._over.set()
    for future in futures:
        future.result(SOON)
    requests.begin()


def test_a_request_has_one_place() -> None:
    places = Places()
    places.limit(1)
    with socket.socket() as connection:
        places.begin(connection)
        assert places.hold() is places.hold()
        assert places.free() == 0
        places.end()
        assert not places._taken
        assert places.free() == 1


def test_the_client_that_is_silent_for_longest_loses_its_place(requests: Requests) -> None:
    _, longest = requests.begin(receive)
    wait_until(lambda: is_waiting(requests, 1))
    requests.clock.seconds += 0.01
    for _ in range(COUNT - 1):
        requests.begin(receive)
    wait_until(lambda: is_waiting(requests, COUNT))
    requests.clock.seconds += 2 * PATIENCE_SECONDS
    requests.begin()
    with pytest.raises(Unavailable, match="stopped coming"):
        longest.result(SOON)


def test_a_client_that_was_silent_for_a_moment_keeps_its_place(requests: Requests) -> None:
    for _ in range(COUNT):
        requests.begin(receive)
    wait_until(lambda: is_waiting(requests, COUNT))
    requests.clock.seconds += PATIENCE_SECONDS
    with pytest.raises(Unavailable):
        requests.begin()


def test_a_request_that_works_is_not_silent(requests: Requests) -> None:
    for _ in range(COUNT):
        client, _ = requests.begin(receive)
        client.sendall(b"x")
    wait_until(lambda: is_waiting(requests, 0))
    requests.clock.seconds += 2 * PATIENCE_SECONDS
    with pytest.raises(Unavailable):
        requests.begin()


def test_a_reader_that_loses_its_place_is_cut_off(requests: Requests) -> None:

    def send(place: Place) -> object:
        place._connection.setblocking(False)
        with suppress(BlockingIOError):
            while place._connection.send(bytes(1024 * 1024)):
                pass
        place.wait_to_send(SOON, silent_since=0.0)
        with pytest.raises(BrokenPipeError):
            place._connection.send(b"more")
        return place.is_lost

    for _ in range(COUNT - 1):
        requests.begin()
    _, reader = requests.begin(send)
    wait_until(lambda: is_waiting(requests, 1))
    requests.clock.seconds += 2 * PATIENCE_SECONDS
    requests.begin()
    requests._over.set()
    assert reader.result(SOON)


def test_the_body_of_a_request_ends_in_time() -> None:
    clock = Clock()
    places = Places(clock)
    assert places.seconds_left(60) == 60
    places.limit_body(5)
    assert places.seconds_left(60) == 5
    clock.seconds += 3
    assert places.seconds_left(60) == 2
    assert places.seconds_left(1) == 1
    clock.seconds += 3
    assert places.seconds_left(60) == 0
    places.end()
    assert places.seconds_left(60) == 60


def test_who_takes_a_place_is_told_once(requests: Requests) -> None:
    told: list[int] = []
    requests.places.on_hold(lambda: told.append(threading.get_ident()))
    requests.begin(lambda _: requests.places.hold())
    requests.begin()
    assert len(set(told)) == len(told) == 2


class Impatience(Exception):
    """What a watch raises that ends the wait."""


def test_silence_is_told_while_a_client_sends_nothing(requests: Requests) -> None:
    told: list[float] = []

    def watch(silence: float) -> None:
        told.append(silence)
        if len(told) == 1:
            requests.clock.seconds += 2
            return
        raise Impatience

    _, silent = requests.begin(lambda place: place.wait_to_receive(SOON, watch))
    with pytest.raises(Impatience):
        silent.result(SOON)
    assert told == [0, 2]


def test_silence_of_a_client_that_sends_is_not_told(requests: Requests) -> None:
    told: list[float] = []
    client, sender = requests.begin(lambda place: place.wait_to_receive(SOON, told.append))
    client.sendall(b"x")
    requests._over.set()
    assert sender.result(SOON) is True
    assert told == []


def test_watched_wait_ends_in_its_time(requests: Requests) -> None:
    def watch(_: float) -> None:
        requests.clock.seconds += SOON

    _, silent = requests.begin(lambda place: place.wait_to_receive(SOON, watch))
    requests._over.set()
    assert silent.result(SOON) is False


def test_watched_client_can_lose_its_place(requests: Requests) -> None:
    _, longest = requests.begin(lambda place: place.wait_to_receive(SOON, lambda _: None))
    for _ in range(COUNT - 1):
        requests.begin()
    wait_until(lambda: is_waiting(requests, 1))
    requests.clock.seconds += 2 * PATIENCE_SECONDS
    requests.begin()
    with pytest.raises(Unavailable, match="stopped coming"):
        longest.result(SOON)


def test_silence_is_watched_for_one_request_alone() -> None:
    places = Places(Clock())

    def give_up(_: float) -> None:
        raise Impatience

    client, server = socket.socketpair()
    with client, server:
        places.begin(server)
        places.watch_silence(give_up)
        with pytest.raises(Impatience):
            places.wait_for_body(SOON)
        places.end()
        places.begin(server)
        assert places.wait_for_body(0.01) is False
        places.end()
