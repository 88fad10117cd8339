"""Sniffing: the content type that the first bytes of a file show, and the types that they rule out."""

import codecs
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import chain

from . import containers
from .carriers import CARRIED_BY, ISO_MEDIA, REFINED_BY, TEXTUAL, UNSIGNED, WRAPPERS, ZIPPED
from .names import canonical
from .signatures import INFIXES, PREFIXES, RECOGNIZED, TEXT_SIGNATURES

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
    found = next((kind for prefix, kind in TEXT_SIGNATURES if head.startswith(prefix)), None)
    return found or containers.portable_anymap(head)


def _recognize_binary(head: bytes) -> str | None:
    for prefix, look in _BY_FIRST_BYTE.get(head[:1], ()):
        if head.startswith(prefix):
            found = look if isinstance(look, str) else look(head)
            if found is not None:
                return found
    if head[4:5].isalpha() and (media := containers.iso_media(head)):
        return media
    if b"%PDF-" in head[:1024]:
        return "application/pdf"
    found = next((kind for place, infix, kind in INFIXES if head.startswith(infix, place)), None)
    return found or containers.transport_stream(head) or containers.animator(head)


def _tagged(head: bytes) -> str:
    """Return the type of sound behind an ID3 tag, if it begins within `head`. Most of it is MP3."""
    sound = head[containers.tag_bytes(head) :]
    found = None if sound.startswith(b"ID3") else _recognize_binary(sound)  # or tags in a row would exhaust the stack
    return found if found is not None and found.startswith("audio/") else "audio/mpeg"


# A prefix, and the type of files that begin with it, or the function that looks at them.
_Signature = tuple[bytes, str | Callable[[bytes], str | None]]


def _by_first_byte(*signatures: _Signature) -> Mapping[bytes, list[_Signature]]:
    table = defaultdict(list)
    for signature in signatures:
        table[signature[0][:1]].append(signature)
    return dict(table)


_BY_FIRST_BYTE = _by_first_byte(
    (b"RIFF", containers.riff),
    (b"RIFX", containers.riff),
    (b"RF64", containers.riff),
    (b"BW64", containers.riff),
    (b"FORM", containers.iff),
    (b"AT&TFORM", containers.djvu),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", containers.jpeg_2000),
    (b"\x1a\x45\xdf\xa3", containers.matroska),
    (b"OggS", containers.ogg),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", containers.asf),
    (b"PK\x03\x04", containers.zipped),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", containers.compound),
    (b"ID3", _tagged),
    *PREFIXES,
    (b"\x00\x00\x01\x00", containers.icon),
    (b"\x00\x00\x02\x00", containers.icon),
    (b"P", containers.portable_anymap),
    (b"\x0a", containers.pcx),
    (b"\x0b\x77", containers.frames),
    (b"\xff", containers.frames),
)


def is_text(head: bytes) -> bool:
    """Return whether `head` is UTF-8 text. The last character of a full head may be cut. An empty head is no text."""
    is_whole = len(head) < HEAD_BYTES
    try:
        text = head if head.isascii() else codecs.getincrementaldecoder("utf-8")().decode(head, is_whole)
    except UnicodeDecodeError:
        return False
    return bool(text) and len(head.translate(None, _BINARY_DATA)) == len(head)


def is_utf16(head: bytes) -> bool:
    """Return whether `head` is UTF-16 text with a byte order mark, as Windows writes it."""
    if not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return False
    try:
        text = codecs.getincrementaldecoder("utf-16")().decode(head, len(head) < HEAD_BYTES)
    except UnicodeDecodeError:
        return False
    return bool(text) and not any(character < "\x1b" and character not in "\t\n\f\r" for character in text)


def charset_of(head: bytes) -> str | None:
    """Return the charset of text, or None for other bytes and for text of which it cannot be told."""
    if is_text(head):
        return "utf-8"
    return "utf-16" if is_utf16(head) else None


def rules_out(head: bytes, content_type: str) -> bool:
    """Return whether a file that begins with `head` cannot have the image, audio, video or PDF type `content_type`.

    In doubt the type is not ruled out. An empty file can have any type.
    """
    if not head:
        return False
    kind = canonical(content_type)
    if kind in _SIGNATURES:
        return not _SIGNATURES[kind](head)
    if _HTML.match(head):
        return True
    text = is_text(head)
    found = recognize_as(head, text=text)
    if found is not None:
        return not carries(found, kind)
    if text or is_utf16(head):
        return kind in _KNOWN and kind not in TEXTUAL
    return kind in _KNOWN and kind not in UNSIGNED


def carries(found: str, content_type: str) -> bool:
    """Return whether a file recognized as `found` may have the type `content_type`."""
    kind = canonical(content_type)
    if kind in _KNOWN:
        return found == kind or found in CARRIED_BY.get(kind, ())
    if found in ISO_MEDIA or found in WRAPPERS:
        return True
    top_levels = {found.partition("/")[0], kind.partition("/")[0]}
    return len(top_levels) == 1 or top_levels == {"audio", "video"}


def tells_apart(content_type: str, found: str) -> bool:
    """Return whether `content_type` refines `found`: sound in a container for film, or a document in a zip."""
    if found == "application/zip":
        return content_type in ZIPPED or content_type.startswith("application/vnd.")
    return content_type in REFINED_BY.get(found, ())


def _starts(*prefixes: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(prefixes)


def _is_webp(head: bytes) -> bool:
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


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


# Types that are recognized without a look at others: because they are frequent, or begin in several ways.
_SIGNATURES: Mapping[str, Callable[[bytes], bool]] = {
    "image/png": _starts(b"\x89PNG"),
    "image/jpeg": _starts(b"\xff\xd8\xff"),
    "image/gif": _starts(b"GIF87a", b"GIF89a"),
    "image/webp": _is_webp,
    "image/svg+xml": _is_svg,
    "application/pdf": _is_pdf,
    # PostScript with a bounding box. Windows may put a header before it, and printers end a job by ^D.
    "image/x-eps": _starts(b"%!PS", b"\x04%!PS", b"\xc5\xd0\xd3\xc6"),
}
_KNOWN = frozenset(chain(RECOGNIZED, CARRIED_BY, TEXTUAL, UNSIGNED))
