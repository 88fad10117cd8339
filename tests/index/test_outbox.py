"""The outbox on each database: what is due, in which order, and what becomes of it."""

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from storage_app.domain.changes import Change, ChangeKind
from storage_app.domain.times import now
from storage_app.errors import Unavailable
from storage_app.index import Event, Index, Outbox, State
from storage_app.index import outbox as module
from tests.support.core import A_TIME, a_bucket, a_file
from tests.support.disruptions import wait_until

AT_ONCE = timedelta(0)


@pytest.fixture
def make_outbox(tmp_path: Path, make_index: Callable[[], Index]) -> Callable[[], tuple[Index, Outbox]]:
    """Open the index and its outbox, as often as it is called: each pair is like one process."""

    def make() -> tuple[Index, Outbox]:
        index = make_index()
        outbox = index.outbox(tmp_path / "events.sqlite3", durable=True)
        outbox.create()
        return index, outbox

    return make


@pytest.fixture
def outbox(index: Index, make_outbox: Callable[[], tuple[Index, Outbox]]) -> Iterator[Outbox]:
    _, made = make_outbox()
    with closing(made):
        yield made


@pytest.fixture
def add(make_outbox: Callable[[], tuple[Index, Outbox]]) -> Callable[..., list[str]]:
    """Commit changes, and return their ids."""
    index, outbox = make_outbox()

    def commit(*changes: Change) -> list[str]:
        with index.write() as transaction:
            for change in changes:
                transaction.announce(change)
        outbox.put(transaction.announced)
        return [change.id for change in changes]

    return commit


def change(key: str = "a", seconds: int = 0, **fields: object) -> Change:
    at = A_TIME + timedelta(seconds=seconds)
    return replace(Change(ChangeKind.FILE_CREATED, a_bucket(), at, a_file(key)), **fields)  # type: ignore[arg-type]


def due(outbox: Outbox, limit: int = 10) -> list[Event]:
    return outbox.due(settled=AT_ONCE, limit=limit)


def ids(events: list[Event]) -> list[str]:
    return [event.id for event in events]


def test_event_is_the_change_that_was_announced(outbox: Outbox, add: Callable[..., list[str]]) -> None:
    file = a_file("ж", metadata={"k": [1, "ü"]}, cache_control="no-cache")
    changes = [
        change(file=file, source=("other", "b"), notify="it's 50% :of"),
        Change(ChangeKind.BUCKET_DELETED, a_bucket(), A_TIME + timedelta(seconds=1)),
    ]
    add(*changes)
    assert [event.change for event in outbox.events([State.DUE], limit=10)] == changes


def test_first_event_of_each_key_is_due(outbox: Outbox, add: Callable[..., list[str]]) -> None:
    later, other, first = add(change(seconds=2), change("b", 9), change(seconds=1))
    found = due(outbox)
    assert sorted(ids(found)) == sorted([first, other])
    outbox.delivered(found)
    assert ids(due(outbox)) == [later]


def test_event_waits_for_its_neighbours(outbox: Outbox, add: Callable[..., list[str]]) -> None:
    add(replace(change(), at=now()))
    assert outbox.due(settled=timedelta(hours=1), limit=10) == []
    assert len(outbox.due(settled=timedelta(hours=-1), limit=10)) == 1


def test_event_that_is_put_twice_is_one(outbox: Outbox, add: Callable[..., list[str]]) -> None:
    add(change())
    outbox.delivered(due(outbox))
    add(change())
    assert due(outbox) == []


def test_failed_event_holds_up_its_key_alone(outbox: Outbox, add: Callable[..., list[str]]) -> None:
    first, later, other = add(change(), change(seconds=1), change("b"))
    (failed,) = [event for event in due(outbox) if event.id == first]
    outbox.failed(failed, "it answered 500", again_at=now() + timedelta(hours=1))
    assert ids(due(outbox)) == [other]
    (found,) = [event for event in outbox.events([State.DUE], limit=10) if event.id == first]
    assert (found.attempts, found.failure, found.first_tried_at is not None) == (1, "it answered 500", True)
    outbox.failed(found, "it answered 500", again_at=None)
    assert sorted(ids(due(outbox))) == sorted([later, other])
    assert ids(outbox.events([State.DEAD], limit=10)) == [first]


def test_event_is_replayed_as_it_was(outbox: Outbox, add: Callable[..., list[str]]) -> None:
    (event_id,) = add(change())
    (event,) = due(outbox)
    outbox.failed(event, "it answered 500", again_at=None)
    assert outbox.replay([event_id, "evt_unknown"]) == 1
    (again,) = due(outbox)
    assert (again.id, again.change, again.attempts, again.failure) == (event_id, event.change, 0, None)


def test_events_are_listed_in_pages(outbox: Outbox, add: Callable[..., list[str]]) -> None:
    expected = sorted(add(*(change(key) for key in "abc"))) + add(change("a", 1))
    found: list[Event] = []
    while page := outbox.events(
        [*State], after=(found[-1].id, found[-1].change.sequence) if found else ("", -1), limit=2
    ):
        found += page
    assert ids(found) == expected


def test_counts_and_the_oldest(outbox: Outbox, add: Callable[..., list[str]]) -> None:
    assert (outbox.counts(), outbox.oldest_due()) == ({State.DUE: 0, State.DELIVERED: 0, State.DEAD: 0}, None)
    add(change(), change("b", 1), change("c", 2))
    first, second, _ = due(outbox)
    outbox.delivered([first])
    outbox.failed(second, "no", again_at=None)
    assert outbox.counts() == {State.DUE: 1, State.DELIVERED: 1, State.DEAD: 1}
    assert outbox.oldest_due() == A_TIME + timedelta(seconds=2)


def test_delivered_events_are_dropped_after_a_while(outbox: Outbox, add: Callable[..., list[str]]) -> None:
    _, due_still = add(change(), change("b"))
    outbox.delivered(due(outbox)[:1])
    outbox.prune(now() - timedelta(hours=1))
    assert len(outbox.events([*State], limit=10)) == 2
    outbox.prune(now() + timedelta(hours=1))
    assert len(outbox.events([*State], limit=10)) == 1
    assert due_still


def test_full_outbox_drops_delivered_events_first_and_then_loses_new_ones(
    make_outbox: Callable[[], tuple[Index, Outbox]],
    index: Index,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "MAX_EVENTS", 3)
    monkeypatch.setattr(module, "_BATCH", 1)
    ours, outbox = make_outbox()

    def add(*changes: Change) -> None:
        with ours.write() as transaction:
            for each in changes:
                transaction.announce(each)
        outbox.put(transaction.announced)
        ours.forward(outbox)

    add(change("a"), change("b", 1), change("c", 2))
    outbox.delivered(due(outbox)[:2])
    outbox.prune(now() - timedelta(hours=1))
    assert outbox.counts() == {State.DUE: 1, State.DELIVERED: 1, State.DEAD: 0}
    add(change("d", 3), change("e", 4))
    outbox.prune(now() - timedelta(hours=1))
    outbox.prune(now() - timedelta(hours=1))
    assert outbox.measure()
    add(change("lost", 5))
    assert ([record.levelname for record in caplog.records], outbox.counts()[State.DUE]) == (["ERROR"], 3)
    outbox.delivered(due(outbox))
    outbox.prune(now() - timedelta(hours=1))
    add(change("kept", 6))
    assert len(caplog.records) == 1
    assert [event.change.key for event in due(outbox)] == ["kept"]


def delivers(outbox: Outbox) -> bool:
    with outbox.delivering() as is_ours:
        return is_ours


def test_only_one_process_delivers(make_outbox: Callable[[], tuple[Index, Outbox]], index: Index) -> None:
    (_, one), (_, other) = make_outbox(), make_outbox()
    with one.delivering() as first, other.delivering() as second:
        assert (first, second) == (True, False)
    wait_until(lambda: delivers(other))  # a server frees the lock when it learns that the connection was closed


def test_lost_lock_is_noticed(make_outbox: Callable[[], tuple[Index, Outbox]], index: Index) -> None:
    (_, one), (_, other) = make_outbox(), make_outbox()
    with suppress(Unavailable), one.delivering() as is_first:
        assert is_first
        one.check_delivering()
        if one.path is not None:
            return  # the lock is a file's, and no connection's
        ended = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 6168539"
        with index._engine.connect() as connection:
            connection.execute(sa.text(ended))
        wait_until(lambda: delivers(other))
        with pytest.raises(Unavailable):
            one.check_delivering()


def test_outbox_that_cannot_be_used_is_one_sentence(outbox: Outbox, add: Callable[..., list[str]]) -> None:
    with outbox._engine.begin() as connection:
        outbox._table.drop(connection)
    with pytest.raises(Unavailable, match="The outbox of webhooks cannot be used right now"):
        outbox.counts()


def test_lock_is_free_after_a_failure(make_outbox: Callable[[], tuple[Index, Outbox]], index: Index) -> None:
    (_, one), (_, other) = make_outbox(), make_outbox()
    with pytest.raises(ZeroDivisionError), one.delivering():
        raise ZeroDivisionError
    wait_until(lambda: delivers(other))


def test_later_events_of_a_failed_key_are_due_when_it_is(outbox: Outbox, add: Callable[..., list[str]]) -> None:
    first, later, last = add(change(), change(seconds=1), change(seconds=2))
    (failed,) = due(outbox)
    outbox.failed(failed, "it answered 500", again_at=now() + timedelta(hours=1))
    assert all(event.change for event in outbox.events([State.DUE], limit=10))
    outbox.replay([first])
    (again,) = due(outbox)
    outbox.delivered([replace(again, attempts=1)])
    assert ids(due(outbox)) == [later]
    assert last
