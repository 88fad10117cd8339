"""The index in a SQLite file beside the buckets, which needs no server."""

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import sqlite

from ..errors import Unavailable
from ..host.blocking import PATIENCE_SECONDS, acquired, detach
from ..host.files import close, translated
from ..host.measures import Duration, observe_wait
from .compiled import Compiled, Driver, Statement
from .transaction import Sync

_LOCK_WAIT_SECONDS = 30
# Only a program that is not ours can be in the index at the checkpoint of a stop, and it must not delay the stop.
_CHECKPOINT_WAIT_SECONDS = 2
# Another process holds the lock for a few tenths of a millisecond.
_LOCK_POLL_SECONDS = 0.00002
_SPINS = 10
_MAX_IDLE_READERS = 32  # one for each thread, as THREADS is by default
# Primary result codes of errors that say nothing about the file: a lock, the disk or the memory is to blame.
_PASSING = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
)
_BUSY = "The index is too busy; try again in a moment."


class _Readers(sa.Pool):
    """The idle connections. SQLAlchemy uses this as its pool; lookups call `take` and `give_back` themselves.

    A checkout through SQLAlchemy takes longer than a lookup. The connection used last is taken first, so its cache is
    warm. A burst of readers opens as many connections as it needs, and a few of them stay open.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._idle: list[sa.pool.ConnectionPoolEntry] = []
        self.is_closed = False

    def take(self) -> sa.pool.ConnectionPoolEntry:
        """Return the record of an open connection. The caller gives it back."""
        try:
            return self._idle.pop()
        except IndexError:
            return self._create_connection()

    def give_back(self, record: sa.pool.ConnectionPoolEntry) -> None:
        """Keep the connection for the next reader. Closes it if it must not be used again, or if enough are idle."""
        if len(self._idle) < _MAX_IDLE_READERS and self.is_good(record):
            self._idle.append(record)
        else:
            record.close()
        if self.is_closed:  # checked last, because another thread may call `dispose` at any time
            self._close_idle()

    def is_good(self, connection: sa.pool.ManagesConnection) -> bool:
        """Return whether the connection may be used again."""
        return not (self.is_closed or connection.info.get("read only") or connection.dbapi_connection is None)

    def dispose(self) -> None:
        """Close every idle connection now, and each other one when it is given back."""
        self.is_closed = True
        self._close_idle()

    def _close_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    # The names that SQLAlchemy calls.
    _do_get = take
    _do_return_conn = give_back


class Sqlite:
    """The database at `path`, in WAL mode. It has one write transaction at a time, which locks every bucket and key."""

    def __init__(self, path: Path, *, synchronous: str = "NORMAL") -> None:
        self.path = path
        self._synchronous = synchronous
        self.engine = sa.create_engine(
            f"sqlite:///{path}",
            # We execute BEGIN IMMEDIATE ourselves: the driver's own BEGIN would take the write lock too late.
            isolation_level="AUTOCOMMIT",
            connect_args={"timeout": _LOCK_WAIT_SECONDS},
            paramstyle="named",  # so that compiled statements take values by name
            poolclass=_Readers,
            pool_reset_on_return=None,
        )
        event.listen(self.engine, "connect", self._configure)
        self.sql = Compiled(self.engine.dialect)
        self.announcing: Statement | None = None
        self.outbox_is_full = False
        self._readers = cast(_Readers, self.engine.pool)
        self._for_writing: sa.Connection | None = None
        self._opened: tuple[int, int] | None = None
        # SQLite admits one writer at a time, and makes the others sleep and retry. The writers of one process wait for
        # this lock instead, which wakes the next one at once.
        self._writer = threading.Lock()
        self._lock_file: int | None = None

    def close(self) -> None:
        """Close every connection; those in use are closed when they come back. Waits for the writer."""
        self._readers.dispose()
        with self._writer:
            connection, self._for_writing = self._for_writing, None
            lock_file, self._lock_file = self._lock_file, None
            if lock_file is not None:
                close(lock_file)
            if connection is not None:
                connection.close()

    def is_current(self) -> bool:
        """Return whether the file at `path` is still the one that was opened."""
        return self._opened is None or self._opened == _identity(self.path)

    def look_up(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Return the rows of `statement`, outside any transaction."""
        record = self._readers.take()
        try:
            return cast(Driver, record.dbapi_connection).execute(self.sql[statement], values).fetchall()
        finally:
            self._readers.give_back(record)

    def transaction_alone(self) -> AbstractContextManager[sa.Connection]:
        """Like `transaction`: nobody else has the file open, because a new one replaces it before it is filled."""
        return self.transaction(())

    def wait_until_noticed(self) -> None:
        """Return at once, because nobody else has the file open."""

    @contextmanager
    def transaction(self, syncs: Iterable[Sync]) -> Iterator[sa.Connection]:
        """Begin a transaction, and commit it on leaving.

        COMMIT is not durable: with `synchronous=NORMAL`, a power cut may take it back, and sidecars alone are synced.
        So `syncs` are called after COMMIT, when the next writer may already write.
        """
        # One generator does all of this, because a second one would cost as much as a statement.
        descriptor = self._keep_others_out()
        try:
            if not self.is_current():
                raise Unavailable("The index was replaced by another just now; try again.")
            connection, self._for_writing = self._for_writing or self.engine.connect(), None
            try:
                driver = cast(sqlite3.Connection, connection.connection.dbapi_connection)
                execute(driver, "BEGIN IMMEDIATE")
                try:
                    yield connection
                    execute(driver, "COMMIT")
                except BaseException:
                    if driver.in_transaction:
                        execute(driver, "ROLLBACK")
                    raise
            finally:
                self._keep(connection)
        finally:
            self._let_others_in(descriptor)
        for sync in syncs:
            sync()

    def _keep(self, connection: sa.Connection) -> None:
        """Keep the writer's connection, because making one takes as long as a statement."""
        if not connection.invalidated and self._readers.is_good(connection.connection):
            self._for_writing = connection
        else:
            connection.close()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every other writer of this host out, including those that have another file open at this path."""
        descriptor = self._keep_others_out()
        try:
            yield
        finally:
            self._let_others_in(descriptor)

    def _keep_others_out(self) -> int:
        """Wait until no other writer of this host is in. Return the descriptor for `_let_others_in`."""
        began = time.perf_counter()
        try:
            return self._taken()
        finally:
            observe_wait(Duration.LOCK_WAIT, began)

    def _taken(self) -> int:
        deadline = time.monotonic() + _LOCK_WAIT_SECONDS
        if not acquired(self._writer, timeout=_LOCK_WAIT_SECONDS):
            raise Unavailable(_BUSY)
        try:
            if self._readers.is_closed:
                raise Unavailable("The index was closed just now; try again.")
            return self._locked(deadline)
        except BaseException:
            self._writer.release()
            raise

    def _let_others_in(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            self._writer.release()

    def lock(self, connection: sa.Connection, *names: str, shared: bool) -> None:
        """Do nothing: the transaction itself is the lock."""

    def sync_first(self, sync: Sync) -> None:
        """Do nothing: after a power cut the sidecars alone decide."""

    def insert(self, table: sa.Table) -> sqlite.Insert:
        """Return an INSERT that has `on_conflict_do_update`."""
        return sqlite.insert(table)

    def checkpoint(self) -> None:
        """Write everything into the database file, and sync it. Raises `Unavailable` while another program uses it."""
        with self.engine.connect() as connection:
            connection.detach()  # so that no other statement gets this short timeout
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {1000 * _CHECKPOINT_WAIT_SECONDS}")
            busy, *_ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
            if busy:
                raise Unavailable("The index is in use by another program, so it could not be written out.")

    def is_full(self, error: BaseException | None) -> bool:
        """Return whether `error` says that the disk is full."""
        return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL

    def is_damaged(self, error: BaseException | None) -> bool:
        """Return whether `error` says that the file is damaged, or is no database."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte of an extended code is the primary one
        return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

    def is_passing(self, error: BaseException | None) -> bool:
        """Return whether `error` says nothing about the file, and may not come back."""
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING

    def report_damage(self) -> None:
        """Leave a mark, so that the next start rebuilds the index."""
        with suppress(OSError):
            damage_mark(self.path).touch()

    def _configure(self, connection: Any, record: Any) -> None:
        # While the disk is read-only, SQLite opens the file for reading alone, and does not try again later.
        record.info["read only"] = not os.access(self.path, os.W_OK)
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={self._synchronous}")
        cursor.close()
        if self._opened is None:
            self._opened = _identity(self.path)

    def _locked(self, deadline: float) -> int:
        if self._lock_file is None:
            path = self.path.with_suffix(".lock")
            try:
                self._lock_file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise translated(error) from error
        attempts, pause = 0, _LOCK_POLL_SECONDS
        while True:
            try:
                fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return self._lock_file
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise Unavailable(_BUSY) from error
                if pause >= PATIENCE_SECONDS:
                    detach()
                time.sleep(pause)  # flock(2) has no timeout
                attempts += 1
                if attempts > _SPINS:
                    pause = min(2 * pause, PATIENCE_SECONDS)


def execute(driver: sqlite3.Connection, statement: str) -> None:
    """Execute a constant statement directly, without the cost of SQLAlchemy's execution."""
    driver.execute(statement)


def damage_mark(path: Path) -> Path:
    """Return the path of the file that marks the index at `path` as damaged."""
    return path.with_name(f"{path.name}-damaged")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
