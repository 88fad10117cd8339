"""The index as an open database: every read, and the one way into a write transaction."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from ..auth.permissions import BucketFilter
from ..domain.buckets import Bucket, Totals
from ..domain.files import File
from ..domain.intents import Intent, PendingDeletion
from ..domain.times import now
from ..errors import InsufficientStorage, StorageError, StoreUnusable, Unavailable
from . import page_queries, rows, schema, statements
from .compiled import Statement
from .group_commit import GroupCommit, Work
from .postgres import Postgres
from .sqlite import Sqlite
from .transaction import Sync, Transaction


class Index:
    """The index in a SQLite file (a path) or a PostgreSQL database (a URL). Several threads and processes may use it.

    `store` is the id of the store that it is opened for. A database on a server may turn out to be another's.

    A method that uses the database raises `Unavailable` if that fails, and `InsufficientStorage` if the disk is full.
    """

    def __init__(self, where: Path | str, *, store: str | None = None) -> None:
        self.store = store
        self._database = Sqlite(where) if isinstance(where, Path) else Postgres(where, store)
        self._engine = self._database.engine
        # Whether the index is on a server, which other hosts may use too. If not, it is a file of this host.
        self.is_shared = not isinstance(where, Path)
        # Whether others still use this index. A file may have been replaced while it was open.
        self.is_current = self._database.is_current
        self._group_commit = GroupCommit(self.write)
        # SQLAlchemy's statements raise the first, compiled ones the second, and the pool, if all are in use, the third.
        self._errors = (exc.DBAPIError, self._engine.dialect.loaded_dbapi.Error, exc.TimeoutError)

    def close(self) -> None:
        """Close every connection. The last one to close a SQLite file writes the log into it (a checkpoint)."""
        self._database.close()

    def create(self) -> None:
        """Create the tables that are missing."""
        try:
            schema.create(self._engine)
        except self._errors as error:
            raise self._translated(error) from error

    def checkpoint(self) -> None:
        """Write everything into the database file, and sync it."""
        try:
            self._database.checkpoint()
        except self._errors as error:
            raise self._translated(error) from error

    def version(self) -> int | None:
        """Return the version of a complete index, or None if it is incomplete or has no tables of ours.

        Raises `StoreUnusable` if it is not a database or cannot be reached, and `Unavailable` if it cannot be read now.
        """
        value = self._property("version")
        return None if value is None else int(value)

    def owner(self) -> str | None:
        """Return the id of the store that the index was made for, None if it was made for none. Raises as `version`."""
        return self._property("store")

    def _property(self, name: str) -> str | None:
        query = sa.select(schema.properties.c.value).where(schema.properties.c.name == name)
        try:
            with self._engine.connect() as connection:
                known = sa.inspect(connection).has_table(schema.properties.name)
                return connection.execute(query).scalar() if known else None
        except exc.OperationalError as error:
            if self._database.is_passing(error.orig):
                raise Unavailable(f"The index cannot be read right now: {error.orig}.") from error
            raise StoreUnusable(f"The index cannot be opened: {error.orig}.") from error
        except exc.DatabaseError as error:
            raise StoreUnusable(f"The index is not a database: {error.orig}.") from error

    def is_ready(self) -> bool:
        """Whether the index is complete and of this version."""
        return self.version() == schema.VERSION

    def probe(self) -> None:
        """Read something. Raises what any read would raise."""
        self._one(sa.select(schema.properties).limit(1))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep out every write transaction on the file, and on any other file that was opened at its path (SQLite)."""
        assert isinstance(self._database, Sqlite)
        try:
            with self._database.alone():
                yield
        except self._errors as error:
            raise self._translated(error) from error

    @contextmanager
    def fill(self) -> Iterator[Transaction]:
        """Open a write transaction with no other beside it. The index need not be complete.

        Raises `StoreUnusable` if it is the index of another store.
        """
        with self._alone() as transaction:
            self._check_owner(transaction)
            yield transaction

    def begin_anew(self, *, take_over: bool = False) -> None:
        """Make the index incomplete and empty its CACHE tables. Raises as `fill` does.

        Processes that have it open answer 503 from before the first row is removed until the index is complete again.
        With `take_over` it may be the index of another store, whose processes answer 503 from now on.
        """
        if self.version() not in (None, schema.VERSION):
            try:
                schema.CACHE.drop_all(self._engine)
            except self._errors as error:
                raise self._translated(error) from error
        self.create()
        with self._alone() as transaction:
            if not take_over and transaction.owner() is not None:
                self._check_owner(transaction)
            transaction.make_incomplete()
            if self.store is not None:
                transaction.claim(self.store)
        self._database.wait_until_noticed()
        with self.fill() as transaction:
            transaction.clear()

    @contextmanager
    def _alone(self) -> Iterator[Transaction]:
        try:
            with self._database.transaction_alone() as connection:
                transaction = Transaction(connection, self._database, syncs=[])
                yield transaction
                transaction.flush()
        except self._errors as error:
            raise self._translated(error) from error

    def _check_owner(self, transaction: Transaction) -> None:
        if self.store is not None and transaction.owner() != self.store:
            raise StoreUnusable("The index was taken over by another store just now: give each store its own.")

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Open a write transaction, and commit it on leaving. Lock a key or bucket before you read it to decide.

        What `Transaction.sync` registered is synced before COMMIT if that is durable at once, and after it if a power
        cut may take it back. Raises `Unavailable` if a lock cannot be had, or if COMMIT fails; its outcome is then
        unknown. Raises `InsufficientStorage`.
        """
        syncs: list[Sync] = []
        try:
            with self._database.transaction(syncs) as connection:
                transaction = Transaction(connection, self._database, syncs)
                yield transaction
                for sync in syncs:
                    self._database.sync_first(sync)
                transaction.flush()
        except self._errors as error:
            raise self._translated(error) from error

    def write_grouped(self, work: Work) -> None:
        """Do `work` in a write transaction that other threads may share. If `work` raises, it must not have written.

        Raises what `write` raises, and what `work` raises. PostgreSQL groups commits by itself, and a shared
        transaction would hold the locks of all until COMMIT, so there each has its own.
        """
        if self.is_shared:
            with self.write() as transaction:
                work(transaction)
        else:
            self._group_commit.run(work)

    def pending_deletions(self, until: datetime, *, after: int, limit: int) -> list[PendingDeletion]:
        """Return up to `limit` pending deletions scheduled at `until` or before, by id, with ids above `after`."""
        due = schema.pending_deletions.c.since <= rows.to_microseconds(until)
        query = sa.select(schema.pending_deletions).where(due, schema.pending_deletions.c.id > after)
        found = self._all(query.order_by(schema.pending_deletions.c.id).limit(limit))
        return [rows.PENDING_DELETIONS.from_row(row) for row in found]

    def has_deletions_after(self, moment: datetime) -> bool:
        """Whether a pending deletion was scheduled after `moment`."""
        late = schema.pending_deletions.c.since > rows.to_microseconds(moment)
        return self._one(sa.select(schema.pending_deletions.c.id).where(late).limit(1)) is not None

    def explains(self, bucket_uid: str, blob: str) -> bool:
        """Whether an intent in the index or a pending deletion names this blob."""
        return any(
            self._one(sa.select(table.c.id).where(table.c.bucket_uid == bucket_uid, table.c.blob == blob).limit(1))
            for table in (schema.intents, schema.pending_deletions)
        )

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
        """Whether `owner_id` owns a file of the bucket."""
        columns = schema.files.c
        query = sa.select(columns.key).where(columns.bucket_uid == bucket_uid, columns.owner_id == owner_id)
        return self._one(query.limit(1)) is not None

    def buckets(self, visible: BucketFilter, *, after: str | None, limit: int) -> list[tuple[Bucket, Totals]]:
        """Return up to `limit` visible buckets by name, from the first name after `after`."""
        found = self._all(page_queries.buckets_query(visible, after=after, limit=limit))
        return [rows.bucket_from(row) for row in found]

    def bucket_names(self, *, after: str | None, limit: int) -> list[str]:
        """Return the names of up to `limit` buckets, in order, from the first one after `after`."""
        name = schema.buckets.c.name
        query = sa.select(name).order_by(name).limit(limit)
        return [row[0] for row in self._all(query if after is None else query.where(name > after))]

    def files_by_key(self, bucket_uid: str, *, prefix: str, start: str, after: bool, limit: int) -> list[File]:
        """Return up to `limit` files with `prefix` by key, from `start` on; `after` leaves out `start` itself."""
        found = self._all(page_queries.by_key_query(bucket_uid, prefix=prefix, start=start, after=after, limit=limit))
        return [rows.FILES.from_row(row) for row in found]

    def files_by_creation(
        self, bucket_uid: str, *, prefix: str, before: tuple[int, str] | None, limit: int
    ) -> list[File]:
        """Return up to `limit` files, newest first, older than `before` (microseconds since the epoch, key).

        A `prefix` filters the files one by one, so finding few matches among many files takes time.
        """
        found = self._all(page_queries.by_creation_query(bucket_uid, prefix=prefix, before=before, limit=limit))
        return [rows.FILES.from_row(row) for row in found]

    def _run(self, statement: Statement, **values: Any) -> Sequence[Sequence[Any]]:
        try:
            return self._database.look_up(statement, values)
        except self._errors as error:
            raise self._translated(error) from error

    def _row(self, statement: Statement, **values: Any) -> Sequence[Any] | None:
        found = self._run(statement, **values)
        return found[0] if found else None

    def _one(self, query: sa.Select[Any]) -> Sequence[Any] | None:
        found = self._all(query)
        return found[0] if found else None

    def _all(self, query: sa.Select[Any]) -> Sequence[Sequence[Any]]:
        try:
            with self._engine.connect() as connection:
                return connection.execute(query).all()
        except self._errors as error:
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> StorageError:
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
