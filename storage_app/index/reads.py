"""Every read of the index that needs no transaction."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from ..auth.permissions import BucketFilter
from ..domain.buckets import Bucket, Totals
from ..domain.files import File
from ..domain.intents import Intent, PendingDeletion
from ..domain.pages import Name
from ..domain.resumables import ResumableReservation
from ..domain.times import now
from ..errors import InsufficientStorage, StorageError, Unavailable
from ..host.parts import Part, part_of
from . import page_queries, rows, schema, statements
from .compiled import Statement
from .postgres import Postgres
from .sqlite import Sqlite


class Reads:
    """Reads of a database. Each raises `Unavailable` if the database fails.

    A position in a list by creation is `before`: microseconds since the epoch, and a key. None is the beginning.
    """

    def __init__(self, database: Sqlite | Postgres) -> None:
        self._database = database
        self._engine = database.engine
        # SQLAlchemy's statements raise the first, compiled ones the second, and the pool, if all are in use, the third.
        self._errors = (exc.DBAPIError, self._engine.dialect.loaded_dbapi.Error, exc.TimeoutError)

    def pending_deletions(self, until: datetime, *, after: int, limit: int) -> list[PendingDeletion]:
        """Return up to `limit` pending deletions scheduled at `until` or before, by id, with ids above `after`."""
        due = schema.pending_deletions.c.since <= rows.to_microseconds(until)
        query = sa.select(schema.pending_deletions).where(due, schema.pending_deletions.c.id > after)
        found = self._all(query.order_by(schema.pending_deletions.c.id).limit(limit))
        return [rows.PENDING_DELETIONS.from_row(row) for row in found]

    def has_deletions_after(self, moment: datetime) -> bool:
        """Return whether a pending deletion was scheduled after `moment`."""
        late = schema.pending_deletions.c.since > rows.to_microseconds(moment)
        return self._one(sa.select(schema.pending_deletions.c.id).where(late).limit(1)) is not None

    def explains(self, bucket_uid: str, blob: str) -> bool:
        """Return whether an intent in the index or a pending deletion names this blob."""
        intents, deletions = schema.intents.c, schema.pending_deletions.c
        named = (
            sa.select(intents.id).where(intents.bucket_uid == bucket_uid, intents.blob == blob),
            sa.select(intents.id).where(intents.source_uid == bucket_uid, intents.source_blob == blob),
            sa.select(deletions.id).where(deletions.bucket_uid == bucket_uid, deletions.blob == blob),
        )
        return any(self._one(query.limit(1)) for query in named)

    def announced(self, *, limit: int) -> list[dict[str, Any]]:
        """Return up to `limit` rows that transactions have announced, in their order."""
        query = sa.select(schema.announced).order_by(schema.announced.c.number).limit(limit)
        names = [column.name for column in schema.announced.columns]
        return [dict(zip(names, row, strict=True)) for row in self._all(query)]

    def count_deletions(self) -> int:
        """Return the number of pending deletions."""
        return self._count(schema.pending_deletions)

    def count_intents(self) -> int:
        """Return the number of intents in the index, of all processes."""
        return self._count(schema.intents)

    def intents_of(self, process: str) -> list[Intent]:
        """Return the intents of one process."""
        return [rows.INTENTS.from_row(row) for row in self._run(statements.INTENTS_OF, process=process)]

    def processes_with_intents(self) -> list[str]:
        """Return the ids of the processes that have intents in the index."""
        return [row[0] for row in self._all(sa.select(schema.intents.c.process).distinct())]

    def reserved_bytes(self) -> int:
        """Return how many bytes of the disk are reserved for the spool."""
        found = self._row(statements.RESERVATIONS, at=rows.to_microseconds(now()))
        return 0 if found is None else int(found[1])

    def open_resumables(self) -> tuple[int, int]:
        """Return the number of resumable uploads that are not finished, and how many bytes they may still send."""
        columns = schema.resumables.c
        unsent = sa.func.coalesce(sa.func.sum(columns.size - columns.received), 0)
        ((count, size),) = self._all(sa.select(sa.func.count(), unsent).where(columns.is_open))
        return int(count), int(size)

    def expired_resumables(self, until: datetime, *, limit: int) -> list[str]:
        """Return the ids of up to `limit` resumable uploads that expired at `until` or before, the oldest first."""
        columns = schema.resumables.c
        query = sa.select(columns.id).where(columns.expires_at <= rows.to_microseconds(until))
        return [row[0] for row in self._all(query.order_by(columns.expires_at).limit(limit))]

    def resumables(self, *, after: str, limit: int) -> list[ResumableReservation]:
        """Return what up to `limit` resumable uploads reserve, by id, from the first one after `after`."""
        columns = schema.resumables.c
        query = sa.select(schema.resumables).where(columns.id > after).order_by(columns.id).limit(limit)
        return [rows.RESUMABLES.from_row(row) for row in self._all(query)]

    def bucket_with(self, uid: str) -> Bucket | None:
        """Return the bucket with this uid."""
        row = self._row(statements.BUCKET_WITH, uid=uid)
        return None if row is None else rows.bucket_from(row)[0]

    def bucket(self, name: str) -> tuple[Bucket, Totals] | None:
        """Return the bucket called `name`."""
        row = self._row(statements.BUCKET_NAMED, name=name)
        return None if row is None else rows.bucket_from(row)

    def public_buckets_without_quota(self, *, limit: int) -> list[str]:
        """Return the names of up to `limit` public buckets without a quota."""
        columns = schema.buckets.c
        query = sa.select(columns.name).where(columns.is_public, columns.quota.is_(None)).order_by(columns.name)
        return [row[0] for row in self._all(query.limit(limit))]

    def file(self, bucket_uid: str, key: str) -> File | None:
        """Return the file of `key`."""
        row = self._row(statements.FILE, of_bucket=bucket_uid, of_key=key)
        return None if row is None else rows.FILES.from_row(row)

    def files(self, bucket_uid: str, keys: Collection[str]) -> dict[str, File]:
        """Return the files of `keys`, by key. A key without a file is left out."""
        found = self._all(page_queries.by_keys_query(bucket_uid, keys))
        return {file.key: file for file in map(rows.FILES.from_row, found)}

    def bucket_and_file(self, bucket_name: str, key: str) -> tuple[Bucket, File | None] | None:
        """Return the bucket called `bucket_name` and its file of `key`, in one lookup."""
        row = self._row(statements.BUCKET_NAMED_AND_FILE, name=bucket_name, of_key=key)
        if row is None:
            return None
        bucket, _, file = rows.bucket_and_file_from(row)
        return bucket, file

    def owns_any(self, bucket_uid: str, owner_id: str) -> bool:
        """Return whether `owner_id` owns a file of the bucket."""
        columns = schema.files.c
        query = sa.select(columns.key).where(columns.bucket_uid == bucket_uid, columns.owner_id == owner_id)
        return self._one(query.limit(1)) is not None

    def buckets(
        self, visible: BucketFilter, *, after: str | None, limit: int, skip: int = 0
    ) -> list[tuple[Bucket, Totals]]:
        """Return up to `limit` visible buckets by name, without the first `skip` of those after `after`."""
        found = self._all(page_queries.buckets_query(visible, after=after, limit=limit, skip=skip))
        return [rows.bucket_from(row) for row in found]

    def bucket_names(self, *, after: str | None, limit: int) -> list[str]:
        """Return the names of up to `limit` buckets, in order, from the first one after `after`."""
        name = schema.buckets.c.name
        query = sa.select(name).order_by(name).limit(limit)
        return [row[0] for row in self._all(query if after is None else query.where(name > after))]

    def largest_buckets(self, *, limit: int) -> tuple[list[tuple[str, Totals]], int, Totals]:
        """Return the names and totals of the `limit` largest buckets, the number of all buckets, and their totals.

        All of it is of one moment.
        """
        found = self._all(page_queries.largest_buckets_query(limit))
        if not found:
            return [], 0, Totals(0, 0)
        count, *every = map(int, found[0][3:])  # PostgreSQL's sums are decimals
        return [(row[0], Totals(row[1], row[2])) for row in found], count, Totals(*every)

    def files_by_key(self, bucket_uid: str, *, prefix: str, start: str, after: bool, limit: int) -> list[File]:
        """Return up to `limit` files with `prefix` by key, from `start` on; `after` leaves out `start` itself."""
        found = self._all(page_queries.by_key_query(bucket_uid, prefix=prefix, start=start, after=after, limit=limit))
        return [rows.FILES.from_row(row) for row in found]

    def files_by_creation(self, bucket_uid: str, *, before: tuple[int, str] | None, limit: int) -> list[File]:
        """Return up to `limit` files, newest first, older than `before`."""
        found = self._all(page_queries.by_creation_query(bucket_uid, before=before, limit=limit))
        return [rows.FILES.from_row(row) for row in found]

    def entries_by_key(
        self, bucket_uid: str, *, prefix: str, delimiter: str, start: str, after: bool, limit: int
    ) -> list[File]:
        """Return the first files of up to `limit` entries, from `start` on; `after` leaves out `start` itself.

        An entry is a file with `prefix`, or the files whose keys share the part up to the first `delimiter` behind it.
        """
        values = page_queries.entry_values(bucket_uid, prefix, delimiter, start, after=after)
        return [rows.FILES.from_row(row) for row in self._run(page_queries.FIRST_FILES, **values, limit=limit)]

    def entry_after(
        self, bucket_uid: str, *, prefix: str, delimiter: str, start: str, after: bool, skip: int
    ) -> str | None:
        """Return the key of the last of `skip` files that `entries_by_key` would return. None if there are fewer."""
        values = page_queries.entry_values(bucket_uid, prefix, delimiter, start, after=after)
        found = self._run(page_queries.FIRST_KEYS, **values, limit=skip)
        return found[-1][0] if len(found) == skip else None

    def names_by_key(self, bucket_uid: str, *, prefix: str, start: str, after: bool, limit: int) -> list[Name]:
        """Return the names of the files that `files_by_key` returns."""
        query = page_queries.by_key_query(
            bucket_uid, prefix=prefix, start=start, after=after, limit=limit, columns=page_queries.NAME
        )
        return [Name(*row) for row in self._all(query)]

    def names_by_creation(self, bucket_uid: str, *, before: tuple[int, str] | None, limit: int) -> list[Name]:
        """Return the names of the files that `files_by_creation` returns."""
        query = page_queries.by_creation_query(bucket_uid, before=before, limit=limit, columns=page_queries.NAME)
        return [Name(*row) for row in self._all(query)]

    def key_after(self, bucket_uid: str, *, prefix: str, start: str, after: bool, skip: int) -> str | None:
        """Return the last key of `skip` files that `files_by_key` would return. None if there are fewer."""
        query = page_queries.by_key_query(
            bucket_uid, prefix=prefix, start=start, after=after, limit=1, columns=page_queries.KEY
        )
        found = self._all(query.offset(skip - 1))
        return found[0][0] if found else None

    def creation_after(self, bucket_uid: str, *, before: tuple[int, str] | None, skip: int) -> tuple[int, str] | None:
        """Return the position after `skip` files that `files_by_creation` would return. None if there are fewer."""
        query = page_queries.by_creation_query(bucket_uid, before=before, limit=1, columns=page_queries.CREATION)
        found = self._all(query.offset(skip - 1))
        return (found[0][0], found[0][1]) if found else None

    @part_of(Part.INDEX)
    def _run(self, statement: Statement, **values: Any) -> Sequence[Sequence[Any]]:
        try:
            return self._database.look_up(statement, values)
        except self._errors as error:
            raise self.translated(error) from error

    def _row(self, statement: Statement, **values: Any) -> Sequence[Any] | None:
        found = self._run(statement, **values)
        return found[0] if found else None

    def _count(self, table: sa.Table) -> int:
        found = self._one(sa.select(sa.func.count()).select_from(table))
        return 0 if found is None else int(found[0])

    def _one(self, query: sa.Select[Any]) -> Sequence[Any] | None:
        found = self._all(query)
        return found[0] if found else None

    @part_of(Part.INDEX)
    def _all(self, query: sa.Select[Any]) -> Sequence[Sequence[Any]]:
        try:
            with self._engine.connect() as connection:
                return connection.execute(query).all()
        except self._errors as error:
            raise self.translated(error) from error

    def translated(self, error: Exception) -> StorageError:
        """Return our error for one of `_errors`."""
        if isinstance(error, exc.TimeoutError):
            return Unavailable("The index is too busy; try again in a moment.")
        cause = error.orig if isinstance(error, exc.DBAPIError) else error
        if self._database.is_full(cause):
            return InsufficientStorage("The disk is full; delete files or ask the operator for room.")
        if self._database.is_damaged(cause):
            self._database.report_damage()
            return Unavailable("The index is damaged; ask the operator to restart the service.")
        return Unavailable("The index cannot be used right now; try again or ask the operator.")
