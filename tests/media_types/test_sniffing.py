"""Sniffing: what the first bytes of a file show, and which types they rule out."""

from unittest.mock import patch

import filetype
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage_app.media_types import UNKNOWN, Decision, decide
from storage_app.media_types.sniffing import HEAD_BYTES, carries, is_text, recognize, tells_apart
from tests.media_types.heads import APNG, AVIF, GZIP, HEIC, HTML, MP4, NOISE, OGG, PDF, PNG, ZIP


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


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (b"", False),
        (b"a", True),
        ("é".encode(), True),
        ("é".encode()[:1], False),  # and nothing else
        (b"a" + "€".encode()[:2], False),  # of a file that ends there
        (b"a" * (HEAD_BYTES - 2) + "€".encode()[:2], True),
        (b"\xa9", False),
        (b"\xc3a", False),
        (b"\t\n\f\r\x1b", True),
        (b"a\x00", False),
        (b"a\x08", False),
        (b"a\x0b", False),
        (b"a\x1f", False),
        (b"a\x7f", True),
    ],
)
def test_text_is_told_from_other_bytes(head: bytes, text: bool) -> None:
    assert is_text(head) is text


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (PNG, "image/png"),
        (MP4, "video/mp4"),
        (OGG, "audio/ogg"),
        (b"%PDF-1.4\n", "application/pdf"),
        (b"%!PS-Adobe", "application/postscript"),
        (b"BM is a word", None),
        (HTML, None),
        (NOISE, None),
        (b"", None),
    ],
)
def test_signature_is_recognized(head: bytes, found: str | None) -> None:
    assert recognize(head) == found


@pytest.mark.parametrize(
    ("found", "content_type", "carried"),
    [
        ("video/mp4", "audio/mp4", True),
        ("video/mp4", "audio/x-m4a", True),  # by the name that it is an alias of
        ("video/mp4", "video/webm", False),
        ("image/png", "image/x-icon", True),
        ("image/png", "image/tiff", False),
        ("application/gzip", "image/x-unheard-of", True),
        ("application/gzip", "image/tiff", False),
        ("audio/mpeg", "video/x-unheard-of", True),
        ("image/png", "image/x-unheard-of", True),
        ("image/png", "audio/x-unheard-of", False),
        ("application/pdf", "image/x-unheard-of", False),
    ],
)
def test_recognized_file_may_have_another_type(found: str, content_type: str, carried: bool) -> None:
    assert carries(found, content_type) is carried


@pytest.mark.parametrize(
    ("content_type", "found", "refines"),
    [
        ("application/java-archive", "application/zip", True),
        ("application/vnd.oasis.opendocument.text", "application/zip", True),
        ("application/json", "application/zip", False),
        ("video/ogg", "audio/ogg", True),
        ("video/mp4", "video/quicktime", False),  # the library tells these two apart itself
        ("video/ogg", "video/mp4", False),
    ],
)
def test_name_refines_what_a_signature_cannot_tell_apart(content_type: str, found: str, refines: bool) -> None:
    assert tells_apart(content_type, found) is refines
