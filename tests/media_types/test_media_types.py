import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage_app.media_types import UNKNOWN, Decision, chosen_type, decide, is_inline_safe
from storage_app.media_types.names import normalize
from storage_app.media_types.sniffing import HEAD_BYTES
from tests.media_types.heads import (
    APNG,
    ASCII_PDF,
    AVI,
    AVIF,
    BIG_TIFF,
    BMP,
    CR3,
    EXE,
    FLAC,
    GIF,
    GZIP,
    HEIC,
    HTML,
    ICO,
    ID3,
    JPEG,
    LATIN_HTML,
    M4A,
    MIDI,
    MKV,
    MOV,
    MOVING_AVIF,
    MP3,
    MP3_WITHOUT_KNOWN_SYNC,
    MP4,
    NOISE,
    OGG,
    OLD_MOV,
    PDF,
    PLAYLIST,
    PNG,
    SVG,
    TEXT,
    TIFF,
    TRANSPORT_STREAM,
    WAV,
    WEBM,
    WEBP,
    XPM,
    ZIP,
    iso_media,
)

PLAIN_TEXT = "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("declared", "head", "name"),
    [
        ("text/csv", PNG, "a.png"),
        ("text/html", JPEG, "a.jpg"),
        ("application/zip", TEXT, "a.txt"),
        ("application/vnd.ms-excel", TEXT, "a.xls"),
        ("application/vnd.ms-powerpoint", TEXT, "a.csv"),
        ("text/plain; charset=iso-8859-1", NOISE, ""),
        ('application/json; profile="a;b"', b"{}", ""),
        ("image/svg+xml", SVG, "a.svg"),
    ],
)
def test_declared_type_counts(declared: str, head: bytes, name: str) -> None:
    assert decide(declared, head, name) == Decision(declared, contradicts=False)


@pytest.mark.parametrize(
    "declared",
    [
        None,
        "",
        "png",
        "application/octet-stream",
        "Application/Octet-Stream; a=b",
        "binary/octet-stream",
        "unknown/unknown",
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=UTF-8",
        "multipart/form-data; boundary=cut",
    ],
)
def test_content_decides_if_nobody_chose_a_type(declared: str | None) -> None:
    assert chosen_type(declared, "a.txt") is None
    assert decide(declared, PNG, "a.txt") == Decision("image/png")


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


@pytest.mark.parametrize(
    ("head", "name", "expected"),
    [
        (b"a;b\n1;2\n", "2026/Sales.CSV", "text/csv; charset=utf-8"),
        (b"a;b\r\n\xe4;\xfc\r\n", "a.csv", "text/csv"),  # Windows-1252
        (b"\xff\xfea\x00;\x00b\x00", "a.csv", "text/csv; charset=utf-16"),  # UTF-16, "Unicode text" in Excel
        (b"", "a.csv", "text/csv"),
        (PNG, "a.csv", "image/png"),
        (b"a;b\n1;2\n", "a.xls", "application/vnd.ms-excel"),
        (b"a;b\n1;2\n", "csv", "application/vnd.ms-excel"),
        (OLE, "a.xls", "application/vnd.ms-excel"),
    ],
)
def test_csv_that_windows_calls_a_spreadsheet_is_a_csv(head: bytes, name: str, expected: str) -> None:
    assert decide("application/vnd.ms-excel", head, name) == Decision(expected)


@pytest.mark.parametrize(
    ("declared", "head", "expected"),
    [
        ("text/plain", TEXT, PLAIN_TEXT),
        ("Text/Plain; format=flowed", TEXT, "text/plain; format=flowed; charset=utf-8"),
        ("text/plain; charset", TEXT, PLAIN_TEXT),
        ("text/csv", "ä,ß\n".encode(), "text/csv; charset=utf-8"),
        ("text/markdown", TEXT, "text/markdown; charset=utf-8"),
        ("text/css", TEXT, "text/css; charset=utf-8"),
        ("text/x-unheard-of", TEXT, "text/x-unheard-of; charset=utf-8"),
        ("text/plain", "\ufeffä".encode("utf-16-le"), "text/plain; charset=utf-16"),
        ("text/plain", "\ufeffä".encode("utf-16-be"), "text/plain; charset=utf-16"),
        # A declared charset stays.
        ("text/plain; charset=iso-8859-1", TEXT, "text/plain; charset=iso-8859-1"),
        ("text/plain; CHARSET=x", TEXT, "text/plain; CHARSET=x"),
        # It is no UTF-8.
        ("text/plain", b"caf\xe9", "text/plain"),
        ("text/plain", b"\xff\xfe\x00\xd8", "text/plain"),
        ("text/plain", b"", "text/plain"),
        # They declare their charset inside, or have none.
        ("text/html", HTML, "text/html"),
        ("text/xml", SVG, "text/xml"),
        ("application/json", b"{}", "application/json"),
        ("text/x; a=" + "b" * 240, TEXT, "text/x; a=" + "b" * 240),
    ],
)
def test_utf8_text_gets_its_charset(declared: str, head: bytes, expected: str) -> None:
    assert decide(declared, head, "") == Decision(expected)


@pytest.mark.parametrize(
    ("head", "name", "expected"),
    [
        (PNG, "", "image/png"),
        (APNG, "", "image/png"),
        (JPEG, "", "image/jpeg"),
        (GIF, "", "image/gif"),
        (WEBP, "", "image/webp"),
        (AVIF, "", "image/avif"),
        (HEIC, "", "image/heic"),
        (BMP, "", "image/bmp"),
        (TIFF, "", "image/tiff"),
        (WAV, "", "audio/wav"),
        (MP3, "", "audio/mpeg"),
        (FLAC, "", "audio/flac"),
        (MP4, "", "video/mp4"),
        (MOV, "", "video/quicktime"),
        (WEBM, "", "video/webm"),
        (MKV, "", "video/x-matroska"),
        (PDF, "", "application/pdf"),
        (ASCII_PDF, "", "application/pdf"),
        (b"\x00\x05junk\r\n" + PDF, "", "application/pdf"),
        (b"%!PS-Adobe-3.0\n", "", "application/postscript"),
        (b"{\\rtf1\\ansi", "", "application/rtf"),
        (GZIP, "", "application/gzip"),
        (ZIP, "", "application/zip"),
        # What the signature cannot tell apart, the name may.
        (ZIP, "a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (ZIP, "a.jar", "application/java-archive"),
        (OGG, "a.ogv", "video/ogg"),
        (WEBM, "a.weba", "audio/webm"),
        # But it cannot make it something else.
        (ZIP, "a.json", "application/zip"),
        (OGG, "a.mp4", "audio/ogg"),
        (PNG, "a.svg", "image/png"),
        (MP4, "a.mp3", "video/mp4"),
    ],
)
def test_content_comes_before_name(head: bytes, name: str, expected: str) -> None:
    assert decide(None, head, name) == Decision(expected)


@pytest.mark.parametrize(
    ("head", "name", "expected"),
    [
        (TEXT, "2026/A.CSV", "text/csv; charset=utf-8"),
        (TEXT, "a.md", "text/markdown; charset=utf-8"),
        (TEXT, "a.js", "text/javascript; charset=utf-8"),
        (TEXT, "2026/A.TXT", PLAIN_TEXT),
        (HTML, "a.html", "text/html"),
        (SVG, "a.svg", "image/svg+xml"),
        (NOISE, "a.txt", "text/plain"),
        (NOISE, "a.dng", "image/x-adobe-dng"),
        (b"", "a.webp", "image/webp"),
        (b"", "a.avif", "image/avif"),
        (TEXT, "no.suffix.known.xyzzy", PLAIN_TEXT),
        (TEXT, ".png", PLAIN_TEXT),
        (TEXT, "data:image/png,x", PLAIN_TEXT),
        (NOISE, "", UNKNOWN),
        (b"", "", UNKNOWN),
        # A name cannot pass for a picture, a film or a PDF what is none.
        (HTML, "a.png", PLAIN_TEXT),
        (TEXT, "a.pdf", PLAIN_TEXT),
        (NOISE, "a.jpg", UNKNOWN),
        (NOISE, "a.opus", UNKNOWN),
        (TEXT, "a.ts", PLAIN_TEXT),  # TypeScript, not a transport stream
        (HTML, "a.mp4", PLAIN_TEXT),
    ],
)
def test_name_comes_last(head: bytes, name: str, expected: str) -> None:
    assert decide(None, head, name) == Decision(expected)


@pytest.mark.parametrize(
    "head",
    [
        b"BMW or bicycle?",
        b"GIFT list",
        b"MZ is an initial.",
        b"ID3 is a tag.",
        b"FWS and CWS",
        b"%! is not enough",
        "übermütig".encode(),
        ("cut in a character: €" + "x" * HEAD_BYTES).encode()[:HEAD_BYTES],
        ("x" * (HEAD_BYTES - 1) + "€").encode()[:HEAD_BYTES],
        b"\xef\xbb\xbfwith a byte order mark",
        b"\x1b[31mred\x1b[0m\f\r\n\t",
        HTML,
        SVG,
    ],
)
def test_text_is_text_whatever_it_begins_with(head: bytes) -> None:
    assert decide(None, head, "") == Decision("text/plain; charset=utf-8")


@pytest.mark.parametrize("head", [b"a\x00b", b"a\x07b", b"caf\xe9 au lait", b"caf\xe9", b"\xe2\x82"])
def test_other_bytes_are_not_text(head: bytes) -> None:
    assert decide(None, head, "") == Decision(UNKNOWN)


@pytest.mark.parametrize(
    ("declared", "head", "name", "actual"),
    [
        ("image/png", JPEG, "a.png", "image/jpeg"),
        ("image/png", HTML, "a.png", PLAIN_TEXT),
        ("image/png", TEXT, "a.html", PLAIN_TEXT),
        ("image/png", NOISE, "a.png", UNKNOWN),
        ("image/jpeg", PNG, "", "image/png"),
        ("image/jpg", LATIN_HTML, "", UNKNOWN),
        ("image/gif", b"GIFT\x00", "", UNKNOWN),
        ("image/webp", WAV, "", "audio/wav"),
        ("image/avif", HEIC, "", "image/heic"),
        ("image/avif", MP4, "", "video/mp4"),
        ("image/avif", MP4 + b"avif" * 9, "", "video/mp4"),
        ("image/bmp", TEXT, "", PLAIN_TEXT),
        ("image/x-eps", TEXT, "", PLAIN_TEXT),
        ("image/eps", PNG, "", "image/png"),
        ("application/x-pdf", TEXT, "", PLAIN_TEXT),
        ("image/tiff", PNG, "", "image/png"),
        ("image/heic", JPEG, "", "image/jpeg"),
        ("image/svg+xml", PNG, "", "image/png"),
        ("image/svg+xml", HTML, "", PLAIN_TEXT),
        ("image/svg+xml", TEXT, "", PLAIN_TEXT),
        ("image/x-unheard-of", HTML, "", PLAIN_TEXT),
        ("image/x-unheard-of", b"\xef\xbb\xbf\t<H1>", "", PLAIN_TEXT),
        ("image/x-unheard-of", MP3, "", "audio/mpeg"),
        ("image/x-unheard-of", PDF, "", "application/pdf"),
        ("audio/mpeg", TEXT, "", PLAIN_TEXT),
        ("audio/mpeg", PNG, "", "image/png"),
        ("audio/wav", FLAC, "", "audio/flac"),
        ("audio/x-unheard-of", EXE, "", "application/x-msdownload"),
        ("video/mp4", HTML, "", PLAIN_TEXT),
        ("video/mp4", LATIN_HTML, "", UNKNOWN),
        ("video/mp4", TEXT, "", PLAIN_TEXT),
        ("video/mp4", WEBM, "", "video/webm"),
        ("video/mp4; codecs=avc1", PDF, "", "application/pdf"),
        ("VIDEO/MP4", JPEG, "", "image/jpeg"),
        ("application/pdf", TEXT, "a.pdf", PLAIN_TEXT),
        ("application/pdf", b"<p>%PDF- is how they begin</p>", "", PLAIN_TEXT),
        ("application/pdf", ZIP, "", "application/zip"),
        ("application/pdf", NOISE, "", UNKNOWN),
        ("application/pdf", bytes(1020) + b"%PDF-1.4", "", UNKNOWN),
        ("image/webp", NOISE, "", UNKNOWN),
        ("image/bmp", NOISE, "", UNKNOWN),
        ("image/x-exr", NOISE, "", UNKNOWN),
        ("audio/x-caf", NOISE, "", UNKNOWN),
        ("video/mp4", NOISE, "", UNKNOWN),
        ("video/webm", NOISE, "", UNKNOWN),
        ("audio/wav", "\ufeffabc".encode("utf-16"), "", "text/plain; charset=utf-16"),
    ],
)
def test_bytes_contradict(declared: str, head: bytes, name: str, actual: str) -> None:
    assert decide(declared, head, name) == Decision(actual, contradicts=True)


@pytest.mark.parametrize(
    ("declared", "head"),
    [
        # Aliases.
        ("image/jpg", JPEG),
        ("image/pjpeg", JPEG),
        ("image/x-png", PNG),
        ("image/apng", APNG),
        ("image/png", APNG),
        ("image/x-ms-bmp", BMP),
        ("image/vnd.microsoft.icon", ICO),
        ("audio/mp3", MP3),
        ("audio/x-wav", WAV),
        ("audio/vnd.wave", WAV),
        ("audio/x-flac", FLAC),
        ("audio/x-m4a", M4A),
        ("audio/mid", MIDI),
        ("video/avi", AVI),
        # One container, many names.
        ("audio/mp4", MP4),
        ("video/mp4", M4A),
        ("video/mp4", MOV),
        ("video/quicktime", MP4),
        ("video/3gpp", MP4),
        ("audio/3gpp", MP4),
        ("audio/mpeg", M4A),
        ("audio/aac", M4A),
        ("audio/webm", WEBM),
        ("video/webm", MKV),
        ("video/x-matroska", WEBM),
        ("video/ogg", OGG),
        ("audio/opus", OGG),
        ("audio/flac", OGG),
        ("audio/flac", ID3),
        ("image/heif", HEIC),
        ("image/avif", MOVING_AVIF),
        ("image/avif", iso_media(b"avif")),
        ("image/avif", iso_media(b"mif1", b"miaf", b"avif")),
        ("image/avif", iso_media(b"avis")),
        ("image/x-canon-cr3", CR3),
        ("image/x-nikon-nef", TIFF),
        ("image/x-adobe-dng", TIFF),
        ("video/x-motion-jpeg", JPEG),
        ("image/x-icon", PNG),
        ("image/svg+xml", GZIP),
        ("image/openraster", ZIP),
        # Text that is a picture or a playlist.
        ("image/svg+xml", SVG),
        ("image/svg+xml", b"\xef\xbb\xbf\n<svg/>"),
        ("image/svg+xml", b"\xff\xfe<\x00s\x00v\x00g\x00"),
        ("image/svg+xml", b'<?xml version="1.0" encoding="iso-8859-1"?><!-- caf\xe9 --><svg/>'),
        ("image/x-xpixmap", XPM),
        ("image/x-xbitmap", b"#define dot_width 1\n"),
        ("image/x-portable-bitmap", b"P1\n1 1\n1\n"),
        ("image/x-eps", EPS),
        ("image/eps", EPS),
        ("application/eps", EPS),
        ("image/x-eps", b"\xc5\xd0\xd3\xc6\x1e\x00\x00\x00"),
        ("image/x-eps", b"\x04" + EPS),
        ("audio/x-mpegurl", PLAYLIST),
        ("audio/x-scpls", b"[playlist]\nFile1=a.mp3\n"),
        # Nothing is recognized, and many files of the type look so.
        ("audio/mpeg", MP3_WITHOUT_KNOWN_SYNC),
        ("audio/mpeg", ID3),
        ("video/quicktime", OLD_MOV),
        ("video/mp2t", TRANSPORT_STREAM),
        ("video/mp4", iso_media(b"dash", b"iso6")),
        ("image/tiff", BIG_TIFF),
        ("image/x-unheard-of", NOISE),
        ("image/x-unheard-of", TEXT),
        ("image/x-unheard-of", PNG),
        ("audio/x-unheard-of", MP4),
        ("video/x-unheard-of", OGG),
        ("audio/x-pn-realaudio", b".RMF\x00\x00\x00\x12"),
        ("video/vnd.rn-realvideo", b".RMF\x00\x00\x00\x12"),
        ("audio/x-pn-realaudio", b"rtsp://example.org/a.rm\n"),
        ("video/mxf", b"\x06\x0e\x2b\x34\x02\x05\x01\x01"),
        ("image/vnd.radiance", b"#?AUTOPANO\n\n-Y 8 +X 8\n\x02\x02\x00\x08"),
        # PDF is known to begin late.
        ("application/pdf", ASCII_PDF),
        ("application/pdf", b"\xef\xbb\xbf\r\n%PDF-1.4\n"),
        ("application/pdf", b"\x00\x05junk\r\n" + PDF),
        ("application/pdf", bytes(1019) + b"%PDF-1.4"),
        ("image/gif", b"GIF87a\x01\x00"),
    ],
)
def test_bytes_do_not_contradict(declared: str, head: bytes) -> None:
    assert decide(declared, head, "") == Decision(declared)


@pytest.mark.parametrize("declared", ["image/png", "image/svg+xml", "video/mp4", "audio/mpeg", "application/pdf"])
def test_empty_file_contradicts_nothing(declared: str) -> None:
    assert decide(declared, b"", "") == Decision(declared)


@pytest.mark.parametrize(
    ("content_type", "safe"),
    [
        ("image/png", True),
        ("image/jpeg", True),
        ("image/jpg", True),
        ("image/gif", True),
        ("image/webp", True),
        ("IMAGE/AVIF", True),
        ("audio/mpeg", True),
        ("video/mp4; codecs=avc1", True),
        ("application/pdf", True),
        ("text/plain; charset=utf-8", True),
        ("image/svg+xml", False),
        ("image/svg+xml; charset=utf-8", False),
        ("image/bmp", False),
        ("image/x-unheard-of", False),
        ("audio/x+xml", False),
        ("video/xml", False),
        ("video/html", False),
        ("video/xhtml", False),
        ("text/html", False),
        ("text/xml", False),
        ("text/css", False),
        ("application/xhtml+xml", False),
        ("application/octet-stream", False),
        ("application/json", False),
        ("multipart/x-mixed-replace", False),
        ("image/png, text/html", False),
        ("video/mp4\r\ncontent-type: text/html", False),
        ("", False),
    ],
)
def test_is_inline_safe(content_type: str, safe: bool) -> None:
    assert is_inline_safe(content_type) is safe


@settings(deadline=None)
@given(st.binary(max_size=600), st.sampled_from(["", "a.png", "a.svg", "a.zip", "a.html", "a.mp4"]))
def test_any_bytes_get_a_valid_type_that_they_do_not_contradict(head: bytes, name: str) -> None:
    found = decide(None, head, name)
    assert normalize(found.content_type) == found.content_type
    assert decide(found.content_type, head, name) == found


def test_html_is_only_called_html_by_declaration_or_name() -> None:
    assert decide(None, HTML, "page").content_type == PLAIN_TEXT
    assert not is_inline_safe(decide(None, HTML, "page.html").content_type)
