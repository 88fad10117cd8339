"""Containers and streams of frames, byte by byte; tests/media_types/test_sniffing_real_files.py has whole files."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage_app.media_types import containers
from tests.media_types.heads import ID3, iso_media


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (iso_media(b"isom"), "video/mp4"),
        (iso_media(b"XAVC", b"mp42"), "video/mp4"),
        (iso_media(b"dash", b"iso6"), "video/mp4"),
        (iso_media(b"qt  "), "video/quicktime"),
        (iso_media(b"M4A ", b"isom"), "audio/mp4"),
        (iso_media(b"M4V "), "video/x-m4v"),
        (iso_media(b"3gp4", b"isom"), "video/3gpp"),
        (iso_media(b"3ge6"), "video/3gpp"),
        (iso_media(b"3g2a"), "video/3gpp2"),
        (iso_media(b"heic", b"mif1"), "image/heic"),
        (iso_media(b"heix", b"mif1"), "image/heic"),
        (iso_media(b"hevc", b"msf1"), "image/heic"),
        (iso_media(b"mif1"), "image/heif"),
        (iso_media(b"mif1", b"heic"), "image/heic"),
        (iso_media(b"mif1", b"miaf", b"avif"), "image/avif"),
        (iso_media(b"msf1", b"avis"), "image/avif"),
        (iso_media(b"avis", b"avif"), "image/avif"),
        (iso_media(b"crx ", b"isom"), "image/x-canon-cr3"),
        (iso_media(b"mp42", b"isom") + b"avif", "video/mp4"),  # behind the box
        (b"\x00\x00\x00\x08wide", "video/quicktime"),
        (b"\x00\x00\x00\x18styp", "video/mp4"),
        (b"\x00\x00\x00\x18none", None),
        (b"", None),
    ],
)
def test_brands_tell_what_an_iso_file_is(head: bytes, kind: str | None) -> None:
    assert containers.iso_media(head) == kind


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"RIFF\0\0\0\0WAVE", "audio/wav"),
        (b"RIFF\0\0\0\0WEBP", "image/webp"),
        (b"RIFF\0\0\0\0RMID", "audio/midi"),
        (b"RIFF\0\0\0\0____", None),
        (b"RIFF", None),
    ],
)
def test_form_tells_what_a_riff_file_is(head: bytes, kind: str | None) -> None:
    assert containers.riff(head) == kind


@pytest.mark.parametrize(
    ("packets", "kind"),
    [
        ([b"G".ljust(188, b"\xff")] * 3, "video/mp2t"),
        ([b"\0\0\0\0G".ljust(192, b"\xff")] * 3, "video/mp2t"),  # with the times of a Blu-ray disc
        ([b"G".ljust(188, b"\xff")] * 2, None),
        ([b"G".ljust(188, b"\xff")] * 2 + [b"H" * 188], None),
        ([b""], None),
    ],
)
def test_transport_stream_has_its_sync_bytes(packets: list[bytes], kind: str | None) -> None:
    assert containers.transport_stream(b"".join(packets)) == kind


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xfb\x90\x64".ljust(417, b"\0") + b"\xff\xfb\x90\x64", "audio/mpeg"),
        (b"\xff\xfb\x90\x64".ljust(300, b"\0"), "audio/mpeg"),  # the next frame is beyond the head
        (b"\xff\xfb\x90\x64".ljust(500, b"\0"), None),
        (b"\xff\xe3\x18\xc4\x00\x00\x00", "audio/mpeg"),  # MPEG 2.5
        (b"\xff\xfb\xf0\x64\x00\x00\x00", None),  # no such bitrate
        (b"\xff\xfb\x9c\x64\x00\x00\x00", None),  # no such rate
        (b"\xff\xf1\x50\x80\x02\x1f\xfc", "audio/aac"),
        (b"\xff\xf1\x50\x80\x00\x1f\xfc", None),  # shorter than its header
        (b"\x0b\x77\x00\x00\x14\x40", "audio/ac3"),
        (b"\x0b\x77\x00\x00\x14\x80", "audio/eac3"),
        (b"\xff\xfea\x00b\x00c\x00", None),  # UTF-16
        (b"\xff", None),
        (b"\x0b\x77", None),
    ],
)
def test_next_frame_confirms_the_first(head: bytes, kind: str | None) -> None:
    assert containers.frames(head) == kind


def test_size_of_a_tag_has_seven_bits_a_byte() -> None:
    assert containers.tag_bytes(ID3) == 0x23 + 10
    assert containers.tag_bytes(b"ID3\x04\x00\x00\x00\x00\x02\x01") == 257 + 10
    assert containers.tag_bytes(b"ID3") == 10


@settings(deadline=None)
@given(
    st.sampled_from(
        [
            getattr(containers, name)
            for name in (
                "iso_media",
                "jpeg_2000",
                "riff",
                "iff",
                "djvu",
                "matroska",
                "ogg",
                "asf",
                "icon",
                "pcx",
                "animator",
                "portable_anymap",
                "zipped",
                "compound",
                "transport_stream",
                "tag_bytes",
                "frames",
            )
        ]
    ),
    st.sampled_from([b"", b"\xff\xfb", b"\xff\xf1", b"PK\x03\x04", b"\x0b\x77", b"P6\n", b"\x00\x00\x01\x00"]),
    st.binary(max_size=80),
)
def test_cut_and_damaged_heads_are_no_error(look, start: bytes, rest: bytes) -> None:
    """`icon` alone needs the four bytes that it is found by."""
    look((start + rest).ljust(4, b"\0"))
