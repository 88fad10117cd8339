"""Content types: which one a file gets, and which ones a browser may show in place.

The declared type counts, unless nobody chose it (`chosen_type`). Then the first bytes decide, and then the name. A
declared image, audio, video or PDF type is checked against the bytes (`sniffing`).
"""

import posixpath
import re
from dataclasses import dataclass

from .names import canonical, declared_type, essence, normalize, with_charset
from .sniffing import charset_of, is_text, is_utf16, recognize, recognize_as, rules_out, tells_apart
from .tables import BY_EXTENSION

UNKNOWN = "application/octet-stream"

_EXCEL = "application/vnd.ms-excel"

_INLINE_SAFE = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "application/pdf", "text/plain"}
)


@dataclass(frozen=True, slots=True)
class Decision:
    """The content type that a file gets. `contradicts` is True if the bytes rule out the declared one."""

    content_type: str
    contradicts: bool = False


def decide(declared: str | None, head: bytes, name: str) -> Decision:
    """Choose the content type of a file by its declared type, its first `sniffing.HEAD_BYTES` bytes and its name.

    Text in UTF-8 or UTF-16 gets its charset if none is declared.
    """
    content_type = chosen_type(declared, name)
    contradicts = content_type is not None and _contradicts(head, content_type)
    if content_type is None:
        content_type = _detect(head, name)
    elif contradicts:
        # The name is ignored: it could bring back the type that was ruled out.
        content_type = _actual(head)
    if content_type.startswith("text/") and (charset := charset_of(head)):
        content_type = with_charset(content_type, charset)
    return Decision(content_type, contradicts)


def chosen_type(declared: str | None, name: str) -> str | None:
    """Return the type that the uploader chose, in normal form, or None if the bytes and the name decide."""
    content_type = declared_type(declared)
    # On Windows with Excel, browsers declare every .csv as Excel's own format.
    is_guess = content_type is not None and essence(content_type) == _EXCEL and _by_name(name) == "text/csv"
    return None if is_guess else content_type


def is_inline_safe(content_type: str) -> bool:
    """Return whether a browser may show the file in place. It may not if the type can carry scripts (HTML, XML)."""
    normalized = normalize(content_type)
    if normalized is None:
        return False
    top_level, _, subtype = essence(normalized).partition("/")
    if top_level in ("audio", "video"):
        return re.search("xml|html", subtype) is None
    return canonical(essence(normalized)) in _INLINE_SAFE


def _detect(head: bytes, name: str) -> str:
    """Return the type of a file without a declared one."""
    text = is_text(head)
    found, named = recognize_as(head, text=text), _by_name(name)
    if found is not None:
        return named if named is not None and tells_apart(named, found) else found
    if named is None or _contradicts(head, named):
        return "text/plain" if text or is_utf16(head) else UNKNOWN
    return named


def _actual(head: bytes) -> str:
    """Return the type of the bytes alone. HTML counts as plain text: only a declaration or a name makes it HTML."""
    return recognize(head) or ("text/plain" if charset_of(head) else UNKNOWN)


def _contradicts(head: bytes, content_type: str) -> bool:
    kind = canonical(essence(content_type))
    is_checked = kind.startswith(("image/", "audio/", "video/")) or kind == "application/pdf"
    return is_checked and rules_out(head, kind)


def _by_name(name: str) -> str | None:
    return BY_EXTENSION.get(posixpath.splitext(name)[1].lower())
