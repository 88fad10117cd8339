"""A store over an index on each database, its bucket, and such an index alone."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from storage_app.domain.buckets import Bucket
from storage_app.index import Index
from tests.support.core import ALICE, Core, open_core
from tests.support.postgres import PostgresServer

DATABASES = ["sqlite", "postgresql"]


def made(where: Path | str) -> Index:
    """Return the index at `where`, complete and empty."""
    index = Index(where)
    index.create()
    with index.fill() as transaction:
        transaction.complete()
    return index


@pytest.fixture(params=DATABASES)
def index_url(request: pytest.FixtureRequest) -> str | None:
    """A database with an index, because a start that makes one waits for seconds; None for SQLite."""
    if request.param == "sqlite":
        return None
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.database()
    made(url).close()
    return url


@pytest.fixture
def core(tmp_path: Path, index_url: str | None) -> Iterator[Core]:
    """A store with a bucket."""
    with open_core(tmp_path / "store", **({} if index_url is None else {"INDEX_URL": index_url})) as core:
        core.bucket()
        yield core


@pytest.fixture
def bucket(core: Core) -> Bucket:
    return core.buckets.get(ALICE, "photos")[0]


@pytest.fixture
def index(tmp_path: Path, index_url: str | None) -> Iterator[Index]:
    where = tmp_path / "index.sqlite3" if index_url is None else index_url
    with closing(made(where)) as index:
        yield index
