"""Requests take turns: in their order, one at a time, and nobody waits for one that itself waits for something else."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest

from storage_app.host.measures import Duration
from storage_app.server.scheduler import Scheduler
from tests.support.disruptions import wait_until
from tests.support.measured import Kept

FOREVER = 10.0  # a bound for what must come
OPENED = threading.Event()
OPENED.set()


class Crowd:
    """Threads that take a turn each, and hold it until they are told to do what they do next."""

    def __init__(self, scheduler: Scheduler, threads: ThreadPoolExecutor) -> None:
        self.scheduler = scheduler
        self.began: list[str] = []
        self._threads = threads
        self._came = threading.Condition()

    def come(self, name: str, until: threading.Event, then: Callable[[], None] = lambda: None) -> Future[None]:
        """Let one come to wait for a turn; it is in line when this returns."""
        waiting = len(self.scheduler._queue)
        future = self._threads.submit(self._take, name, until, then)
        wait_until(lambda: len(self.scheduler._queue) > waiting or name in self.began)
        return future

    def wait_until_began(self, *names: str) -> None:
        with self._came:
            assert self._came.wait_for(lambda: self.began == list(names), FOREVER), self.began

    def _take(self, name: str, until: threading.Event, then: Callable[[], None]) -> None:
        self.scheduler.begin()
        try:
            self._note(name)
            assert until.wait(FOREVER)
            then()
        finally:
            self.scheduler.detach()

    def _note(self, name: str) -> None:
        with self._came:
            self.began.append(name)
            self._came.notify_all()


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    with ThreadPoolExecutor(8) as threads:
        yield Crowd(Scheduler(seconds=FOREVER), threads)


def test_turns_come_one_at_a_time_in_the_order_of_coming(crowd: Crowd) -> None:
    first, second = threading.Event(), threading.Event()
    crowd.come("first", first)
    crowd.wait_until_began("first")
    crowd.come("second", second)
    last = crowd.come("third", OPENED)
    assert crowd.began == ["first"]
    first.set()
    crowd.wait_until_began("first", "second")
    second.set()
    crowd.wait_until_began("first", "second", "third")
    last.result(FOREVER)


def test_who_leaves_goes_on_beside_the_next(crowd: Crowd) -> None:
    ends = threading.Event()

    def leave_and_go_on() -> None:
        crowd.scheduler.detach()
        assert ends.wait(FOREVER)

    first = crowd.come("first", OPENED, leave_and_go_on)
    crowd.come("second", OPENED).result(FOREVER)
    assert not first.done()
    ends.set()
    first.result(FOREVER)
    assert crowd.scheduler._current is None


def test_who_comes_back_from_a_pause_waits_behind_who_came_meanwhile(crowd: Crowd) -> None:
    """Or two that pause again and again, as two large uploads do, would let nobody else begin."""
    first_pauses, disk, second = threading.Event(), threading.Event(), threading.Event()

    def pause() -> None:
        with crowd.scheduler.blocking():
            assert disk.wait(FOREVER)
        crowd._note("first again")

    first = crowd.come("first", first_pauses, pause)
    crowd.come("second", second)
    first_pauses.set()
    crowd.wait_until_began("first", "second")
    third = crowd.come("third", OPENED)
    disk.set()
    wait_until(lambda: len(crowd.scheduler._queue) == 2)
    second.set()
    crowd.wait_until_began("first", "second", "third", "first again")
    first.result(FOREVER)
    third.result(FOREVER)


def test_who_takes_very_long_is_not_waited_for() -> None:
    with ThreadPoolExecutor(8) as threads:
        crowd = Crowd(Scheduler(seconds=0.001), threads)
        ends = threading.Event()
        first = crowd.come("first", ends)
        for name in ("second", "third"):
            threads.submit(crowd._take, name, OPENED, lambda: None).result(FOREVER)
        assert not first.done()
        ends.set()
        first.result(FOREVER)
        assert crowd.scheduler._current is None


def test_without_a_turn_there_is_nothing_to_leave_or_to_come_back_to(crowd: Crowd) -> None:
    held = threading.Event()
    crowd.come("first", held)
    crowd.wait_until_began("first")
    crowd.scheduler.detach()
    with crowd.scheduler.blocking():
        pass
    assert crowd.scheduler._current is not None
    held.set()


def test_only_a_wait_for_the_turn_is_told(crowd: Crowd, kept: Kept) -> None:
    ends = threading.Event()
    first = crowd.come("first", ends)
    crowd.wait_until_began("first")
    second = crowd.come("second", OPENED)
    wait([second], timeout=0.02)
    ends.set()
    wait([first, second], timeout=FOREVER)
    assert len(kept.seconds(Duration.TURN_WAIT)) == 1
