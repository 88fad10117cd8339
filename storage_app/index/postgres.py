"""The index in a PostgreSQL database, for a machine that runs one anyway."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

_LOCK_WAIT = "30s"
_MAX_CONNECTIONS = 40
_DISK_FULL = "53100"  # PostgreSQL's Appendix A, "Error Codes"


class Postgres:
    """A database at `url`. Buckets and keys have locks of their own, which end with their transaction."""

    # What was committed stays, so the disk must be synced before.
    commits_durably = True

    def __init__(self, url: str) -> None:
        self.engine = sa.create_engine(
            sa.make_url(url).set(drivername="postgresql+psycopg"),
            # Each statement sees what was committed before it: what a lock was waited for is seen, too.
            isolation_level="READ COMMITTED",
            # A server whose machine is gone answers nothing, not even that: it is given up after half a minute.
            connect_args={"connect_timeout": 10, "keepalives_idle": 30, "tcp_user_timeout": 30_000},
            pool_size=_MAX_CONNECTIONS,
            max_overflow=0,
            pool_use_lifo=True,
            pool_pre_ping=True,  # a server that was restarted costs no request
        )

    def close(self) -> None:
        self.engine.dispose()

    def is_current(self) -> bool:
        return True

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        with self.engine.begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'")
            yield connection

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self.transaction() as connection:
            self.lock(connection, "the index", shared=False)
            yield

    def lock(self, connection: sa.Connection, name: str, *, shared: bool) -> None:
        """Wait for the lock called `name`, held until the transaction ends."""
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        take = sa.func.pg_advisory_xact_lock_shared if shared else sa.func.pg_advisory_xact_lock
        connection.execute(sa.select(take(sa.cast(number, sa.BigInteger))))

    def checkpoint(self) -> None:
        """Nothing to do: what was committed is durable."""

    def is_full(self, error: BaseException | None) -> bool:
        return getattr(error, "sqlstate", None) == _DISK_FULL

    def is_damaged(self, error: BaseException | None) -> bool:
        return False

    def report_damage(self) -> None:
        """Nothing to do: PostgreSQL looks after its files."""
