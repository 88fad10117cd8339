"""The record of a resumable upload: it comes back as it was, and nothing else is taken for one."""

import json
from dataclasses import replace
from typing import Any

import pytest

from storage_app.blobstore import new_blob_name
from storage_app.blobstore.records import UnreadableRecord
from storage_app.blobstore.resumables.record import dump_resumable, load_resumable
from storage_app.domain.files import WriteConditions
from storage_app.domain.resumables import Resumable
from storage_app.domain.uploads import FileAttributes, UploadConstraints, UploadRequest
from tests.support.core import A_TIME
from tests.support.resumables import a_resumable

PLAIN = a_resumable()
SIGNED = a_resumable(
    principal=None,
    request=UploadRequest(
        "photos",
        key="a/猫.txt",
        overwrite=True,
        conditions=WriteConditions(frozenset({'"x"', '"y"'}), frozenset({"*"}), A_TIME),
        attributes=FileAttributes("猫.txt", "text/plain", {"k": [1, None]}, "no-store", frozenset({"ab" * 32})),
        constraints=UploadConstraints("猫.txt", "text/plain", 11, "ab" * 32, {"k": 1}, "notify"),
        by_link=True,
    ),
    upload_metadata="bucket_id cGhvdG9z,x",
    upload_concat="final;a b",
    synced=7,
    checked_from=3,
    cuts=2,
    blob=new_blob_name("a/猫.txt"),
    is_finished=True,
)
PART = a_resumable(request=UploadRequest("photos"), length=None, upload_concat="partial")


@pytest.mark.parametrize("upload", [PLAIN, SIGNED, PART], ids=["plain", "signed", "part"])
def test_record_comes_back(upload: Resumable) -> None:
    assert load_resumable(upload.id, dump_resumable(upload)) == upload


def broken(**values: Any) -> bytes:
    return json.dumps(json.loads(dump_resumable(PLAIN)) | values).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        broken(length=-1),
        broken(key="a//b"),
        broken(blob="../../etc/passwd"),
        broken(principal={"kind": "king", "sub": "alice"}),
        broken(right={"owner_id": "alice", "create": True}),
        broken(expires_at="tomorrow"),
        broken(attributes=[]),
        broken(format=2),
    ],
)
def test_anything_else_is_unreadable(text: bytes) -> None:
    with pytest.raises(UnreadableRecord):
        load_resumable("id", text)


def test_id_is_that_of_the_directory() -> None:
    assert load_resumable("other", dump_resumable(PLAIN)) == replace(PLAIN, id="other")
