"""Staging: what lies there is the process's own, whole or not at all, and goes when it is not placed."""

import errno
import os
from contextlib import ExitStack

import pytest

from storage_app.blobstore import new_blob_name
from storage_app.blobstore.filesystem.store import FilesystemStore
from storage_app.errors import InsufficientStorage, Unavailable
from tests.support.core import a_file
from tests.support.disk import open_below
from tests.support.stores import BUCKET, content, staged


def test_name_of_what_is_staged_is_nobody_elses(store: FilesystemStore) -> None:
    """Were two to count in one directory, they would come to the same name, and neither may write over the other."""
    other = FilesystemStore(store.root, process="me", durable=False)
    with ExitStack() as stack, store.stage(BUCKET) as blob:
        blob.write(b"abc")
        with pytest.raises(Unavailable):
            [stack.enter_context(other.stage(BUCKET)) for _ in range(10)]
        file = a_file("cat.jpg", size=3, blob=new_blob_name("cat.jpg"))
        with store.stage_sidecar(BUCKET, file, blob) as sidecar:
            store.place(BUCKET, sidecar, blob)
        assert content(store, file) == b"abc"
    assert open_below(store.root) == []


def test_bytes_that_cannot_be_closed_leave_no_record_behind(
    store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk behind a network may say only at the close that there is no room."""

    def close() -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with store.stage(BUCKET) as blob:
        monkeypatch.setattr(blob, "close", close)
        with pytest.raises(InsufficientStorage, match="disk is full"):
            store.stage_sidecar(BUCKET, a_file(), blob)
    assert staged(store) == []
