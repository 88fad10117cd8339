"""The rows of the journal in a write transaction: intents, reservations and pending deletions."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa

from ..domain.files import File
from ..domain.intents import Intent, PendingDeletion
from ..domain.reservations import Reservation
from ..domain.times import now
from . import rows, statements
from .compiled import Compiled, Driver, Statement
from .schema import intents, pending_deletions, reservations, resumables


class JournalRows:
    """The rows that do not come from sidecars. A rebuild with no other process alive drops them."""

    def __init__(self, connection: sa.Connection, sql: Compiled) -> None:
        self._connection = connection
        self._driver = cast(Driver, connection.connection.dbapi_connection)
        self._sql = sql

    # Intents

    def add_intent(self, intent: Intent) -> None:
        """Record an intent."""
        self._run(statements.ADD_INTENT, **rows.INTENTS.to_row(intent))

    def add_intents(self, batch: Sequence[Intent]) -> None:
        """Record many intents."""
        self._connection.execute(sa.insert(intents), [rows.INTENTS.to_row(intent) for intent in batch])

    def change_intent(self, intent: Intent) -> None:
        """Replace the recorded intent that has the id of `intent`."""
        self._run(statements.CHANGE_INTENT, intent_id=intent.id, **rows.INTENTS.to_row(intent))

    def intent(self, intent_id: str) -> Intent | None:
        """Return the intent with this id, or None if it was cleared."""
        row = self._one(statements.INTENT, intent_id=intent_id)
        return None if row is None else rows.INTENTS.from_row(row)

    def clear_intent(self, intent: Intent) -> None:
        """Delete a recorded intent."""
        self._run(statements.CLEAR_INTENT, intent_id=intent.id)

    def clear_intents(self, batch: Sequence[Intent]) -> None:
        """Delete many recorded intents."""
        self._connection.execute(sa.delete(intents).where(intents.c.id.in_([intent.id for intent in batch])))

    def intents(self) -> list[Intent]:
        """Return the intents of every process."""
        return list(map(rows.INTENTS.from_row, self._all(statements.INTENTS)))

    def intents_on(self, bucket_uid: str, *keys: str) -> list[Intent]:
        """Return the intents on `keys` of one bucket, moves from there included."""
        if len(keys) == 1:
            found = self._all(statements.INTENTS_ON_KEY, bucket_uid=bucket_uid, key=keys[0])
        else:
            found = self._all(statements.INTENTS_IN_BUCKET, bucket_uid=bucket_uid)
        wanted = {(bucket_uid, key) for key in keys}
        return [intent for intent in map(rows.INTENTS.from_row, found) if wanted & intent.places]

    def intents_on_bucket(self, name: str) -> list[Intent]:
        """Return the intents on the bucket called `name` itself."""
        return list(map(rows.INTENTS.from_row, self._all(statements.INTENTS_ON_BUCKET, name=name)))

    def reserved(self, bucket_uid: str, *, but: Intent | None = None, but_of: Collection[str] = ()) -> int:
        """Return how many bytes of the bucket's quota its intents, the spool and resumable uploads reserve.

        Leaves out the intent `but`, and the reservations with an id in `but_of`.
        """
        spooled = reservations.c.expires_at > rows.to_microseconds(now())
        return (
            self._sum(intents, "size", bucket_uid, intents.c.id != ("" if but is None else but.id))
            + self._sum(reservations, "growth", bucket_uid, sa.and_(spooled, reservations.c.id.not_in(but_of)))
            + self._sum(resumables, "growth", bucket_uid, sa.and_(resumables.c.is_open, resumables.c.id.not_in(but_of)))
        )

    # Reservations for bodies that nginx spools

    def reservations(self) -> tuple[int, int]:
        """Return the number of reservations that have not expired, and how many bytes of the disk they reserve."""
        count, size = self._all(statements.RESERVATIONS, at=rows.to_microseconds(now()))[0]
        return int(count), int(size)

    def reservations_of(self, uploader: str) -> tuple[int, int]:
        """Return what `reservations` returns, for those of one uploader."""
        count, size = self._all(statements.RESERVATIONS_OF, at=rows.to_microseconds(now()), uploader=uploader)[0]
        return int(count), int(size)

    def add_reservation(self, reservation: Reservation) -> None:
        """Record a reservation, or replace the one with its id. Deletes those that have expired."""
        expired = reservations.c.expires_at <= rows.to_microseconds(now())
        self._connection.execute(sa.delete(reservations).where(sa.or_(expired, reservations.c.id == reservation.id)))
        self._connection.execute(sa.insert(reservations).values(**rows.RESERVATIONS.to_row(reservation)))

    def end_reservations(self) -> None:
        """Delete every reservation."""
        self._connection.execute(sa.delete(reservations))

    def end_reservation(self, reservation_id: str) -> None:
        """Delete the reservation of a spooled body, or of a resumable upload, if it is there."""
        for table in (reservations, resumables):
            self._connection.execute(sa.delete(table).where(table.c.id == reservation_id))

    # Pending deletions

    def schedule_deletion(self, bucket_uid: str, key: str, blob: str, since: datetime) -> None:
        """Schedule a blob of `key`, which was replaced or deleted at `since`, for deletion."""
        self._schedule(bucket_uid, key, blob, since)

    def schedule_deletions(self, batch: Sequence[File], since: datetime) -> None:
        """Schedule the blobs of many files, which were deleted at `since`, for deletion."""
        at = rows.to_microseconds(since)
        pending = [{"bucket_uid": f.bucket_uid, "key": f.key, "blob": f.blob, "since": at} for f in batch]
        self._connection.execute(sa.insert(pending_deletions), pending)

    def schedule_bucket_deletion(self, uid: str, since: datetime) -> None:
        """Schedule the rest of a bucket, which was deleted at `since`, for deletion."""
        self._schedule(uid, None, None, since)

    def reschedule_deletions(self, after: datetime, since: datetime) -> None:
        """Set the time of all pending deletions that were scheduled after `after` to `since`."""
        late = pending_deletions.c.since > rows.to_microseconds(after)
        self._connection.execute(sa.update(pending_deletions).where(late).values(since=rows.to_microseconds(since)))

    def clear_deletions(self, batch: Sequence[PendingDeletion]) -> None:
        """Delete pending deletions that are done."""
        ids = [deletion.id for deletion in batch]
        self._connection.execute(sa.delete(pending_deletions).where(pending_deletions.c.id.in_(ids)))

    def _run(self, statement: Statement, **values: Any) -> None:
        self._driver.execute(self._sql[statement], values)

    def _all(self, query: Statement, **values: Any) -> Sequence[Sequence[Any]]:
        return self._driver.execute(self._sql[query], values).fetchall()

    def _one(self, query: Statement, **values: Any) -> Sequence[Any] | None:
        found = self._all(query, **values)
        return found[0] if found else None

    def _sum(self, table: sa.Table, column: str, bucket_uid: str, which: sa.ColumnElement[bool]) -> int:
        query = sa.select(sa.func.coalesce(sa.func.sum(table.c[column]), 0))
        return int(self._connection.execute(query.where(table.c.bucket_uid == bucket_uid, which)).scalar_one())

    def _schedule(self, bucket_uid: str, key: str | None, blob: str | None, since: datetime) -> None:
        at = rows.to_microseconds(since)
        self._run(statements.SCHEDULE_DELETION, bucket_uid=bucket_uid, key=key, blob=blob, since=at)
