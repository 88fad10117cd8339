"""Content types: which one a file gets, and which ones a browser may show in place.

The declared type counts, unless it is missing, malformed or `application/octet-stream`. Then the first bytes decide,
and then the name. A declared image, audio, video or PDF type is checked against the bytes (`sniffing`).
"""

import posixpath
import re
from dataclasses import dataclass

from .sniffing import canonical, is_text, recognize, recognize_as, rules_out, tells_apart
from .tables import BY_EXTENSION

MAX_CONTENT_TYPE_BYTES = 255
UNKNOWN = "application/octet-stream"
# The bytes were found to be UTF-8, and without a charset browsers decode text as windows-1252.
PLAIN_TEXT = "text/plain; charset=utf-8"

# RFC 9110 sections 5.6.2 (token), 5.6.4 (quoted-string, here without obs-text) and 8.3.1 (media-type).
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e]|\\[\t\x20-\x7e])*"'
_ESSENCE = re.compile(rf"{_WORD}/{_WORD}")
_PARAMETER = re.compile(rf"[ \t]*;[ \t]*({_WORD}=(?:{_WORD}|{_QUOTED}))?")

_INLINE_SAFE = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "application/pdf", "text/plain"}
)


@dataclass(frozen=True, slots=True)
class Decision:
    """The content type that a file gets. `contradicts` is True if the bytes rule out the declared one."""

    content_type: str
    contradicts: bool = False


def decide(declared: str | None, head: bytes, name: str) -> Decision:
    """Choose the content type of a file by its declared type, its first `sniffing.HEAD_BYTES` bytes and its name."""
    content_type = normalize(declared) if declared is not None else None
    if content_type is None or _essence(content_type) == UNKNOWN:
        return Decision(_detect(head, name))
    if _contradicts(head, content_type):
        # The name is ignored: it could bring back the type that was ruled out.
        return Decision(_actual(head), contradicts=True)
    return Decision(content_type)


def normalize(declared: str) -> str | None:
    """Return `declared` with type and subtype in lower case and its parameters kept, or None if it is no media type.

    RFC 9110 section 8.3.1: "The type and subtype tokens are case-insensitive."
    """
    text = declared.strip(" \t")
    match = _ESSENCE.match(text)
    # `*` is a wildcard of `Accept` (section 12.5.1), and no type of a file.
    if match is None or "*" in match[0] or len(text) > MAX_CONTENT_TYPE_BYTES:
        return None
    parts, position = [match[0].lower()], match.end()
    while position < len(text):
        parameter = _PARAMETER.match(text, position)
        if parameter is None:
            return None
        # Section 5.6.6 allows empty parameters between semicolons.
        parts += filter(None, parameter.groups())
        position = parameter.end()
    content_type = "; ".join(parts)
    return content_type if len(content_type) <= MAX_CONTENT_TYPE_BYTES else None


def is_inline_safe(content_type: str) -> bool:
    """Tell whether a browser may show the file in place. It may not if the type can carry scripts (HTML, XML)."""
    normalized = normalize(content_type)
    if normalized is None:
        return False
    top_level, _, subtype = _essence(normalized).partition("/")
    if top_level in ("audio", "video"):
        return re.search("xml|html", subtype) is None
    return canonical(_essence(normalized)) in _INLINE_SAFE


def _detect(head: bytes, name: str) -> str:
    """Return the type of a file without a declared one."""
    text = is_text(head)
    found, named = recognize_as(head, text=text), _by_name(name)
    if found is not None:
        return named if named is not None and tells_apart(named, found) else found
    if named is None or _contradicts(head, named):
        return PLAIN_TEXT if text else UNKNOWN
    return PLAIN_TEXT if named == "text/plain" and text else named


def _actual(head: bytes) -> str:
    """Return the type of the bytes alone. HTML counts as plain text: only a declaration or a name makes it HTML."""
    return recognize(head) or (PLAIN_TEXT if is_text(head) else UNKNOWN)


def _contradicts(head: bytes, content_type: str) -> bool:
    essence = _essence(content_type)
    is_checked = essence.startswith(("image/", "audio/", "video/")) or essence == "application/pdf"
    return is_checked and rules_out(head, essence)


def _by_name(name: str) -> str | None:
    return BY_EXTENSION.get(posixpath.splitext(name)[1].lower())


def _essence(content_type: str) -> str:
    return content_type.partition(";")[0]
