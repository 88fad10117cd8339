"""The index as an open database: how it is created, filled and written to."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import exc

from ..errors import StoreUnusable, Unavailable
from ..host.measures import Duration, observe
from ..host.parts import Part, part, part_of
from . import schema
from .group_commit import GroupCommit, Work
from .outbox import Outbox
from .postgres import Postgres
from .reads import Reads
from .sqlite import Sqlite
from .transaction import Sync, Transaction

_FORWARDED = 1000  # at a time


class Index(Reads):
    """The index in a SQLite file (a path) or a PostgreSQL database (a URL). Several threads and processes may use it.

    `store` is the id of the store that it is opened for. A database on a server may turn out to be another's.

    A method that uses the database raises `Unavailable` if that fails, and `InsufficientStorage` if the disk is full.
    """

    def __init__(self, where: Path | str, *, store: str | None = None) -> None:
        super().__init__(Sqlite(where) if isinstance(where, Path) else Postgres(where, store))
        self.store = store
        # Whether the index is on a server, which other hosts may use too. If not, it is a file of this host.
        self.is_shared = not isinstance(where, Path)
        # Whether others still use this index. A file may have been replaced while it was open.
        self.is_current = self._database.is_current
        self._group_commit = GroupCommit(self.write)

    def outbox(self, path: Path, *, durable: bool) -> Outbox:
        """Return the outbox: in the file `path` or, if the index is on a server, in the same database.

        Without `durable`, a power cut may take the last events from the file.
        """
        return Outbox(
            self._database, None if self.is_shared else Sqlite(path, synchronous="FULL" if durable else "NORMAL")
        )

    def close(self) -> None:
        """Close every connection. The last one to close a SQLite file writes the log into it (a checkpoint)."""
        self._database.close()

    def create(self) -> None:
        """Create the tables that are missing."""
        try:
            schema.create(self._engine)
        except self._errors as error:
            raise self.translated(error) from error

    def checkpoint(self) -> None:
        """Write everything into the database file, and sync it."""
        try:
            self._database.checkpoint()
        except self._errors as error:
            raise self.translated(error) from error

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
        """Return whether the index is complete and of this version."""
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
            raise self.translated(error) from error

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
                raise self.translated(error) from error
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
            raise self.translated(error) from error

    def _check_owner(self, transaction: Transaction) -> None:
        if self.store is not None and transaction.owner() != self.store:
            raise StoreUnusable("The index was taken over by another store just now: give each store its own.")

    def forward(self, outbox: Outbox) -> None:
        """Put into `outbox` what transactions have announced, and forget it here. Processes that died have not done so.

        On a server, the transactions themselves put it there.
        """
        while found := self.announced(limit=_FORWARDED):
            outbox.add([{name: value for name, value in row.items() if name != "number"} for row in found])
            with self.write() as transaction:
                transaction.drop_announced(found[-1]["number"])

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Open a write transaction, and commit it on leaving. Lock a key or bucket before you read it to decide.

        `Transaction.sync` registers what to sync: before COMMIT if that is durable at once, and after it if a power cut
        may take it back. Raises `Unavailable` if a lock cannot be had, or if COMMIT fails; its outcome is then
        unknown. Raises `InsufficientStorage`.
        """
        syncs: list[Sync] = []
        began = time.perf_counter()
        try:
            with part(Part.INDEX), self._database.transaction(syncs) as connection:
                transaction = Transaction(connection, self._database, syncs)
                yield transaction
                for sync in syncs:
                    self._database.sync_first(sync)
                transaction.flush()
        except self._errors as error:
            raise self.translated(error) from error
        finally:
            observe(Duration.TRANSACTION, began)

    @part_of(Part.INDEX)
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
