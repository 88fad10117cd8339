"""One write transaction on the index: its locks, reads and writes."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Protocol, cast

import sqlalchemy as sa

from ..domain.buckets import Bucket, Totals
from ..domain.files import File
from ..domain.intents import Intent, PendingDeletion
from ..domain.reservations import Reservation
from ..domain.times import now
from . import page_queries, rows, schema, statements
from .compiled import Compiled, Driver, Statement
from .schema import bucket_grants, buckets, files, intents, pending_deletions, reservations

# Makes something on the disk durable.
Sync = Callable[[], object]


class Database(Protocol):
    """The operations of a transaction that differ between databases."""

    sql: Compiled

    def lock(self, connection: sa.Connection, *names: str, shared: bool) -> None:
        """Wait for the locks called `names`, one after the other. They are held until the transaction ends."""

    def sync_first(self, sync: Sync) -> None:
        """Sync now if a COMMIT is durable at once; otherwise do nothing."""

    def insert(self, table: sa.Table) -> Any:
        """Return an INSERT that has `on_conflict_do_update`."""


class Transaction:
    """An open write transaction. Totals change in the same transaction as the rows that they count."""

    def __init__(self, connection: sa.Connection, database: Database, syncs: list[Sync]) -> None:
        self._connection = connection
        self._database = database
        self._syncs = syncs
        self._driver = cast(Driver, connection.connection.dbapi_connection)
        self._sql = database.sql
        self._counted: dict[str, tuple[int, int]] = {}

    # The disk

    def sync(self, sync: Sync) -> None:
        """Call `sync` before COMMIT if that is durable at once, and after it if a power cut may take it back."""
        self._syncs.append(sync)

    def sync_first(self, sync: Sync) -> None:
        """Call `sync` now if COMMIT is durable at once. If a power cut may take COMMIT back, do nothing."""
        self._database.sync_first(sync)

    # Locks are held until the transaction ends. A bucket is locked before its keys, which prevents deadlocks.

    def lock_bucket(self, name: str) -> None:
        """Lock the bucket called `name` and all its keys. Waits until no other transaction holds any of these locks."""
        self._database.lock(self._connection, f"bucket {name}", shared=False)

    def lock_keys(self, keys: Collection[tuple[str, str]], *, whole_buckets: Collection[str] = ()) -> None:
        """Lock `keys`, pairs of a bucket's name and a key, and, shared, their buckets. Waits for other holders.

        The buckets in `whole_buckets` are locked as by `lock_bucket`. Call it once in a transaction.
        """
        for name in sorted({name for name, _ in keys}):
            self._database.lock(self._connection, f"bucket {name}", shared=name not in whole_buckets)
        ordered = [f"key {name}/{key}" for name, key in sorted(set(keys))]
        self._database.lock(self._connection, *ordered, shared=False)

    # Buckets

    def bucket(self, uid: str) -> tuple[Bucket, Totals] | None:
        """Return the bucket with this uid."""
        return self._bucket(statements.BUCKET_WITH, uid=uid)

    def bucket_named(self, name: str) -> tuple[Bucket, Totals] | None:
        """Return the bucket called `name`."""
        return self._bucket(statements.BUCKET_NAMED, name=name)

    def put_bucket(self, bucket: Bucket) -> None:
        """Insert the bucket, or replace its settings and grants. Its totals stay."""
        row = rows.BUCKETS.to_row(bucket)
        statement = self._database.insert(buckets).values(file_count=0, total_size=0, **row)
        self._connection.execute(statement.on_conflict_do_update(index_elements=[buckets.c.uid], set_=row))
        self._connection.execute(sa.delete(bucket_grants).where(bucket_grants.c.bucket_uid == bucket.uid))
        if bucket.grants:
            grants = [{"grantee": grantee, "bucket_uid": bucket.uid} for grantee in bucket.grants]
            self._connection.execute(sa.insert(bucket_grants), grants)

    def drop_bucket(self, uid: str) -> None:
        """Delete the bucket's row. The rows of its files stay, unreachable, until `drop_files_of`."""
        self._connection.execute(sa.delete(bucket_grants).where(bucket_grants.c.bucket_uid == uid))
        self._connection.execute(sa.delete(buckets).where(buckets.c.uid == uid))

    # Files

    def file(self, bucket_uid: str, key: str) -> File | None:
        """Return the file of `key`."""
        row = self._one(statements.FILE, of_bucket=bucket_uid, of_key=key)
        return None if row is None else rows.FILES.from_row(row)

    def files(self, bucket_uid: str, keys: Collection[str]) -> dict[str, File]:
        """Return the files of `keys`, by key, in one query. A key without a file is left out."""
        found = self._connection.execute(page_queries.by_keys_query(bucket_uid, keys))
        return {file.key: file for file in map(rows.FILES.from_row, found)}

    def bucket_and_file(self, bucket_uid: str, key: str) -> tuple[Bucket, Totals, File | None] | None:
        """Return the bucket with its totals and its file of `key`, in one lookup. Return None without the bucket."""
        self.flush()
        row = self._one(statements.BUCKET_WITH_AND_FILE, uid=bucket_uid, of_key=key)
        return None if row is None else rows.bucket_and_file_from(row)

    def put_file(self, file: File, replaced: File | None) -> None:
        """Insert the file's row, or switch it from `replaced` to `file`. Counts the difference in the totals."""
        row = rows.FILES.to_row(file)
        if replaced is None:
            self._run(statements.ADD_FILE, **row)
            self._count(file.bucket_uid, 1, file.size)
        else:
            self._run(statements.SWITCH_FILE, **row, **_this(file))
            self._count(file.bucket_uid, 0, file.size - replaced.size)

    def drop_file(self, file: File) -> None:
        """Delete the file's row, and count it out of the totals."""
        self._run(statements.DROP_FILE, **_this(file))
        self._count(file.bucket_uid, -1, -file.size)

    def drop_files(self, bucket_uid: str, batch: Sequence[File]) -> None:
        """Delete the rows of many files of one bucket, and count them out of its totals."""
        keys = [file.key for file in batch]
        self._connection.execute(sa.delete(files).where(files.c.bucket_uid == bucket_uid, files.c.key.in_(keys)))
        self._count(bucket_uid, -len(batch), -sum(file.size for file in batch))

    def add_files(self, bucket_uid: str, batch: Sequence[File]) -> None:
        """Insert many files that have no row yet."""
        if batch:
            self._connection.execute(sa.insert(files), [rows.FILES.to_row(file) for file in batch])
            self._count(bucket_uid, len(batch), sum(file.size for file in batch))

    def drop_files_of(self, bucket_uid: str, *, limit: int) -> int:
        """Delete up to `limit` rows of files of a dropped bucket. Return the number deleted."""
        keys = sa.select(files.c.key).where(files.c.bucket_uid == bucket_uid).limit(limit)
        return self._connection.execute(
            sa.delete(files).where(files.c.bucket_uid == bucket_uid, files.c.key.in_(keys))
        ).rowcount

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
        """Return the intents on `keys` of one bucket."""
        if len(keys) == 1:
            found = self._all(statements.INTENTS_ON_KEY, bucket_uid=bucket_uid, key=keys[0])
        else:
            found = self._all(statements.INTENTS_IN_BUCKET, bucket_uid=bucket_uid)
        wanted = frozenset(keys)
        return [intent for intent in map(rows.INTENTS.from_row, found) if intent.key in wanted]

    def intents_on_bucket(self, name: str) -> list[Intent]:
        """Return the intents on the bucket called `name` itself."""
        return list(map(rows.INTENTS.from_row, self._all(statements.INTENTS_ON_BUCKET, name=name)))

    def reserved(self, bucket_uid: str, *, but: Intent | None = None, but_spooled: str | None = None) -> int:
        """Return how many bytes of the bucket's quota its intents and the spool reserve.

        Leaves out the intent `but`, and the reservation with the id `but_spooled`.
        """
        spooled = reservations.c.expires_at > rows.to_microseconds(now())
        return self._sum(intents, "size", bucket_uid, intents.c.id != ("" if but is None else but.id)) + self._sum(
            reservations, "growth", bucket_uid, sa.and_(spooled, reservations.c.id != (but_spooled or ""))
        )

    # Reservations for bodies that nginx spools

    def lock_reservations(self) -> None:
        """Lock all reservations. Waits for other holders. Lock the bucket before, if at all."""
        self._database.lock(self._connection, "reservations", shared=False)

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
        """Delete a reservation, if it is there."""
        self._connection.execute(sa.delete(reservations).where(reservations.c.id == reservation_id))

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

    def clear_deletion(self, deletion: PendingDeletion) -> None:
        """Delete a pending deletion that is done."""
        self._connection.execute(sa.delete(pending_deletions).where(pending_deletions.c.id == deletion.id))

    # The whole index

    def clear(self) -> None:
        """Empty every CACHE table, but for the properties of the index."""
        for table in schema.CACHE.sorted_tables:
            if table is not schema.properties:
                self._connection.execute(sa.delete(table))
        self._counted.clear()

    def flush(self) -> None:
        """Add what was counted to the totals. Done last, because PostgreSQL locks the bucket's row until COMMIT."""
        for uid, (count, size) in sorted(self._counted.items()):
            self._run(statements.COUNT, of_bucket=uid, files_more=count, bytes_more=size)
        self._counted.clear()

    def recount(self, bucket_uid: str) -> None:
        """Compute the totals of the bucket from its rows. Reads them all."""
        self._counted.pop(bucket_uid, None)
        of_bucket = files.c.bucket_uid == bucket_uid
        count = sa.select(sa.func.count()).select_from(files).where(of_bucket).scalar_subquery()
        size = sa.select(sa.func.coalesce(sa.func.sum(files.c.size), 0)).where(of_bucket).scalar_subquery()
        self._connection.execute(
            sa.update(buckets).where(buckets.c.uid == bucket_uid).values(file_count=count, total_size=size)
        )

    def make_incomplete(self) -> None:
        """Mark the index as incomplete, so that nobody else uses it."""
        self._connection.execute(sa.delete(schema.properties).where(schema.properties.c.name == "version"))

    def complete(self) -> None:
        """Mark the index as complete and of this version."""
        self._put_property("version", str(schema.VERSION))

    def owner(self) -> str | None:
        """Return the id of the store that the index was made for, None if it was made for none."""
        query = sa.select(schema.properties.c.value).where(schema.properties.c.name == "store")
        return self._connection.execute(query).scalar()

    def claim(self, store: str) -> None:
        """Make the index that of the store with this id."""
        self._put_property("store", store)

    def _put_property(self, name: str, value: str) -> None:
        self._connection.execute(sa.delete(schema.properties).where(schema.properties.c.name == name))
        self._connection.execute(sa.insert(schema.properties).values(name=name, value=value))

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

    def _bucket(self, query: Statement, **of: str) -> tuple[Bucket, Totals] | None:
        self.flush()
        row = self._one(query, **of)
        return None if row is None else rows.bucket_from(row)

    def _count(self, bucket_uid: str, count: int, size: int) -> None:
        counted = self._counted.get(bucket_uid, (0, 0))
        self._counted[bucket_uid] = (counted[0] + count, counted[1] + size)

    def _schedule(self, bucket_uid: str, key: str | None, blob: str | None, since: datetime) -> None:
        at = rows.to_microseconds(since)
        self._run(statements.SCHEDULE_DELETION, bucket_uid=bucket_uid, key=key, blob=blob, since=at)


def _this(file: File) -> dict[str, str]:
    return {"of_bucket": file.bucket_uid, "of_key": file.key}
