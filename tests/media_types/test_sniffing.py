"""Sniffing: what the first bytes of a file show, and which types they rule out."""

from unittest.mock import patch

import filetype
from hypothesis import given, settings
from hypothesis import strategies as st

from storage_app.media_types import UNKNOWN, Decision, decide
from storage_app.media_types.sniffing import HEAD_BYTES, recognize
from tests.media_types.heads import APNG, AVIF, GZIP, HEIC, MP4, NOISE, OGG, PDF, PNG, ZIP


@settings(deadline=None)
@given(st.sampled_from([PNG, MP4, HEIC, OGG, ZIP, GZIP, APNG, PDF, AVIF]), st.binary(max_size=60), st.integers(0, 60))
def test_damaged_heads_are_judged_too(head: bytes, damage: bytes, position: int) -> None:
    damaged = head[:position] + damage + head[position + len(damage) :]
    assert decide("image/avif", damaged, "").content_type
    assert decide(None, damaged, "").content_type


# The first file of a zip, whose name and content say that it is a document.
ZIPPED = [ZIP + bytes(16) + name for name in (b"word/", b"mimetypeapplication/vnd.oasis.opendocument.text", b"a.txt")]


@given(st.sampled_from([b"", b"\x93", b"PK\x03", bytes(30)]), st.sampled_from([*ZIPPED, NOISE]), st.binary())
def test_zipped_documents_are_looked_for_where_one_can_be(before: bytes, zipped: bytes, after: bytes) -> None:
    head = before + zipped + after
    with patch("storage_app.media_types.sniffing._NO_ZIPPED_DOCUMENTS", filetype.TYPES):
        every = recognize(head)
    assert recognize(head) == every


def test_zipped_documents_are_recognized() -> None:
    assert [recognize(head) for head in ZIPPED] == [
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.oasis.opendocument.text",
        "application/zip",
    ]


def test_frames_that_exhaust_the_library_are_no_error() -> None:
    empty_zstandard_frame = b"\x50\x2a\x4d\x18\x00\x00\x00\x00"
    assert decide(None, empty_zstandard_frame * (HEAD_BYTES // 8), "") == Decision(UNKNOWN)
