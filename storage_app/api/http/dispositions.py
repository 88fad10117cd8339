"""The Content-Disposition of a part of a form: its name, and its filename as each client writes it."""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from ...errors import InvalidName, InvalidRequest

_KEY = re.compile(r';[ \t]*([^ \t;="]+)[ \t]*=[ \t]*')
# A quote that may close a value, with the backslashes before it: a parameter or the end must follow.
_CLOSING_QUOTE = re.compile(r'(?<!\\)(\\*)"(?=[ \t]*(?:;|$))')
_ESCAPED = re.compile(r'\\([\\"])')
_EXTENDED = re.compile(r"\"?([\w-]*)'[^']*'([^\"]*)")
# Of these RFC 8187 section 3.2.1 requires UTF-8, and RFC 5987, which it replaced, ISO-8859-1 too.
_CHARSETS = frozenset({"utf-8", "iso-8859-1", "us-ascii"})


@dataclass(frozen=True, slots=True)
class Disposition:
    """The name and the filename of a part. None = absent, which differs from empty."""

    name: str | None
    filename: str | None


def parse_disposition(header: str) -> Disposition:
    """Read the Content-Disposition of a part (RFC 7578 section 4.2).

    Browsers, curl and OkHttp escape only the quote in a name, as `%22`, and line breaks (HTML Standard, "multipart form
    data"). Go, older curl and others escape the quote and the backslash by a backslash. So any other backslash stands
    for itself, even the last one of a name. `%0A` and `%0D` are kept: no name may hold a line break.

    `filename*` precedes `filename`: RFC 7578 forbids it, and .NET and aiohttp send it beside an unreadable `filename`.
    Raises `InvalidRequest` for a value without its closing quote, and `InvalidName` for a `filename*` that cannot be
    decoded.
    """
    parameters = dict(_parameters(header))
    filename = parameters.get("filename")
    if "filename*" in parameters:
        filename = _decoded(parameters["filename*"]) or filename
    return Disposition(parameters.get("name"), filename)


def _parameters(header: str) -> Iterator[tuple[str, str]]:
    # Found once, because a search for each value would take the square of the header's length.
    quotes = [(match.end() - 1, len(match[1]) % 2 == 0) for match in _CLOSING_QUOTE.finditer(header)]
    ends, plain_ends = [end for end, _ in quotes], [end for end, is_plain in quotes if is_plain]
    position = header.find(";")
    while position >= 0:
        key = _KEY.match(header, position)
        if key is None:
            position = header.find(";", position + 1)
        elif header.startswith('"', key.end()):
            start = key.end() + 1
            # A quote behind a backslash ends the value only if no other one does.
            end = _first(plain_ends, start) or _first(ends, start)
            if end is None:
                raise InvalidRequest("A part of the form has a Content-Disposition without its closing quote.")
            yield key[1].lower(), _ESCAPED.sub(r"\1", header[start:end]).replace("%22", '"')
            position = header.find(";", end)
        else:
            position = header.find(";", key.end())
            yield key[1].lower(), header[key.end() : position if position >= 0 else None].rstrip(" \t")


def _first(positions: list[int], start: int) -> int | None:
    """Return the first of the ascending `positions` that is not before `start`."""
    index = bisect_left(positions, start)
    return positions[index] if index < len(positions) else None


def _decoded(value: str) -> str | None:
    """Return an extended value (RFC 8187 section 3.2) decoded, or None if it has no charset that we know."""
    match = _EXTENDED.fullmatch(value.removesuffix('"'))
    if match is None or match[1].lower() not in _CHARSETS:
        return None
    try:
        return unquote(match[2], match[1], errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidName(f"The filename* of a part is not {match[1]}; name the file in UTF-8.") from error
