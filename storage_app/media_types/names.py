"""The names of content types: their normal form, their aliases, and the patterns that they match."""

import re
from collections.abc import Iterable

from .tables import ALIASES, UNDECLARED

MAX_CONTENT_TYPE_BYTES = 255

# RFC 9110 sections 5.6.2 (token), 5.6.4 (quoted-string, here without obs-text) and 8.3.1 (media-type).
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e]|\\[\t\x20-\x7e])*"'
_ESSENCE = re.compile(rf"({_WORD}/{_WORD})[ \t]*(?:;|\Z)")
_PARAMETER = re.compile(rf"[ \t]*({_WORD}=(?:{_WORD}|{_QUOTED}))[ \t]*(?:;|\Z)")
_CHARSET = re.compile(r"; charset=", re.IGNORECASE)


def normalize(declared: str) -> str | None:
    """Return `declared` with type and subtype in lower case, or None if it is no media type.

    RFC 9110 section 8.3.1: "The type and subtype tokens are case-insensitive." Parameters are kept, but those that
    cannot be read are dropped: browsers record `video/webm;codecs=vp8,opus`, whose comma would need quotes.
    """
    text = declared.strip(" \t")
    match = _ESSENCE.match(text)
    # `*` is a wildcard of `Accept` (section 12.5.1), and no type of a file.
    if match is None or "*" in match[1] or len(text) > MAX_CONTENT_TYPE_BYTES:
        return None
    parts, position = [match[1].lower()], match.end()
    while position < len(text):
        parameter = _PARAMETER.match(text, position)
        if parameter is not None:
            parts.append(parameter[1])
        # Section 5.6.6 allows empty parameters between semicolons.
        position = parameter.end() if parameter is not None else text.find(";", position) + 1 or len(text)
    content_type = "; ".join(parts)
    return content_type if len(content_type) <= MAX_CONTENT_TYPE_BYTES else None


def declared_type(declared: str | None) -> str | None:
    """Return the normal form of a type that an uploader declares.

    Returns None if nobody chose it: it is missing, malformed, or one that clients send by default.
    """
    content_type = None if declared is None else normalize(declared)
    return None if content_type is None or essence(content_type) in UNDECLARED else content_type


def essence(content_type: str) -> str:
    """Return type and subtype of a normal form, without its parameters."""
    return content_type.partition(";")[0]


def canonical(content_type: str) -> str:
    """Return our name for a content type without parameters, which may have several."""
    return ALIASES.get(content_type, content_type)


def is_same(one: str, other: str) -> bool:
    """Return whether two normal forms name one type, whatever their parameters."""
    return canonical(essence(one)) == canonical(essence(other))


def matches(content_type: str, patterns: Iterable[str]) -> bool:
    """Return whether the normal form `content_type` matches one of `patterns`: types, `image/*` and the like, or `*/*`.

    Parameters do not count, and all names of a type are equal.
    """
    names = {essence(content_type), canonical(essence(content_type))}
    accepted = names | {f"{name.partition('/')[0]}/*" for name in names} | {"*/*"}
    return any(canonical(pattern) in accepted for pattern in patterns)


def with_charset(content_type: str, charset: str) -> str:
    """Return the type of text with its charset. Without one, browsers decode text as windows-1252.

    A declared charset is kept. HTML and XML declare theirs inside.
    """
    kind = essence(content_type)
    if not kind.startswith("text/") or "html" in kind or "xml" in kind or _CHARSET.search(content_type):
        return content_type
    marked = f"{content_type}; charset={charset}"
    return marked if len(marked) <= MAX_CONTENT_TYPE_BYTES else content_type
