"""The delivery: in order for each key, again after failures, and given up in the end."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from storage_app.domain.changes import Change, ChangeKind
from storage_app.domain.times import now
from storage_app.events import delivery
from storage_app.events.delivery import Deliverer
from storage_app.events.endpoint import Endpoint
from storage_app.index import Index, Outbox, State
from storage_app.index.outbox import Event
from tests.support.core import A_TIME, a_bucket, a_file
from tests.support.disruptions import wait_until
from tests.support.receiver import Receiver


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with closing(Index(tmp_path / "index.sqlite3")) as index:
        index.create()
        with index.fill() as transaction:
            transaction.complete()
        yield index


@pytest.fixture
def outbox(index: Index, tmp_path: Path) -> Iterator[Outbox]:
    with closing(index.outbox(tmp_path / "events.sqlite3", durable=False)) as outbox:
        outbox.create()
        yield outbox


@pytest.fixture
def commit(index: Index) -> Callable[..., None]:
    """Commit changes of keys, as a process does that dies before it puts them into the outbox."""
    seconds = count()

    def run(*keys: str) -> None:
        with index.write() as transaction:
            for key in keys:
                at = A_TIME + timedelta(seconds=next(seconds))
                transaction.announce(Change(ChangeKind.FILE_UPDATED, a_bucket(), at, a_file(key)))

    return run


@contextmanager
def delivering(index: Index, outbox: Outbox, endpoint: Endpoint) -> Iterator[Deliverer]:
    deliverer = Deliverer(index, outbox, endpoint)
    deliverer.start()
    yield deliverer
    deliverer.stop()


def test_events_of_a_key_come_in_their_order(
    index: Index, outbox: Outbox, endpoint: Endpoint, receiver: Receiver, commit: Callable[..., None]
) -> None:
    commit(*"aabbabcabc")
    receiver.answer = lambda number: 500 if number % 3 == 0 else 204
    with delivering(index, outbox, endpoint):
        receiver.wait_for(10)
    for events in receiver.by_key().values():
        assert [event.sequence for event in events] == sorted(event.sequence for event in events)
    assert outbox.counts() == {State.DUE: 0, State.DELIVERED: 10, State.DEAD: 0}


def test_keys_do_not_wait_for_each_other(
    index: Index, outbox: Outbox, endpoint: Endpoint, receiver: Receiver, commit: Callable[..., None]
) -> None:
    commit("a")
    receiver.answer = lambda number: 500 if number == 0 else 204
    with delivering(index, outbox, endpoint):
        wait_until(lambda: receiver.statuses == [500])
        commit("a", "b")
        assert receiver.wait_for(1)[0].data["id"] == "b"
        receiver.wait_for(3)


def test_receiver_that_is_gone_is_sent_nothing_more(
    index: Index, outbox: Outbox, endpoint: Endpoint, receiver: Receiver, commit: Callable[..., None]
) -> None:
    receiver.answer = lambda _: 410
    commit("a")
    with delivering(index, outbox, endpoint):
        wait_until(lambda: receiver.statuses == [410])
        commit("b")
        wait_until(lambda: outbox.counts()[State.DUE] == 2 and not index.announced(limit=1))
    assert receiver.statuses == [410]


def a_failed_event(attempts: int, *, hours: float) -> Event:
    change = Change(ChangeKind.FILE_UPDATED, a_bucket(), A_TIME, a_file())
    first = now() - timedelta(hours=hours)
    return Event("evt", State.DUE, change, A_TIME, first if attempts else None, attempts, None)


@pytest.mark.parametrize(
    ("attempts", "hours", "least", "most"), [(0, 0, 0.5, 1), (1, 0, 1, 2), (5, 0, 16, 32), (12, 3, 1800, 3600)]
)
def test_pause_doubles_up_to_an_hour(attempts: int, hours: float, least: float, most: float) -> None:
    pauses = [delivery.pause_after(a_failed_event(attempts, hours=hours)) for _ in range(50)]
    assert None not in pauses
    assert least <= min(each.total_seconds() for each in pauses if each)
    assert max(each.total_seconds() for each in pauses if each) <= most
    assert len(set(pauses)) > 1  # so that not all come at once


def test_event_is_given_up_after_a_day() -> None:
    assert delivery.pause_after(a_failed_event(30, hours=23.9)) is not None
    assert delivery.pause_after(a_failed_event(30, hours=24.1)) is None


def test_failure_of_the_outbox_ends_no_delivery(
    index: Index, outbox: Outbox, endpoint: Endpoint, receiver: Receiver, commit: Callable[..., None]
) -> None:
    commit("a")
    with delivering(index, outbox, endpoint):
        receiver.wait_for(1)
        with outbox._engine.connect() as connection:
            outbox._table.drop(connection)
        commit("b")
        outbox.create()
        receiver.wait_for(2)
