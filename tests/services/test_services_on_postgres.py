"""The services over an index in PostgreSQL: the same as over a file, also while another process makes it again."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from storage_app.domain.buckets import Totals
from storage_app.domain.files import UNCONDITIONAL, File
from storage_app.domain.pages import Position
from storage_app.errors import FileExists, QuotaExceeded, StoreUnusable, Unavailable
from storage_app.index import Index
from storage_app.maintenance.recover import mark_clean_stop, recover
from tests.support.core import ALICE, Core, open_core, shown
from tests.support.postgres import PostgresServer


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """A database with an index already: a start that makes one waits for others to notice, which takes seconds."""
    url = postgres.database()
    with closing(Index(url)) as index:
        index.create()
        with index.fill() as transaction:
            transaction.complete()
    return url


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def core(root: Path, url: str) -> Iterator[Core]:
    with open_core(root, INDEX_URL=url) as core:
        core.bucket()
        yield core


def test_lists_are_searched_and_skipped_as_over_a_file(core: Core) -> None:
    for key in ("a/Straße.txt", "b/STRASSE.jpg", "c/caf\u00e9", "d/CAFE\u0301"):
        core.put(key)

    def keys(**query: Any) -> list[str]:
        asked = {"position": None, "limit": 10} | query
        lists = core.files.list_by_key(ALICE, "photos", **asked), core.files.list_by_creation(ALICE, "photos", **asked)
        by_key, newest_first = (
            [each.entry.key for each in found.entries if isinstance(each.entry, File)] for found in lists
        )
        assert sorted(newest_first) == by_key
        return by_key

    assert keys(search="strasse") == ["a/Straße.txt", "b/STRASSE.jpg"]
    assert keys(search="É") == ["c/caf\u00e9", "d/CAFE\u0301"]
    assert keys(prefix="b") == ["b/STRASSE.jpg"]
    behind_two = core.files.list_by_key(ALICE, "photos", position=Position("", after=False, skip=2), limit=1)
    assert next(behind_two.entries).following == Position("c/caf\u00e9")
    newest_first = core.files.list_by_creation(ALICE, "photos", position=Position("", after=False, skip=3), limit=1)
    assert [each.entry.key for each in newest_first.entries if isinstance(each.entry, File)] == ["a/Straße.txt"]


def test_files_are_written_listed_changed_and_deleted(core: Core) -> None:
    for key in ("b.txt", "a/ä.txt", "B.txt"):
        core.put(key, key.encode())
    core.put("b.txt", b"again")
    core.files.edit(ALICE, "photos", "B.txt", changes={"metadata": {"\0é": [1.5, None]}}, conditions=UNCONDITIONAL)
    core.files.delete(ALICE, "photos", "a/ä.txt", conditions=UNCONDITIONAL)
    assert [(file.key, dict(file.metadata)) for file in shown(core)["photos"][1]] == [
        ("B.txt", {"\0é": [1.5, None]}),
        ("b.txt", {}),
    ]
    core.check()
    core.buckets.delete(ALICE, "photos", force=True)
    core.check()
    assert shown(core) == {}


def test_many_files_are_deleted_at_once(core: Core) -> None:
    for number in range(120):
        core.put(f"a/{number}")
    core.put("b")
    assert core.deletions.by_keys(ALICE, "photos", ["a/7", "none"]).done == 2
    result = core.deletions.by_prefix(ALICE, "photos", "a/")
    assert (result.done, result.failed, result.complete) == (119, [], True)
    assert core.totals() == Totals(1, 3)
    core.check()


def test_of_sixteen_creators_one_is_first(core: Core) -> None:
    def create(number: int) -> bool:
        try:
            return core.put("a.txt", bytes([number]), overwrite=False)[1]
        except FileExists:
            return False

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(create, range(16))) == 1
    core.check()


def test_writers_together_stay_within_the_quota(core: Core) -> None:
    core.bucket("small", quota=1000)

    def put(number: int) -> bool:
        try:
            return core.put(str(number), bytes(300), to="small", size=None)[1]
        except QuotaExceeded:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(put, range(8))) == 3
    assert core.totals("small") == Totals(3, 900)
    core.check()


def test_quota_that_comes_during_an_upload_holds(core: Core) -> None:
    def limit(_: object) -> None:
        core.buckets.change(ALICE, "photos", {"quota": 2})

    with pytest.raises(QuotaExceeded):
        core.send("a.txt", b"abc", meanwhile=limit, size=None)
    core.check()


def test_restart_keeps_everything(core: Core, root: Path, url: str) -> None:
    core.put("a.txt")
    before = shown(core)
    core.storage.stop()
    mark_clean_stop(root, index_url=url)
    assert recover(root, durable=False, index_url=url).files is None
    assert shown(Core(core.storage)) == before


def test_index_that_is_being_made_is_used_by_nobody(core: Core, root: Path, url: str) -> None:
    """It knows of a part of the files only, so that a bucket might look empty."""
    core.put("a.txt")
    before = shown(core)
    assert core.storage.services is core.services  # it has looked, and believes that for a second
    other = Index(url)
    other.begin_anew()
    with pytest.raises(Unavailable, match="made again"), core.index.write():
        pass
    with pytest.raises(Unavailable, match="not ready"):
        _ = core.storage.services
    assert recover(root, durable=False, index_url=url).files == 1
    again = Core(core.storage)
    assert shown(again) == before
    again.check()
    other.close()


def test_rebuild_beside_the_living_makes_every_row_agree(core: Core, root: Path, url: str) -> None:
    for key in ("a.txt", "b.txt"):
        core.put(key)
    before = shown(core)
    lost = core.file("a.txt")
    assert lost is not None
    with core.index.write() as transaction:
        transaction.drop_file(lost)
    assert recover(root, durable=False, index_url=url, rebuild_anyway=True).files == 2
    assert shown(core) == before
    core.check()


def test_index_of_another_version_stops_the_start(core: Core, root: Path, url: str) -> None:
    with core.index.fill() as transaction:
        transaction.make_incomplete()
        transaction._connection.exec_driver_sql("INSERT INTO properties VALUES ('version', '999')")
    with pytest.raises(StoreUnusable, match="another version"):
        recover(root, durable=False, index_url=url)
    assert recover(root, durable=False, index_url=url, rebuild_anyway=True).files == 0
