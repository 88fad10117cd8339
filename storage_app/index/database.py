"""The index as an open database: reads, and the one way into a write transaction."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc

from ..access import BucketFilter
from ..domain import Bucket, File, Totals
from ..errors import InsufficientStorage, StoreUnusable, Unavailable
from . import pages, schema
from .transaction import Transaction

_LOCK_WAIT_SECONDS = 30
_MAX_CONNECTIONS = 256


class Index:
    """A SQLite database in WAL mode at `path`. Methods may be called from several threads and processes."""

    def __init__(self, path: Path) -> None:
        self._engine = sa.create_engine(
            f"sqlite:///{path}",
            # We say BEGIN IMMEDIATE ourselves: the driver's own BEGIN would take the write lock too late.
            isolation_level="AUTOCOMMIT",
            connect_args={"timeout": _LOCK_WAIT_SECONDS},
            pool_size=_MAX_CONNECTIONS,
            max_overflow=0,
            # The connection used last is used next: few of them stay warm, and the others hold no pages.
            pool_use_lifo=True,
            pool_reset_on_return=None,
        )
        event.listen(self._engine, "connect", _configure)
        # SQLite lets one writer in at a time, and those that wait sleep. In one process they wait here instead, where
        # the next one is woken at once.
        self._writer = threading.Lock()

    def close(self) -> None:
        """Close every connection; what was written is in the database file itself then (SQLite's checkpoint)."""
        self._engine.dispose()

    def create(self) -> None:
        """Make the tables where they are missing."""
        with _translated():
            schema.schema.create_all(self._engine)

    def checkpoint(self) -> None:
        """Bring everything into the database file, synced."""
        with _translated(), self._engine.connect() as connection:
            busy, *_ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
            if busy:
                raise Unavailable("The index is being read by another program, so it could not be written out.")

    def version(self) -> int | None:
        """Return the version of a complete index; None when it is not complete, or no index of ours.

        Raises `StoreUnusable` when the file is not a database at all.
        """
        query = sa.select(schema.properties.c.value).where(schema.properties.c.name == "version")
        try:
            with self._engine.connect() as connection:
                value = connection.execute(query).scalar()
        except exc.OperationalError as error:
            if "no such table" in str(error.orig):
                return None
            raise StoreUnusable(f"The index cannot be opened: {error.orig}.") from error
        except exc.DatabaseError as error:
            raise StoreUnusable(f"The index is not a database: {error.orig}.") from error
        return None if value is None else int(value)

    def is_ready(self) -> bool:
        """Whether the index is complete and of this version."""
        return self.version() == schema.VERSION

    def probe(self) -> None:
        """Ask for something; raises as a read would."""
        self._one(sa.select(schema.properties).limit(1))

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Open a write transaction, which is the lock of every key and bucket; commit it on leaving.

        Raises `Unavailable` when the lock cannot be had or the COMMIT fails; the transaction's outcome is then unknown.
        """
        with self._writer, _translated(), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield Transaction(connection)
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                if connection.connection.dbapi_connection.in_transaction:  # type: ignore[union-attr]
                    connection.exec_driver_sql("ROLLBACK")
                raise

    def bucket(self, name: str) -> tuple[Bucket, Totals] | None:
        row = self._one(sa.select(schema.buckets).where(schema.buckets.c.name == name))
        return None if row is None else (schema.bucket_from(row), schema.totals_from(row))

    def public_buckets_without_quota(self, *, limit: int) -> list[str]:
        """Return the names of up to `limit` public buckets that nothing keeps from growing."""
        columns = schema.buckets.c
        query = sa.select(columns.name).where(columns.is_public, columns.quota.is_(None)).order_by(columns.name)
        return [row["name"] for row in self._all(query.limit(limit))]

    def file(self, bucket_uid: str, key: str) -> File | None:
        columns = schema.files.c
        row = self._one(sa.select(schema.files).where(columns.bucket_uid == bucket_uid, columns.key == key))
        return None if row is None else schema.file_from(row)

    def owns_any(self, bucket_uid: str, owner_id: str) -> bool:
        """Whether `owner_id` owns a file of the bucket."""
        columns = schema.files.c
        query = sa.select(columns.key).where(columns.bucket_uid == bucket_uid, columns.owner_id == owner_id)
        return self._one(query.limit(1)) is not None

    def buckets(self, visible: BucketFilter, *, after: str | None, limit: int) -> list[tuple[Bucket, Totals]]:
        """Return up to `limit` buckets by name, beginning after the name `after`."""
        rows = self._all(pages.buckets_query(visible, after=after, limit=limit))
        return [(schema.bucket_from(row), schema.totals_from(row)) for row in rows]

    def files_by_key(self, bucket_uid: str, *, prefix: str, start: str, after: bool, limit: int) -> list[File]:
        """Return up to `limit` files whose key begins with `prefix`, from the key `start` on (`after`: beyond it)."""
        rows = self._all(pages.by_key_query(bucket_uid, prefix=prefix, start=start, after=after, limit=limit))
        return [schema.file_from(row) for row in rows]

    def files_by_creation(
        self, bucket_uid: str, *, prefix: str, before: tuple[int, str] | None, limit: int
    ) -> list[File]:
        """Return up to `limit` files, newest first, older than `before` (microseconds since the epoch, key).

        A `prefix` is looked for along the way: few matches among many files take time.
        """
        rows = self._all(pages.by_creation_query(bucket_uid, prefix=prefix, before=before, limit=limit))
        return [schema.file_from(row) for row in rows]

    def _one(self, query: sa.Select[Any]) -> sa.RowMapping | None:
        with _translated(), self._engine.connect() as connection:
            return connection.execute(query).mappings().one_or_none()

    def _all(self, query: sa.Select[Any]) -> Sequence[sa.RowMapping]:
        with _translated(), self._engine.connect() as connection:
            return connection.execute(query).mappings().all()


def _configure(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # The sidecars are what is synced; after a power cut the index is made to agree with them.
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what the database refuses into our errors."""
    try:
        yield
    except exc.DBAPIError as error:
        if "full" in str(error.orig):
            raise InsufficientStorage("The disk is full; delete files or ask the operator for room.") from error
        raise Unavailable("The index cannot be used right now; try again or ask the operator.") from error
    except exc.TimeoutError as error:
        raise Unavailable("The index is too busy; try again in a moment.") from error
