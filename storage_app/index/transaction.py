"""One write transaction on the index: its locks, reads and writes."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

import sqlalchemy as sa

from ..domain.buckets import Bucket, Totals
from ..domain.changes import Change
from ..domain.files import File
from . import page_queries, rows, schema, statements
from .compiled import Compiled, Statement
from .journal_rows import JournalRows
from .resumable_rows import ResumableRows
from .schema import bucket_grants, buckets, files

# Keys that a move within a bucket has.
_FEW = 2

# Makes something on the disk durable.
Sync = Callable[[], object]


class Database(Protocol):
    """The operations of a transaction that differ between databases."""

    sql: Compiled
    # Puts what a transaction announces where it is found after COMMIT. None if nobody wants to know.
    announcing: Statement | None
    outbox_is_full: bool

    def lock(self, connection: sa.Connection, *names: str, shared: bool) -> None:
        """Wait for the locks called `names`, one after the other. They are held until the transaction ends."""

    def sync_first(self, sync: Sync) -> None:
        """Sync now if a COMMIT is durable at once; otherwise do nothing."""

    def insert(self, table: sa.Table) -> Any:
        """Return an INSERT that has `on_conflict_do_update`."""


class Transaction(JournalRows, ResumableRows):
    """An open write transaction. Totals change in the same transaction as the rows that they count."""

    def __init__(self, connection: sa.Connection, database: Database, syncs: list[Sync]) -> None:
        super().__init__(connection, database.sql)
        self._database = database
        self._syncs = syncs
        self._counted: dict[str, tuple[int, int]] = {}
        self.announced: list[dict[str, Any]] = []  # rows of the outbox

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

    def lock_reservations(self) -> None:
        """Lock all reservations. Waits for other holders. Lock the bucket before, if at all."""
        self._database.lock(self._connection, "reservations", shared=False)

    # Changes

    def announce(self, change: Change) -> None:
        """Tell the outbox of `change`, with this transaction's COMMIT. Does nothing if there is no outbox."""
        if self._database.announcing is None:
            return
        row = rows.change_to_row(change)
        if not self._database.outbox_is_full:
            self._run(self._database.announcing, **row)
        self.announced.append(row)

    def drop_announced(self, until: int) -> None:
        """Drop what was announced, up to the row with this number."""
        self._connection.execute(sa.delete(schema.announced).where(schema.announced.c.number <= until))

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
        """Return the files of `keys`, by key. A key without a file is left out."""
        if len(keys) <= _FEW:  # to build the query takes longer than to look these up
            looked_up = [self.file(bucket_uid, key) for key in keys]
            return {file.key: file for file in looked_up if file is not None}
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

    def _bucket(self, query: Statement, **of: str) -> tuple[Bucket, Totals] | None:
        self.flush()
        row = self._one(query, **of)
        return None if row is None else rows.bucket_from(row)

    def _count(self, bucket_uid: str, count: int, size: int) -> None:
        counted = self._counted.get(bucket_uid, (0, 0))
        self._counted[bucket_uid] = (counted[0] + count, counted[1] + size)


def _this(file: File) -> dict[str, str]:
    return {"of_bucket": file.bucket_uid, "of_key": file.key}
