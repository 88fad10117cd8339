"""The factory: the store that it makes is the process's own, and as durable as it was asked to be."""

from pathlib import Path

import pytest

from storage_app.blobstore import open_store
from tests.support.disk import syncs
from tests.support.stores import BUCKET, content, listed, put


def test_store_is_opened_at_its_root_for_its_process(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store", process="me", durable=False)
    store.create_bucket(BUCKET)
    file = put(store, data=b"abc")
    assert (tmp_path / "store" / ".system" / "staging" / "me").is_dir()
    again = open_store(tmp_path / "store", process="another", durable=False)
    assert listed(again) == [file]
    assert content(again, file) == b"abc"


@pytest.mark.parametrize("durable", [False, True])
def test_store_syncs_if_it_shall_be_durable(tmp_path: Path, durable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(tmp_path / "store", process="me", durable=durable)
    store.create_bucket(BUCKET)
    with syncs(monkeypatch) as synced:
        put(store)
    assert bool(synced) is durable
