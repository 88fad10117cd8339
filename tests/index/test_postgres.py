"""What only the index in PostgreSQL does: locks for each key, text that its locale would sort otherwise, a server."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
import pytest
import sqlalchemy as sa

from storage_app.errors import StoreUnusable, Unavailable
from storage_app.index import Index, Transaction
from tests.support.core import a_bucket, a_file
from tests.support.postgres import PostgresServer
from tests.support.service import free_port


@pytest.fixture
def where(postgres: PostgresServer) -> str:
    return postgres.database()


def test_servers_own_order_is_another(where: str, index: Index) -> None:
    """Otherwise the tests of pages would show nothing."""
    keys = ["B", "a", "a-b", "aa", "ä", "b"]
    with index.write() as transaction:
        transaction.add_files("uid-of-photos", [a_file(key) for key in keys])
    with psycopg.connect(where) as connection:
        asked = connection.execute('SELECT key FROM files ORDER BY key COLLATE "default"').fetchall()
    assert [key for (key,) in asked] == ["a", "ä", "a-b", "aa", "b", "B"]
    page = index.files_by_key("uid-of-photos", prefix="", start="", after=True, limit=9)
    assert [file.key for file in page] == sorted(keys)


def test_every_text_is_compared_by_bytes(where: str, index: Index) -> None:
    with psycopg.connect(where) as connection:
        collations = connection.execute(
            "SELECT DISTINCT collation_name FROM information_schema.columns "
            "WHERE table_schema = 'public' AND data_type = 'text'"
        ).fetchall()
    assert collations == [("C",)]


LOCKS: dict[str, Callable[[Transaction], None]] = {
    "key": lambda transaction: transaction.lock_keys([("photos", "a")]),
    "other key": lambda transaction: transaction.lock_keys([("photos", "b")]),
    "key of other bucket": lambda transaction: transaction.lock_keys([("videos", "a")]),
    "key, whole bucket": lambda transaction: transaction.lock_keys([("photos", "b")], whole_buckets=["photos"]),
    "bucket": lambda transaction: transaction.lock_bucket("photos"),
    "other bucket": lambda transaction: transaction.lock_bucket("videos"),
}


@pytest.mark.parametrize(
    ("held", "wanted", "waits"),
    [
        ("key", "key", True),
        ("key", "other key", False),
        ("key", "key of other bucket", False),
        ("key", "key, whole bucket", True),
        ("key", "bucket", True),
        ("key", "other bucket", False),
        ("bucket", "key", True),
        ("bucket", "bucket", True),
        ("bucket", "key of other bucket", False),
        ("key, whole bucket", "other key", True),
    ],
)
def test_lock_keeps_out_whom_it_should(
    make_index: Callable[[], Index], index: Index, held: str, wanted: str, waits: bool
) -> None:
    other = make_index()
    entered = threading.Event()

    def want() -> None:
        with other.write() as transaction:
            LOCKS[wanted](transaction)
            entered.set()

    with ThreadPoolExecutor(1) as pool:
        with index.write() as transaction:
            LOCKS[held](transaction)
            waiting: Future[None] = pool.submit(want)
            if waits:
                wait_for_a_waiter(index)
                assert not entered.is_set()
            else:
                waiting.result(10)
        waiting.result(10)
    assert entered.is_set()


def wait_for_a_waiter(index: Index) -> None:
    query = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with index._engine.connect() as connection:
        for _ in range(1000):
            if connection.execute(query).scalar_one():
                return
            threading.Event().wait(0.01)
    raise AssertionError("nobody waits")


def test_what_was_committed_while_waiting_for_a_lock_is_seen(make_index: Callable[[], Index], index: Index) -> None:
    other = make_index()
    began = threading.Event()

    def read() -> bool:
        with other.write() as transaction:
            assert transaction.file("uid-of-photos", "a") is None
            began.set()
            transaction.lock_keys([("photos", "a")])
            return transaction.file("uid-of-photos", "a") is not None

    with ThreadPoolExecutor(1) as pool:
        with index.write() as transaction:
            transaction.put_bucket(a_bucket())
            transaction.lock_keys([("photos", "a")])
            reading = pool.submit(read)
            assert began.wait(10)
            transaction.put_file(a_file("a"), None)
        assert reading.result(10)


def test_lock_that_cannot_be_had_is_unavailable(
    make_index: Callable[[], Index], index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage_app.index.postgres._LOCK_WAIT", "10ms")
    with index.write() as transaction:
        transaction.lock_keys([("photos", "a")])
        with pytest.raises(Unavailable), make_index().write() as impatient:
            impatient.lock_keys([("photos", "a")])


def test_server_that_cannot_be_reached_is_said_so() -> None:
    index = Index(f"postgresql://postgres@127.0.0.1:{free_port()}/none")
    with pytest.raises(StoreUnusable, match="cannot be opened"):
        index.version()
    with pytest.raises(Unavailable):
        index.probe()
    index.close()


def test_connection_that_was_lost_costs_no_request(where: str, index: Index) -> None:
    index.probe()
    with psycopg.connect(where, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid != pg_backend_pid()"
        )
    index.probe()
