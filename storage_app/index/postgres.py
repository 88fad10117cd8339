"""The index in a PostgreSQL database, which several hosts can share."""

import hashlib
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ..errors import Unavailable
from ..host.blocking import detach
from ..host.measures import Duration, observe_wait
from . import schema
from .compiled import Compiled, Driver, Statement
from .transaction import Sync

_LOCK_WAIT = "30s"
_MAX_CONNECTIONS = 40
_LOOK_SECONDS = 1
_EVERYTHING = "the index"
_DISK_FULL = "53100"  # PostgreSQL's Appendix A, "Error Codes"


class Postgres:
    """The database at `url`, as the index of `store`.

    Locks of buckets and keys are advisory locks, released when their transaction ends.
    """

    def __init__(self, url: str, store: str | None = None) -> None:
        self._store = store
        self.engine = sa.create_engine(
            sa.make_url(url).set(drivername="postgresql+psycopg"),
            # Each statement sees everything committed before it, so one that runs after a wait for a lock sees what the
            # previous holder committed.
            isolation_level="READ COMMITTED",
            # If the server's machine is gone, not even a TCP reset comes back. Give up after half a minute.
            connect_args={"connect_timeout": 10, "keepalives_idle": 30, "tcp_user_timeout": 30_000},
            pool_size=_MAX_CONNECTIONS,
            max_overflow=0,
            pool_use_lifo=True,
            pool_pre_ping=True,  # so that no request fails because the server was restarted
        )
        self.sql = Compiled(self.engine.dialect)
        self.announcing: Statement | None = None
        self.outbox_is_full = False
        self._looked_at = -math.inf
        self._complete = True

    def close(self) -> None:
        """Close every idle connection."""
        self.engine.dispose()

    def is_current(self) -> bool:
        """Return whether the index is complete, and of this store, as of a second ago.

        A rebuild first marks it incomplete, and waits until every process has looked.
        """
        detach()  # each request calls this first, and every statement after it waits for the server
        if time.monotonic() >= self._looked_at + _LOOK_SECONDS:
            self._looked_at = time.monotonic()
            try:
                with self.engine.connect() as connection:
                    self._complete = self._is_complete(connection)
            except sa.exc.SQLAlchemyError:
                self._complete = True  # unknown; the next statement raises the reason
        return self._complete

    def look_up(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Return the rows of `statement`, outside any transaction."""
        with closing(self.engine.raw_connection()) as connection:
            return cast(Driver, connection.dbapi_connection).execute(self.sql[statement], values).fetchall()

    @contextmanager
    def transaction(self, _syncs: Iterable[Sync]) -> Iterator[sa.Connection]:
        """Begin a transaction, and commit it on leaving. COMMIT is durable at once, so `sync_first` syncs before it."""
        with self._begun() as connection:
            self.lock(connection, _EVERYTHING, shared=True)
            if not self._is_complete(connection):
                raise Unavailable("The index is being made again; try again in a moment.")
            yield connection

    @contextmanager
    def transaction_alone(self) -> Iterator[sa.Connection]:
        """Begin a transaction with no other beside it. The index need not be complete."""
        with self._begun() as connection:
            self.lock(connection, _EVERYTHING, shared=False)
            yield connection

    @contextmanager
    def _begun(self) -> Iterator[sa.Connection]:
        with self.engine.begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'")
            yield connection

    def wait_until_noticed(self) -> None:
        """Wait until every process has checked whether the index is complete."""
        time.sleep(2 * _LOOK_SECONDS)

    def lock(self, connection: sa.Connection, *names: str, shared: bool) -> None:
        """Wait for the locks called `names`, one after the other. They are held until the transaction ends."""
        numbers = [int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True) for name in names]
        take = sa.func.pg_advisory_xact_lock_shared if shared else sa.func.pg_advisory_xact_lock
        # `unnest` returns the numbers in their order, and the lock is taken for each row.
        number = sa.func.unnest(sa.cast(numbers, postgresql.ARRAY(sa.BigInteger))).column_valued("number")
        began = time.perf_counter()
        connection.execute(sa.select(take(number)))
        observe_wait(Duration.LOCK_WAIT, began)

    def sync_first(self, sync: Sync) -> None:
        """Sync now, because COMMIT is durable at once."""
        sync()

    def insert(self, table: sa.Table) -> postgresql.Insert:
        """Return an INSERT that has `on_conflict_do_update`."""
        return postgresql.insert(table)

    def checkpoint(self) -> None:
        """Do nothing: committed transactions are durable."""

    def is_full(self, error: BaseException | None) -> bool:
        """Return whether `error` says that the disk is full."""
        return getattr(error, "sqlstate", None) == _DISK_FULL

    def is_damaged(self, error: BaseException | None) -> bool:
        """Return False: a server looks after its own files."""
        return False

    def is_passing(self, error: BaseException | None) -> bool:
        """Return False: `Index.version` reports every failure of a server as `StoreUnusable`."""
        return False

    def report_damage(self) -> None:
        """Do nothing: a server looks after its own files."""

    def _is_complete(self, connection: sa.Connection) -> bool:
        known = connection.execute(sa.select(sa.func.to_regclass(schema.properties.name))).scalar()
        if known is None:
            return False
        properties = dict(connection.execute(sa.select(schema.properties.c.name, schema.properties.c.value)).all())
        is_ours = self._store is None or properties.get("store") in (None, self._store)
        return is_ours and properties.get("version") == str(schema.VERSION)
