"""Resumable uploads as nouns: what kind one is, and what it reserves."""

import hashlib
from typing import Any

import pytest

from storage_app.domain.resumables import Checksum
from storage_app.domain.uploads import UploadRequest
from tests.support.resumables import HELLO, a_resumable

PART = UploadRequest("photos")


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, (False, False)),
        ({"request": PART, "upload_concat": "partial"}, (True, False)),
        ({"upload_concat": "final;a"}, (False, True)),
    ],
)
def test_kinds_are_told_apart(fields: dict[str, Any], kind: tuple[bool, bool]) -> None:
    upload = a_resumable(**fields)
    assert (upload.is_part, upload.is_final) == kind


@pytest.mark.parametrize(
    ("fields", "received", "replaced", "reserved"),
    [
        ({}, 3, 0, (11, 11, 3, True)),
        ({}, 3, 4, (11, 7, 3, True)),
        ({}, 3, 40, (11, 0, 3, True)),
        ({"length": None}, 3, 0, (3, 3, 3, True)),
        ({"is_finished": True}, 11, 0, (0, 0, 0, False)),
    ],
)
def test_upload_reserves_what_it_may_send(
    fields: dict[str, Any], received: int, replaced: int, reserved: tuple[int, int, int, bool]
) -> None:
    found = a_resumable(**fields).reservation(received=received, replaced_bytes=replaced)
    assert (found.size, found.growth, found.received, found.is_open) == reserved


def test_checksum_is_of_its_bytes_alone() -> None:
    checksum = Checksum("sha1", hashlib.sha1(HELLO, usedforsecurity=False).digest())
    assert (checksum.is_of(HELLO), checksum.is_of(b"")) == (True, False)
