"""What the first bytes of a file show: a signature, text, or nothing; and which types they can or cannot be."""

import codecs
import re
from collections.abc import Callable, Mapping

import filetype
from filetype.match import match
from filetype.types.document import ZippedDocumentBase

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
    """Return the content type that the bytes themselves carry, or None. Text carries none, HTML included."""
    return recognize_as(head, text=is_text(head))


def recognize_as(head: bytes, *, text: bool) -> str | None:
    """Return what `recognize` does, for who has asked `is_text` already: that looks at every byte."""
    return _recognize_text(head) if text else _recognize_binary(head)


def _recognize_text(head: bytes) -> str | None:
    # Many signatures are words ("BM", "GIF", "MZ"): a letter about a BMW is no bitmap.
    return next((kind for prefix, kind in _TEXT_SIGNATURES if head.startswith(prefix)), None)


def _recognize_binary(head: bytes) -> str | None:
    try:
        found = match(head, filetype.TYPES if head.startswith(b"PK\x03\x04") else _NO_ZIPPED_DOCUMENTS)
    except RecursionError:
        # A thousand empty Zstandard frames in a row exhaust the library's recursion.
        return None
    if found is None or found.mime == "application/octet-stream":
        return None
    kind: str = _MODERN.get(found.extension, found.mime)
    return kind if kind not in _SIGNATURES or _SIGNATURES[kind](head) else None


def is_text(head: bytes) -> bool:
    """Tell whether `head` is UTF-8 text. Its last character may be cut."""
    try:
        text = head if head.isascii() else codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return bool(text) and len(head.translate(None, _BINARY_DATA)) == len(head)


def rules_out(head: bytes, content_type: str) -> bool:
    """Tell whether a file that begins with `head` cannot be of the picture, sound, film or PDF type `content_type`.

    In doubt it can: where we do not know the type, or recognize nothing in the bytes. An empty file can be anything.
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
    # Of the types that we do not know, many are text: XPM, EPS, FITS, playlists.
    return kind in _CARRIED_BY and is_text(head)


def carries(found: str, content_type: str) -> bool:
    """Tell whether a file recognized as `found` may be of the type `content_type`."""
    kind = canonical(content_type)
    if kind in _CARRIED_BY:
        return found in _CARRIED_BY[kind]
    if found in _ISO_MEDIA | _WRAPPERS:
        return True
    top_levels = {found.partition("/")[0], kind.partition("/")[0]}
    return len(top_levels) == 1 or top_levels == {"audio", "video"}


def tells_apart(content_type: str, found: str) -> bool:
    """Tell whether `content_type` is a finer word for `found`: a film in an Ogg container, a document in a zip."""
    if found == "application/zip":
        return content_type in _ZIPPED or content_type.startswith("application/vnd.")
    return content_type not in _RECOGNIZABLE and found in _CARRIED_BY.get(content_type, ())


def canonical(content_type: str) -> str:
    """Return the one name we use for a type that has several."""
    return _ALIASES.get(content_type, content_type)


def _starts(*prefixes: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(prefixes)


def _is_webp(head: bytes) -> bool:
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def _is_avif(head: bytes) -> bool:
    """Look for AVIF's brands in the first box (AV1 Image File Format, section 6)."""
    box = head[: int.from_bytes(head[:4])]
    return box[4:8] == b"ftyp" and any(box[i : i + 4] in (b"avif", b"avis") for i in (8, *range(16, len(box), 4)))


def _is_pdf(head: bytes) -> bool:
    # Readers accept the header anywhere in the first 1,024 bytes (ISO 32000-1, annex H, note 13). In text only white
    # space may come before it, or a page that speaks of PDF would be one.
    if is_text(head):
        return head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"%PDF-")
    return b"%PDF-" in head[:1024]


def _is_svg(head: bytes) -> bool:
    """Accept any XML, UTF-16 and gzip (svgz): `<svg` may stand beyond the head."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"\x1f\x8b")):
        return True
    return head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"<") and not _HTML.match(head)


# Types whose files all begin alike. Of them, bytes in which nothing is recognized are ruled out too.
_SIGNATURES: Mapping[str, Callable[[bytes], bool]] = {
    "image/png": _starts(b"\x89PNG"),
    "image/jpeg": _starts(b"\xff\xd8\xff"),
    "image/gif": _starts(b"GIF87a", b"GIF89a"),
    "image/webp": _is_webp,
    "image/avif": _is_avif,
    "image/svg+xml": _is_svg,
    "application/pdf": _is_pdf,
}

_TEXT_SIGNATURES = (
    (b"%PDF-", "application/pdf"),
    (b"%!PS", "application/postscript"),
    (b"{\\rtf", "application/rtf"),
)

# The names of today for those that the library gives, by its extensions.
_MODERN: Mapping[str, str] = {
    "apng": "image/png",
    "jpx": "image/jp2",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "aiff": "audio/aiff",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "ttf": "font/ttf",
    "otf": "font/otf",
    "rar": "application/vnd.rar",
    "sqlite": "application/vnd.sqlite3",
    "deb": "application/vnd.debian.binary-package",
}
# The library looks for a zip through most of the head, once for each kind of document that is one.
_NO_ZIPPED_DOCUMENTS = [kind for kind in filetype.TYPES if not isinstance(kind, ZippedDocumentBase)]
_RECOGNIZABLE = frozenset(_MODERN.get(kind.extension, kind.mime) for kind in filetype.TYPES)

_ISO_MEDIA = frozenset({"video/mp4", "video/x-m4v", "video/quicktime", "video/3gpp", "audio/mp4"})
_MATROSKA = frozenset({"video/webm", "video/x-matroska"})
# An ID3 tag, which reads as audio/mpeg, may stand before any sound.
_ID3 = frozenset({"audio/mpeg"})
# Pictures and sounds may come compressed (wmz, vgz) or as a zip (OpenRaster).
_WRAPPERS = frozenset({"application/gzip", "application/zip"})
_ZIPPED = frozenset({"application/epub+zip", "application/java-archive", "application/x-cbz"})

# What files of a type may be recognized as: containers hold sound, film and pictures alike (ISO/IEC 14496-12,
# Matroska, Ogg, ASF). All of these types are binary.
_CARRIED_BY: Mapping[str, frozenset[str]] = {
    "image/bmp": frozenset({"image/bmp"}),
    # The icon of a site is often a renamed picture, and shown all the same.
    "image/x-icon": frozenset({"image/x-icon", "image/png", "image/gif", "image/jpeg", "image/bmp"}),
    "image/tiff": frozenset({"image/tiff", "image/x-canon-cr2"}),
    "image/x-canon-cr2": frozenset({"image/tiff", "image/x-canon-cr2"}),
    "image/vnd.adobe.photoshop": frozenset({"image/vnd.adobe.photoshop"}),
    "image/jp2": frozenset({"image/jp2"}),
    "image/heic": _ISO_MEDIA | {"image/heic"},
    "image/heif": _ISO_MEDIA | {"image/heic", "image/avif"},
    "audio/mpeg": _ID3 | _ISO_MEDIA | {"audio/aac"},  # Android takes .m4a for audio/mpeg
    "audio/aac": _ID3 | _ISO_MEDIA | {"audio/aac"},
    "audio/mp4": _ISO_MEDIA,
    "audio/flac": _ID3 | {"audio/flac", "audio/ogg"},
    "audio/wav": _ID3 | {"audio/wav"},
    "audio/aiff": _ID3 | {"audio/aiff"},
    "audio/midi": frozenset({"audio/midi"}),
    "audio/amr": frozenset({"audio/amr"}),
    "audio/ogg": frozenset({"audio/ogg"}),
    "audio/opus": _MATROSKA | {"audio/ogg"},
    "audio/webm": _MATROSKA,
    "audio/x-matroska": _MATROSKA,
    "audio/x-ms-wma": frozenset({"video/x-ms-wmv"}),
    "video/mp4": _ISO_MEDIA,
    "video/x-m4v": _ISO_MEDIA,
    "video/quicktime": _ISO_MEDIA,
    "video/3gpp": _ISO_MEDIA,
    "video/3gpp2": _ISO_MEDIA,
    "video/webm": _MATROSKA,
    "video/x-matroska": _MATROSKA,
    "video/ogg": frozenset({"audio/ogg"}),
    "video/mpeg": frozenset({"video/mpeg", "audio/mpeg"}),
    "video/x-msvideo": frozenset({"video/x-msvideo"}),
    "video/x-ms-wmv": frozenset({"video/x-ms-wmv"}),
    "video/x-ms-asf": frozenset({"video/x-ms-wmv"}),
    "video/x-flv": _ISO_MEDIA | {"video/x-flv"},
    "video/x-motion-jpeg": frozenset({"image/jpeg"}),
}

_ALIASES: Mapping[str, str] = {
    alias: kind
    for kind, aliases in {
        "image/png": "image/x-png image/apng image/vnd.mozilla.apng",
        "image/jpeg": "image/jpg image/pjpeg image/jfif image/x-jpeg image/x-jpg",
        "image/bmp": "image/x-bmp image/x-ms-bmp image/x-windows-bmp",
        "image/x-icon": "image/vnd.microsoft.icon image/ico image/icon",
        "image/tiff": "image/tif image/x-tiff image/x-tif",
        "image/vnd.adobe.photoshop": "image/photoshop image/x-photoshop image/psd image/x-psd",
        "image/jp2": "image/jpx image/jpm image/jpeg2000 image/jpeg2000-image image/x-jpeg2000-image",
        "image/heic": "image/heic-sequence",
        "image/heif": "image/heif-sequence",
        "audio/mpeg": "audio/mp3 audio/mpeg3 audio/mpg audio/x-mp3 audio/x-mpeg audio/x-mpeg-3 audio/mpa audio/mp2",
        "audio/aac": "audio/x-aac audio/aacp audio/x-hx-aac-adts audio/vnd.dlna.adts",
        "audio/mp4": "audio/m4a audio/x-m4a audio/m4b audio/x-m4b audio/mp4a-latm audio/x-mp4",
        "audio/flac": "audio/x-flac",
        "audio/wav": "audio/x-wav audio/wave audio/x-pn-wav audio/vnd.wave",
        "audio/aiff": "audio/x-aiff audio/aif audio/x-aifc",
        "audio/midi": "audio/mid audio/x-midi audio/x-mid",
        "audio/ogg": "audio/x-ogg audio/vorbis audio/x-vorbis audio/x-vorbis+ogg audio/speex audio/x-opus+ogg",
        "audio/x-ms-wma": "audio/wma",
        "video/mp4": "video/x-mp4",
        "video/x-m4v": "video/m4v",
        "video/quicktime": "video/mov video/x-quicktime",
        "video/3gpp": "audio/3gpp video/3gp",
        "video/3gpp2": "audio/3gpp2 video/3gp2",
        "video/x-matroska": "video/matroska video/mkv video/x-mkv",
        "video/ogg": "video/x-ogg video/theora video/x-theora+ogg",
        "video/mpeg": "video/mpg video/x-mpeg video/x-mpg",
        "video/x-msvideo": "video/avi video/msvideo video/vnd.avi",
        "video/x-ms-wmv": "video/wmv",
        "video/x-flv": "video/flv video/x-f4v",
        "video/x-motion-jpeg": "video/x-mjpeg video/mjpeg",
    }.items()
    for alias in aliases.split()
}
