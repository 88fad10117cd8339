"""The id of a store: given once, kept by its index, and in the way of a second store on the same index."""

import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from storage_app.errors import StoreUnusable, Unavailable
from storage_app.host.layout import Layout
from storage_app.index import Index
from storage_app.maintenance.identity import ensure_store_id, read_store_id
from storage_app.maintenance.recover import recover
from storage_app.node import Storage
from tests.support.core import Core, open_core, open_storage, shown
from tests.support.postgres import PostgresServer

A_STORE_ID = "0" * 32


@pytest.fixture
def layout(root: Path) -> Layout:
    made = Layout(root)
    made.prepare()
    return made


def test_store_gets_an_id_once(layout: Layout) -> None:
    assert read_store_id(layout) is None
    layout.identity.with_name("store.json.new").write_text("of a start that was killed")
    made = ensure_store_id(layout)
    assert read_store_id(layout) == ensure_store_id(layout) == made
    assert json.loads(layout.identity.read_bytes()) == {"format": 1, "id": made}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", f'{{"format": 2, "id": "{A_STORE_ID}"}}', '{"format": 1, "id": "x"}', '{"format": 1}']
)
def test_id_that_cannot_be_read_is_one_sentence_and_never_replaced(layout: Layout, text: str) -> None:
    layout.identity.write_text(text)
    for use in (read_store_id, ensure_store_id, lambda layout: recover(layout.root, durable=False)):
        with pytest.raises(StoreUnusable, match=r"store\.json cannot be read \(.*\): restore it from a backup"):
            use(layout)
    assert layout.identity.read_text() == text


def test_copy_of_a_store_with_its_index_needs_no_rebuild(root: Path, before: Any) -> None:
    copy = shutil.copytree(root, root.with_name("copy"))
    assert recover(copy, durable=False).files is None
    with open_core(copy) as core:
        assert shown(core) == before


def test_index_file_of_another_store_is_rebuilt(root: Path, before: Any) -> None:
    recover(root.with_name("other"), durable=False)  # which gives it an id of its own
    with open_core(root.with_name("other")) as other:
        other.bucket("others")
    shutil.copy(Layout(other.root).index, Layout(root).index)
    assert recover(root, durable=False).files == 7
    with open_core(root) as core:
        assert shown(core) == before


def test_store_that_lost_its_id_beside_a_living_process_gets_another(root: Path, before: Any) -> None:
    with open_core(root) as living:
        living.layout.identity.unlink()
        assert recover(root, durable=False).files == 7
        assert shown(living) == before
        assert recover(root, durable=False).files is None


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.database()


def files_of(core: Core) -> list[str]:
    return [file.key for _, files in shown(core).values() for file in files]


def test_index_of_another_store_is_refused_and_left_alone(root: Path, url: str) -> None:
    other = root.with_name("other")
    with open_core(root, INDEX_URL=url) as first:
        first.bucket()
        first.put("first")
        for rebuild_anyway in (False, True):
            with pytest.raises(StoreUnusable) as refused:
                recover(other, durable=False, index_url=url, rebuild_anyway=rebuild_anyway)
            for part in (read_store_id(first.layout), read_store_id(Layout(other)), str(other), "--take-over"):
                assert part is not None
                assert part in refused.value.detail
        unrecovered = Storage(open_storage(root.with_name("third"), recovered=True, INDEX_URL=url).settings)
        Layout(root.with_name("third")).prepare()
        ensure_store_id(Layout(root.with_name("third")))
        with pytest.raises(Unavailable):
            unrecovered.ensure_open()
        assert files_of(first) == ["first"]
        first.put("second")
        first.check()


def test_restored_copy_takes_the_index_over(root: Path, url: str) -> None:
    with open_core(root, INDEX_URL=url) as first:
        first.bucket()
        first.put("kept")
        copy = shutil.copytree(root, root.with_name("copy"), ignore=shutil.ignore_patterns(".system"))
        first.put("not in the copy")
        recover(copy, durable=False, index_url=url, rebuild_anyway=True, take_over=True)
        with open_core(copy, INDEX_URL=url) as second:
            assert files_of(second) == ["kept"]
            second.put("new")
            with pytest.raises(Unavailable), first.index.write():
                pass
            with pytest.raises(Unavailable):
                _ = first.storage.services
            assert files_of(second) == ["kept", "new"]
    with pytest.raises(StoreUnusable, match="--take-over"):
        recover(root, durable=False, index_url=url)


def test_rebuild_that_another_store_takes_over_ends(root: Path, url: str) -> None:
    with open_core(root, INDEX_URL=url) as first, closing(Index(url, store=A_STORE_ID)) as another:
        another.begin_anew(take_over=True)
        with pytest.raises(StoreUnusable, match="taken over"), first.index.fill():
            pass
        with pytest.raises(StoreUnusable, match="taken over"):
            first.index.begin_anew()
