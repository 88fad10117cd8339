"""Databases of a PostgreSQL server to break: copied for each fault, emptied, and used again, which is quicker."""

import itertools
import os

import psycopg
import sqlalchemy as sa
from psycopg import sql

from storage_app.index import postgres
from storage_app.index.schema import CACHE, DURABLE_ON_SERVER, pending_deletions

_numbers = itertools.count(1)
_free: list[str] = []


def look_every_time() -> None:
    """Let this process see at once that an index is made again, so that who makes it need not wait for seconds."""
    postgres._LOOK_SECONDS = 0


def copy(url: str) -> str:
    """Copy the index and the outbox there, which nobody may be changing, and return the URL of the copy."""
    made = _free.pop() if _free else _created(url)
    source, target = _engine(url), _engine(made)
    with source.begin() as old, target.begin() as new:
        for metadata in (CACHE, DURABLE_ON_SERVER):
            metadata.create_all(old)
            metadata.create_all(new)
        for table in (*CACHE.sorted_tables, *DURABLE_ON_SERVER.sorted_tables):
            new.execute(sa.delete(table))
            rows = [dict(row) for row in old.execute(sa.select(table)).mappings()]
            if rows:
                new.execute(sa.insert(table), rows)
        last = sa.select(sa.func.coalesce(sa.func.max(pending_deletions.c.id), 0) + 1).scalar_subquery()
        new.execute(sa.select(sa.func.setval("pending_deletions_id_seq", last, False)))
    source.dispose()
    target.dispose()
    return made


def empty(url: str) -> None:
    """Take the index out of the database."""
    _disconnect(url)
    engine = _engine(url)
    CACHE.drop_all(engine)
    engine.dispose()


def drop(url: str) -> None:
    """Give the database back."""
    _disconnect(url)
    _free.append(url)


def _created(url: str) -> str:
    name = f"copy_{os.getpid()}_{next(_numbers)}"
    _run(url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


def _disconnect(url: str) -> None:
    """End the connections of dead processes: the server may not have noticed yet."""
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {} AND pid != pg_backend_pid()"
    _run(url, sql.SQL(query).format(sql.Literal(sa.make_url(url).database)))


def _run(url: str, statement: sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def _engine(url: str) -> sa.Engine:
    return sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)
