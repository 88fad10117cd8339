"""The outbox: events that are to be delivered. It is no cache, so no rebuild and no power cut takes an event from it.

With SQLite it is a database of its own: what a transaction of the index announces is in the index after COMMIT, then
here, and only then the client is answered. On PostgreSQL the transaction puts it here itself.
"""

import logging
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects.sqlite import insert

from ..domain.changes import Change
from ..domain.times import now
from ..errors import InsufficientStorage, Unavailable
from ..host import measures
from ..host.locks import if_free
from . import rows, schema, statements
from .group_commit import GroupCommit
from .postgres import Postgres
from .sqlite import Sqlite

log = logging.getLogger(__name__)

# Events are kept up to either of these.
MAX_EVENTS, MAX_BYTES = 1_000_000, 1024**3
_BATCH = 1000
_ADD = insert(schema.outbox).values(statements.EVENT).on_conflict_do_nothing()
_DELIVERY = 0x5E1FDB  # an advisory lock of the server


class State(StrEnum):
    """The state of an event. A delivered one is kept for a while, and a dead one until an operator sends it again."""

    DUE = "due"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Event:
    """An event in the outbox, with what is known of its delivery."""

    id: str
    state: State
    change: Change
    since: datetime
    first_tried_at: datetime | None
    attempts: int
    failure: str | None


class Outbox:
    """The outbox of a store. Several threads and processes may use it.

    A method raises `Unavailable` if the database fails, and `InsufficientStorage` if the disk is full.
    """

    def __init__(self, of_index: Sqlite | Postgres, own: Sqlite | None) -> None:
        """The outbox is the database `own`. Without that, it is in that of the index, which is on a server."""
        self._of_index = of_index
        self._own = own
        self._table = schema.outbox_on_server if own is None else schema.outbox
        self._engine = (self._own or of_index).engine
        # SQLAlchemy's statements raise the first, those that go to the driver the second.
        self._errors = (exc.DBAPIError, self._engine.dialect.loaded_dbapi.Error, exc.TimeoutError)
        self._announcing = statements.ANNOUNCE_ON_SERVER if self._own is None else statements.ANNOUNCE
        self._grouped: GroupCommit[sa.Connection] = GroupCommit(self._begun)
        self._holds_lock: sa.Connection | None = None  # on a server
        self.is_damaged = False

    @property
    def path(self) -> Path | None:
        """The path of the outbox, None if it is in the database of the index."""
        return None if self._own is None else self._own.path

    def create(self) -> None:
        """Create the table if it is missing, and have transactions of the index announce their changes from now on."""
        metadata = schema.DURABLE_ON_SERVER if self._own is None else schema.DURABLE
        with self._translating():
            metadata.create_all(self._engine)
        self.measure()
        self._of_index.announcing = self._announcing

    def close(self) -> None:
        if self._own is not None:
            self._own.close()

    # What is announced

    def put(self, announced: Sequence[Mapping[str, Any]]) -> None:
        """Add the events that a committed transaction of the index has announced. Those that are here stay.

        If the outbox is full, they are lost, and counted.
        """
        if self._of_index.outbox_is_full:
            for row in announced:
                measures.count(measures.Event.LOST_WEBHOOK)
                log.error("an event is lost, because the outbox is full", extra={"event": row["id"]})
        else:
            self.add(announced)

    def add(self, announced: Sequence[Mapping[str, Any]]) -> None:
        """Add events like `put`, whether or not there is room."""
        own = self._own
        if announced and own is not None:
            sql = own.sql[_ADD]

            def add(connection: sa.Connection) -> None:
                _driver(connection).executemany(sql, announced)

            self._grouped.run(add)

    # Delivery

    def due(self, *, settled: timedelta, limit: int) -> list[Event]:
        """Return up to `limit` events to deliver now, the first one of each key, if it came at least `settled` ago."""
        table, earlier = self._table.c, self._table.alias().c
        before = sa.and_(
            earlier.bucket_uid == table.bucket_uid,
            earlier.key == table.key,
            earlier.sequence < table.sequence,
            earlier.state == State.DUE.value,
        )
        at = rows.to_microseconds(now())
        query = (
            sa.select(self._table)
            .where(table.state == State.DUE.value, table.due_at <= at)
            .where(sa.or_(table.attempts > 0, table.since <= at - settled // timedelta(microseconds=1)))
            .where(~sa.exists().where(before))
            .order_by(table.due_at)
            .limit(limit)
        )
        return list(map(_event, self._all(query)))

    def delivering(self) -> AbstractContextManager[bool]:
        """Become the only one of all processes that delivers, for the body of `with`. Yields whether that succeeded."""
        if self._own is not None:
            return if_free(self._own.path.with_name("deliver.lock"))
        return self._delivering_on_server()

    @contextmanager
    def _delivering_on_server(self) -> Iterator[bool]:
        with self._translating(), self._engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")  # an open transaction would keep old rows
            connection.detach()  # so that it is closed in the end, which frees the lock
            self._holds_lock = connection
            try:
                yield bool(connection.execute(sa.select(sa.func.pg_try_advisory_lock(_DELIVERY))).scalar())
            finally:
                self._holds_lock = None

    def check_delivering(self) -> None:
        """Raise `Unavailable` if this process has lost what makes it the only one that delivers.

        A server frees the lock with the connection, and another process delivers then.
        """
        if self._holds_lock is not None:
            with self._translating():
                self._holds_lock.execute(sa.select(sa.literal(1)))

    def delivered(self, events: Collection[Event]) -> None:
        """Note that the events were received."""
        if events:
            self._change(self._are(events), state=State.DELIVERED, failure=None)
        for event in events:
            if event.attempts:
                self._put_off_others(event, now())

    def failed(self, event: Event, failure: str, *, again_at: datetime | None) -> None:
        """Note a failed attempt. Without `again_at` it was the last."""
        values: dict[str, Any] = {"failure": failure, "attempts": event.attempts + 1}
        if event.first_tried_at is None:
            values["first_tried_at"] = rows.to_microseconds(now())
        if again_at is None:
            self._change(self._are([event]), state=State.DEAD, **values)
        else:
            self._change(self._are([event]), state=State.DUE, due_at=rows.to_microseconds(again_at), **values)
        self._put_off_others(event, again_at or now())

    def _put_off_others(self, event: Event, until: datetime) -> None:
        """Have the other events of the key wait until then. So `due` need not look at what must wait anyway."""
        table = self._table.c
        of_key = sa.and_(table.bucket_uid == event.change.bucket.uid, table.key == (event.change.key or ""))
        others = sa.and_(of_key, table.state == State.DUE.value, table.id != event.id)
        with self._begun() as connection:
            connection.execute(sa.update(self._table).where(others).values(due_at=rows.to_microseconds(until)))

    def replay(self, ids: Collection[str]) -> int:
        """Have the events delivered again, with the same ids. Return how many there are."""
        anew = {"due_at": rows.to_microseconds(now()), "attempts": 0, "first_tried_at": None, "failure": None}
        return self._change(self._table.c.id.in_(ids), state=State.DUE, **anew)

    def _are(self, events: Collection[Event]) -> sa.ColumnElement[bool]:
        table = self._table.c
        keys = [(event.change.bucket.uid, event.change.key or "", event.change.sequence, event.id) for event in events]
        return sa.tuple_(table.bucket_uid, table.key, table.sequence, table.id).in_(keys)

    # What is here

    def events(self, states: Collection[State], *, after: tuple[str, int] = ("", -1), limit: int) -> list[Event]:
        """Return up to `limit` events in these `states`, by sequence, from the first one after an id and a sequence."""
        table = self._table.c
        event_id, sequence = after
        further = sa.or_(table.sequence > sequence, sa.and_(table.sequence == sequence, table.id > event_id))
        query = sa.select(self._table).where(table.state.in_([state.value for state in states]), further)
        return list(map(_event, self._all(query.order_by(table.sequence, table.id).limit(limit))))

    def counts(self) -> dict[State, int]:
        """Return how many events are in each state."""
        table = self._table.c
        found = dict(map(tuple, self._all(sa.select(table.state, sa.func.count()).group_by(table.state))))
        return {state: found.get(state.value, 0) for state in State}

    def oldest_due(self) -> datetime | None:
        """Return since when the oldest event waits that was not delivered."""
        query = sa.select(sa.func.min(self._table.c.sequence)).where(self._table.c.state == State.DUE.value)
        (found,) = self._all(query)
        return None if found[0] is None else rows.from_microseconds(found[0])

    # Bounds

    def prune(self, until: datetime) -> None:
        """Drop events that were delivered before `until`, and more of the oldest if there are too many in all."""
        table = self._table.c
        delivered = table.state == State.DELIVERED.value
        with self._begun() as connection:
            connection.execute(sa.delete(self._table).where(delivered, table.since < rows.to_microseconds(until)))
        while self.measure():
            oldest = sa.select(table.id).where(delivered).order_by(table.since).limit(_BATCH)
            with self._begun() as connection:
                if not connection.execute(sa.delete(self._table).where(table.id.in_(oldest))).rowcount:
                    return

    def measure(self) -> bool:
        """Find out whether the outbox is full, and return it. Then new events are lost."""
        query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(sa.func.length(self._table.c.body)), 0))
        ((count, size),) = self._all(query)
        is_full: bool = count >= MAX_EVENTS or size >= MAX_BYTES
        self._of_index.outbox_is_full = is_full
        return is_full

    # The database

    def _change(self, which: sa.ColumnElement[bool], **values: Any) -> int:
        values = {name: value.value if isinstance(value, State) else value for name, value in values.items()}
        values["since"] = rows.to_microseconds(now())
        with self._begun() as connection:
            changed = sa.update(self._table).where(which).values(**values)
            return connection.execute(changed).rowcount

    @contextmanager
    def _begun(self) -> Iterator[sa.Connection]:
        with self._translating():
            if self._own is not None:
                with self._own.transaction(()) as connection:
                    yield connection
            else:
                with self._engine.begin() as connection:
                    yield connection

    def _all(self, query: sa.Select[Any]) -> Sequence[Sequence[Any]]:
        with self._translating(), self._engine.connect() as connection:
            return connection.execute(query).all()

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            database = self._own or self._of_index
            cause = getattr(error, "orig", error)
            self.is_damaged = database.is_damaged(cause)
            if database.is_full(cause):
                raise InsufficientStorage("The disk is full; delete files or ask the operator for room.") from error
            raise Unavailable("The outbox of webhooks cannot be used right now; ask the operator.") from error


def _driver(connection: sa.Connection) -> sqlite3.Connection:
    return cast(sqlite3.Connection, connection.connection.dbapi_connection)


def _event(row: Any) -> Event:
    tried = row.first_tried_at
    return Event(
        id=row.id,
        state=State(row.state),
        change=rows.change_from_body(row.body),
        since=rows.from_microseconds(row.since),
        first_tried_at=None if tried is None else rows.from_microseconds(tried),
        attempts=row.attempts,
        failure=row.failure,
    )
