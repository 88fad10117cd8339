"""Sniffing: the content type that the first bytes of a file show, and the types that they rule out."""

import codecs
import re
from collections.abc import Callable, Mapping

import filetype
from filetype.match import match
from filetype.types.document import ZippedDocumentBase

from .names import canonical
from .tables import CARRIED_BY, ISO_MEDIA, MODERN, TEXT_SIGNATURES, WRAPPERS, ZIPPED

HEAD_BYTES = 8192

# The "binary data bytes" of the MIME Sniffing Standard, section 3.
_BINARY_DATA = bytes([*range(0x09), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)])

# The tags by which the MIME Sniffing Standard, section 7.1, recognizes HTML.
_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?[\t\n\f\r ]*"
    rb"<(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)[ \t\n\f\r/>]",
    re.IGNORECASE,
)


def recognize(head: bytes) -> str | None:
    """Return the content type that the bytes show by a signature, or None. Text, including HTML, mostly has none."""
    return recognize_as(head, text=is_text(head))


def recognize_as(head: bytes, *, text: bool) -> str | None:
    """Do the work of `recognize` for a caller that has called `is_text` already, which scans every byte."""
    return _recognize_text(head) if text else _recognize_binary(head)


def _recognize_text(head: bytes) -> str | None:
    # Many binary signatures are also words ("BM", "GIF", "MZ"). A letter about a BMW is no bitmap.
    return next((kind for prefix, kind in TEXT_SIGNATURES if head.startswith(prefix)), None)


def _recognize_binary(head: bytes) -> str | None:
    try:
        found = match(head, filetype.TYPES if head.startswith(b"PK\x03\x04") else _NO_ZIPPED_DOCUMENTS)
    except RecursionError:
        # The library recurses into each of a thousand empty Zstandard frames in a row.
        return None
    if found is None or found.mime == "application/octet-stream":
        return None
    kind: str = MODERN.get(found.extension, found.mime)
    return kind if kind not in _SIGNATURES or _SIGNATURES[kind](head) else None


def is_text(head: bytes) -> bool:
    """Tell whether `head` is UTF-8 text. The last character of a full head may be cut. An empty head is no text."""
    is_whole = len(head) < HEAD_BYTES
    try:
        text = head if head.isascii() else codecs.getincrementaldecoder("utf-8")().decode(head, is_whole)
    except UnicodeDecodeError:
        return False
    return bool(text) and len(head.translate(None, _BINARY_DATA)) == len(head)


def rules_out(head: bytes, content_type: str) -> bool:
    """Tell whether a file that begins with `head` cannot have the image, audio, video or PDF type `content_type`.

    In doubt the type is not ruled out. An empty file can have any type.
    """
    if not head:
        return False
    kind = canonical(content_type)
    if kind in _SIGNATURES:
        return not _SIGNATURES[kind](head)
    if _HTML.match(head):
        return True
    found = recognize(head)
    if found is not None:
        return not carries(found, kind)
    # The types in CARRIED_BY are binary. Of the others, many are text: XPM, EPS, FITS, playlists.
    return kind in CARRIED_BY and is_text(head)


def carries(found: str, content_type: str) -> bool:
    """Tell whether a file recognized as `found` may have the type `content_type`."""
    kind = canonical(content_type)
    if kind in CARRIED_BY:
        return found in CARRIED_BY[kind]
    if found in ISO_MEDIA | WRAPPERS:
        return True
    top_levels = {found.partition("/")[0], kind.partition("/")[0]}
    return len(top_levels) == 1 or top_levels == {"audio", "video"}


def tells_apart(content_type: str, found: str) -> bool:
    """Tell whether `content_type` refines `found`: video in an Ogg container, or a document in a zip."""
    if found == "application/zip":
        return content_type in ZIPPED or content_type.startswith("application/vnd.")
    return content_type not in _RECOGNIZABLE and found in CARRIED_BY.get(content_type, ())


def _starts(*prefixes: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(prefixes)


def _is_webp(head: bytes) -> bool:
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def _is_avif(head: bytes) -> bool:
    """Look for an AVIF brand in the first box (AV1 Image File Format, section 6)."""
    box = head[: int.from_bytes(head[:4])]
    return box[4:8] == b"ftyp" and any(box[i : i + 4] in (b"avif", b"avis") for i in (8, *range(16, len(box), 4)))


def _is_pdf(head: bytes) -> bool:
    # Readers accept the header anywhere in the first 1,024 bytes (PDF Reference 1.7, appendix H, implementation note
    # 13). In text only white space may precede it. Otherwise a page about PDF would count as one.
    if is_text(head):
        return head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"%PDF-")
    return b"%PDF-" in head[:1024]


def _is_svg(head: bytes) -> bool:
    """Accept any XML, UTF-16 or gzip (svgz), because `<svg` may come after the head."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"\x1f\x8b")):
        return True
    return head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"<") and not _HTML.match(head)


# Types with a mandatory signature. Bytes without it are ruled out, even if nothing is recognized in them.
_SIGNATURES: Mapping[str, Callable[[bytes], bool]] = {
    "image/png": _starts(b"\x89PNG"),
    "image/jpeg": _starts(b"\xff\xd8\xff"),
    "image/gif": _starts(b"GIF87a", b"GIF89a"),
    "image/webp": _is_webp,
    "image/avif": _is_avif,
    "image/svg+xml": _is_svg,
    "application/pdf": _is_pdf,
    # PostScript with a bounding box. Windows may put a header before it, and printers end a job by ^D.
    "image/x-eps": _starts(b"%!PS", b"\x04%!PS", b"\xc5\xd0\xd3\xc6"),
}

# For each kind of zipped document the library searches most of the head, which is wasted unless that is a zip.
_NO_ZIPPED_DOCUMENTS = [kind for kind in filetype.TYPES if not isinstance(kind, ZippedDocumentBase)]
_RECOGNIZABLE = frozenset(MODERN.get(kind.extension, kind.mime) for kind in filetype.TYPES)
