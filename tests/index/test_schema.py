"""CACHE and DURABLE tables on each database: a rebuild loses the rows of the first alone."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from storage_app.host.layout import Layout
from storage_app.index import Index, damage_mark, schema
from storage_app.maintenance.recover import recover
from tests.index.conftest import DATABASES
from tests.support.core import a_bucket, a_file
from tests.support.postgres import PostgresServer


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "store")
    made.prepare()
    return made


@pytest.fixture(params=DATABASES)
def where(request: pytest.FixtureRequest, layout: Layout) -> Path | str:
    if request.param == "sqlite":
        return layout.index
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
def durable() -> Iterator[sa.Table]:
    """A table that a rebuild must leave alone."""
    table = sa.Table("throwaway", schema.DURABLE, sa.Column("value", sa.Text, primary_key=True))
    yield table
    schema.DURABLE.remove(table)


@pytest.fixture
def filled(durable: sa.Table, index: Index) -> Index:
    """An index with a row in its cache, and one in the durable table, from one transaction."""
    with index.write() as transaction:
        transaction.put_bucket(a_bucket())
        transaction.put_file(a_file(), None)
        transaction._connection.execute(sa.insert(durable).values(value="kept"))
    return index


def values(index: Index, durable: sa.Table) -> list[str]:
    with index._engine.connect() as connection:
        return list(connection.execute(sa.select(durable.c.value)).scalars())


def begin_anew(index: Index) -> None:
    index.begin_anew()


def begin_anew_after_another_version(index: Index) -> None:
    with index.write() as transaction:
        transaction._connection.execute(sa.update(schema.properties).values(value="1"))
    index.begin_anew()


@pytest.mark.parametrize("way", [begin_anew, begin_anew_after_another_version])
def test_rebuild_empties_the_cache_alone(durable: sa.Table, filled: Index, way: Callable[[Index], None]) -> None:
    way(filled)
    assert cached(filled) == 0
    assert values(filled, durable) == ["kept"]


def cached(index: Index) -> int:
    """Return the number of rows in the cache."""
    with index._engine.connect() as connection:
        counts = [sa.select(sa.func.count()).select_from(table) for table in schema.CACHE.sorted_tables]
        return sum(connection.execute(count).scalar_one() for count in counts)


def leave_alone(path: Path) -> None:
    pass


def damage(path: Path) -> None:
    path.write_bytes(b"garbage" * 1000)
    damage_mark(path).touch()


@pytest.mark.parametrize("before", [leave_alone, damage, Path.unlink])
def test_new_file_in_the_place_of_the_index_leaves_the_durable_tables(
    layout: Layout, durable: sa.Table, before: Callable[[Path], None]
) -> None:
    recover(layout.root, durable=False)
    with closing(Index(layout.index)) as index, index.write() as transaction:
        transaction.put_bucket(a_bucket())
        transaction._connection.execute(sa.insert(durable).values(value="kept"))
    before(layout.index)
    recover(layout.root, durable=False, rebuild_anyway=True)
    with closing(Index(layout.index)) as index:
        assert index.is_ready()
        assert index.bucket("photos") is None
        assert values(index, durable) == ["kept"]


def fail_after_both(index: Index, durable: sa.Table) -> None:
    with index.write() as transaction:
        transaction.put_bucket(a_bucket("other"))
        transaction._connection.execute(sa.insert(durable).values(value="taken back"))
        raise ZeroDivisionError


def test_failed_transaction_changes_neither(durable: sa.Table, filled: Index) -> None:
    with pytest.raises(ZeroDivisionError):
        fail_after_both(filled, durable)
    assert filled.bucket("other") is None
    assert values(filled, durable) == ["kept"]


def test_durable_database_of_sqlite_is_synced_at_each_commit(layout: Layout, durable: sa.Table) -> None:
    index = Index(layout.index)
    with index._engine.connect() as connection:
        pragmas = ["main.synchronous", "durable.synchronous", "durable.journal_mode"]
        assert [connection.exec_driver_sql(f"PRAGMA {each}").scalar() for each in pragmas] == [1, 2, "wal"]
    index.close()


def test_nothing_is_made_for_no_durable_tables(where: Path | str, index: Index) -> None:
    assert not schema.DURABLE.tables, "there is one now: this test has done its duty"
    if isinstance(where, Path):
        assert not where.with_name("durable.sqlite3").exists()
        with index._engine.connect() as connection:
            assert [row.name for row in connection.exec_driver_sql("PRAGMA database_list")] == ["main"]
    else:
        with psycopg.connect(where) as connection:
            query = "SELECT 1 FROM information_schema.schemata WHERE schema_name = 'durable'"
            assert connection.execute(query).fetchone() is None


def test_durable_tables_are_in_a_file_of_their_own(layout: Layout, durable: sa.Table) -> None:
    index = Index(layout.index)
    index.create()
    index.close()
    for path, expected in ((layout.index, False), (layout.index.with_name("durable.sqlite3"), True)):
        with closing(sqlite3.connect(path)) as connection:
            query = "SELECT name FROM sqlite_master WHERE name = 'throwaway'"
            assert (connection.execute(query).fetchone() is not None) is expected
