"""CACHE and DURABLE tables on each database: a rebuild loses the rows of the first alone."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from storage_app.domain.changes import Change, ChangeKind
from storage_app.host.layout import Layout
from storage_app.index import Index, Outbox, State, damage_mark, schema
from storage_app.maintenance.outbox import open_outbox
from storage_app.maintenance.recover import recover
from tests.index.conftest import DATABASES
from tests.support.core import A_TIME, a_bucket, a_file
from tests.support.postgres import PostgresServer

A_CHANGE = Change(ChangeKind.FILE_CREATED, a_bucket(), A_TIME, a_file())


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
def outbox(layout: Layout, index: Index) -> Iterator[Outbox]:
    with closing(open_outbox(layout, index, durable=True)) as opened:
        yield opened


@pytest.fixture
def filled(outbox: Outbox, index: Index) -> Index:
    """An index with rows in its cache, and an event in the outbox."""
    add(index, outbox)
    return index


def add(index: Index, outbox: Outbox) -> None:
    with index.write() as transaction:
        transaction.put_bucket(a_bucket())
        transaction.put_file(a_file(), None)
        transaction.announce(A_CHANGE)
    outbox.put(transaction.announced)


def events(outbox: Outbox) -> list[Change]:
    return [event.change for event in outbox.events([*State], limit=10)]


def begin_anew(index: Index) -> None:
    index.begin_anew()


def begin_anew_after_another_version(index: Index) -> None:
    with index.write() as transaction:
        transaction._connection.execute(sa.update(schema.properties).values(value="1"))
    index.begin_anew()


@pytest.mark.parametrize("way", [begin_anew, begin_anew_after_another_version])
def test_rebuild_empties_the_cache_alone(outbox: Outbox, filled: Index, way: Callable[[Index], None]) -> None:
    way(filled)
    assert cached(filled) == 0
    assert events(outbox) == [A_CHANGE]


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
def test_new_file_in_the_place_of_the_index_leaves_the_outbox(layout: Layout, before: Callable[[Path], None]) -> None:
    recover(layout.root, durable=False)
    with closing(Index(layout.index)) as index, closing(open_outbox(layout, index, durable=True)) as outbox:
        add(index, outbox)
    before(layout.index)
    recover(layout.root, durable=False, rebuild_anyway=True)
    with closing(Index(layout.index)) as index, closing(open_outbox(layout, index, durable=True)) as outbox:
        assert index.is_ready()
        assert index.bucket("photos") is None
        assert events(outbox) == [A_CHANGE]


def fail_after_announcing(index: Index) -> None:
    with index.write() as transaction:
        transaction.put_bucket(a_bucket("other"))
        transaction.announce(Change(ChangeKind.BUCKET_CREATED, a_bucket("other"), A_TIME))
        raise ZeroDivisionError


def test_failed_transaction_announces_nothing(outbox: Outbox, filled: Index) -> None:
    with pytest.raises(ZeroDivisionError):
        fail_after_announcing(filled)
    filled.forward(outbox)
    assert filled.bucket("other") is None
    assert events(outbox) == [A_CHANGE]


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 1)])
def test_outbox_in_a_file_is_synced_at_each_commit_if_that_is_asked_for(
    layout: Layout, durable: bool, synchronous: int
) -> None:
    with closing(Index(layout.index)) as index:
        index.create()
        with closing(open_outbox(layout, index, durable=durable)) as outbox, outbox._engine.connect() as connection:
            pragmas = ["synchronous", "journal_mode"]
            assert [connection.exec_driver_sql(f"PRAGMA {each}").scalar() for each in pragmas] == [synchronous, "wal"]


def test_nothing_is_made_without_an_outbox(where: Path | str, index: Index, layout: Layout) -> None:
    with index.write() as transaction:
        transaction.put_bucket(a_bucket())
        transaction.announce(A_CHANGE)
        assert transaction.announced == []
    assert not layout.events.exists()
    if isinstance(where, Path):
        assert index.announced(limit=10) == []
    else:
        with psycopg.connect(where) as connection:
            query = "SELECT 1 FROM information_schema.schemata WHERE schema_name = 'durable'"
            assert connection.execute(query).fetchone() is None
