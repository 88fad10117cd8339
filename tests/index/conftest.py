"""The index on each database that it may lie in."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage_app.index import Index
from tests.support.postgres import PostgresServer

DATABASES = ["sqlite", "postgresql"]


@pytest.fixture(params=DATABASES)
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where an index may be made: a file, or a database of a server."""
    if request.param == "sqlite":
        return tmp_path / "index.sqlite3"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
def make_index(where: Path | str) -> Iterator[Callable[[], Index]]:
    """Open `where`, as often as it is called: each is like one process."""
    opened: list[Index] = []

    def make() -> Index:
        opened.append(Index(where))
        return opened[-1]

    yield make
    for index in opened:
        index.close()


@pytest.fixture
def index(make_index: Callable[[], Index]) -> Index:
    made = make_index()
    made.create()
    with made.fill() as transaction:
        transaction.complete()
    return made
