"""Sniffing: what the first bytes of a file show, and which types they rule out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage_app.media_types import decide
from storage_app.media_types.sniffing import HEAD_BYTES, carries, charset_of, is_text, is_utf16, recognize, tells_apart
from tests.media_types.heads import APNG, AVIF, GZIP, HEIC, HTML, MP4, NOISE, OGG, PDF, PNG, ZIP


@settings(deadline=None)
@given(st.sampled_from([PNG, MP4, HEIC, OGG, ZIP, GZIP, APNG, PDF, AVIF]), st.binary(max_size=60), st.integers(0, 60))
def test_damaged_heads_are_judged_too(head: bytes, damage: bytes, position: int) -> None:
    damaged = head[:position] + damage + head[position + len(damage) :]
    assert decide("image/avif", damaged, "").content_type
    assert decide(None, damaged, "").content_type


@pytest.mark.parametrize(
    ("sound", "found"),
    [
        (b"fLaC\x00\x00\x00\x22", "audio/flac"),
        (b"RIFF\x24\x00\x00\x00WAVE", "audio/wav"),
        (b"\xff\xfb\x90\x64\x00\x00\x00", "audio/mpeg"),
        (NOISE, "audio/mpeg"),
        (PNG, "audio/mpeg"),
        (b"", "audio/mpeg"),
        (b"ID3\x04" + bytes(6), "audio/mpeg"),
    ],
)
def test_sound_behind_a_tag_is_recognized(sound: bytes, found: str) -> None:
    tag = b"ID3\x04\x00\x00\x00\x00\x00\x08" + bytes(8)
    assert recognize(tag + sound) == found


@pytest.mark.parametrize(
    "pattern",
    [b"ID3\x04" + bytes(6), b"PK\x03\x04", b"P1 \x00", b"P1 #\n", b"P6 \n", b"FORM", b"OggS", b"\xff\xfe", b"G", b"\n"],
)
def test_head_full_of_one_pattern_is_judged(pattern: bytes) -> None:
    head = (pattern * HEAD_BYTES)[:HEAD_BYTES]
    for declared in (None, "image/avif", "audio/mpeg", "image/x-unheard-of", "text/plain"):
        assert decide(declared, head, "").content_type


@pytest.mark.parametrize(
    ("head", "utf16"),
    [
        ("\ufeffa\n".encode("utf-16-le"), True),
        ("\ufeff灯".encode("utf-16-be"), True),
        ("a".encode("utf-16-le"), False),  # nothing says so
        (b"\xff\xfe", False),
        (b"\xff\xfea", False),
        ("\ufeffa\0".encode("utf-16-le"), False),
        (b"\xff\xfe\x00\xd8", False),  # half a pair
        (("\ufeff" + "x" * HEAD_BYTES).encode("utf-16-le")[: HEAD_BYTES - 1] + b"x", True),
        (b"\xff\xfb\x90\x64", False),
    ],
)
def test_utf16_is_told_by_its_byte_order_mark(head: bytes, utf16: bool) -> None:
    assert is_utf16(head) is utf16


def test_charset_of_text_is_known() -> None:
    heads = [b"a", "é".encode(), "\ufeffa".encode("utf-16"), b"caf\xe9", NOISE, b""]
    assert [charset_of(head) for head in heads] == ["utf-8", "utf-8", "utf-16", None, None, None]


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
        ("video/mp4", "video/quicktime", False),  # the signatures tell these two apart
        ("video/ogg", "video/mp4", False),
    ],
)
def test_name_refines_what_a_signature_cannot_tell_apart(content_type: str, found: str, refines: bool) -> None:
    assert tells_apart(content_type, found) is refines
