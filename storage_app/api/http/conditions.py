"""Conditional requests: the `If-*` headers (RFC 9110 section 13)."""

import re
from datetime import datetime, timedelta
from enum import Enum

from werkzeug.datastructures import ETags, Headers
from werkzeug.http import parse_date, parse_etags, unquote_etag

from ...domain.files import WriteConditions
from ...errors import PreconditionFailed

# Section 5.6.7: the three forms of HTTP-date. Werkzeug's parser also accepts parts of one, and the first of two.
_HTTP_DATE = re.compile(
    r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"
    r"|[A-Z][a-z]{5,8}, \d\d-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d GMT"
    r"|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}",
    re.ASCII,
)


_A_SECOND = timedelta(seconds=1)


class Outcome(Enum):
    """The decision about a GET or HEAD: send the file, or answer 304."""

    SEND = "send"
    NOT_MODIFIED = "not modified"


def evaluate(headers: Headers, *, etag: str, last_modified: datetime) -> Outcome:
    """Evaluate the conditions of a GET or HEAD in the order of RFC 9110 section 13.2.2.

    `etag` is strong and quoted. `last_modified` has whole seconds, as in the header. Raises `PreconditionFailed`.
    """
    _check_unchanged(headers, etag, last_modified)
    return Outcome.NOT_MODIFIED if _is_known(headers, etag, last_modified) else Outcome.SEND


def range_applies(headers: Headers, *, etag: str, last_modified: datetime, now: datetime) -> bool:
    """Return whether `Range` counts: `If-Range` is absent or matches the file as it is `now` (RFC 9110 section 13.1.5).

    A date must be a strong validator. It is none while its second lasts, because the file may change in it again
    (section 8.8.2.2).
    """
    value = headers.get("If-Range")
    if value is None:
        return True
    if (date := _date(value)) is not None:
        # "If the HTTP-date validator provided exactly matches the Last-Modified field value [...] true."
        return date == last_modified and now - last_modified >= _A_SECOND
    # "exactly matches the ETag field value for the selected representation using the strong comparison function":
    # a weak tag cannot equal ours, which is strong.
    return value.strip(" \t") == etag


def write_conditions(headers: Headers) -> WriteConditions:
    """Read the conditions of a request that changes a file.

    `If-Modified-Since` is none of them: section 13.1.3 has it ignored "if the request method is neither GET nor HEAD".
    """
    return WriteConditions(
        # Section 13.1.1: "An origin server MUST use the strong comparison function when comparing entity tags for
        # If-Match", under which a weak tag matches nothing.
        if_match=_tag_set(headers.get("If-Match"), include_weak=False),
        # Section 13.1.2: "A recipient MUST use the weak comparison function [...] for If-None-Match".
        if_none_match=_tag_set(headers.get("If-None-Match"), include_weak=True),
        if_unmodified_since=_unmodified_since(headers),
    )


def _check_unchanged(headers: Headers, etag: str, last_modified: datetime) -> None:
    """Take steps 1 and 2 of section 13.2.2."""
    if (value := headers.get("If-Match")) is not None:
        if not _tags(value).contains(_opaque(etag)):
            raise PreconditionFailed("If-Match does not hold: the file is another version now; ask for it again.")
        return
    date = _unmodified_since(headers)
    if date is not None and last_modified > date:
        raise PreconditionFailed("If-Unmodified-Since does not hold: the file changed later; ask for it again.")


def _unmodified_since(headers: Headers) -> datetime | None:
    # Section 13.1.4: "A recipient MUST ignore If-Unmodified-Since if the request contains an If-Match header field"
    # and "if the received field value is not a valid HTTP-date".
    return None if "If-Match" in headers else _date(headers.get("If-Unmodified-Since"))


def _is_known(headers: Headers, etag: str, last_modified: datetime) -> bool:
    """Take steps 3 and 4 of section 13.2.2. Return whether the client has this version already."""
    if (value := headers.get("If-None-Match")) is not None:
        tags = _tags(value)
        return tags.star_tag or tags.contains_weak(_opaque(etag))
    # Section 13.1.3: "A recipient MUST ignore If-Modified-Since if the request contains an If-None-Match header field"
    # and "if the received field value is not a valid HTTP-date, the field value has more than one member".
    date = _date(headers.get("If-Modified-Since"))
    return date is not None and last_modified <= date


def _tag_set(value: str | None, *, include_weak: bool) -> frozenset[str] | None:
    if value is None:
        return None
    tags = _tags(value)
    if tags.star_tag:
        return frozenset({"*"})
    # Quoted again, so that the entity tag "*" is not mistaken for the wildcard.
    return frozenset(f'"{tag}"' for tag in tags.as_set(include_weak=include_weak) if tag)


def _tags(value: str) -> ETags:
    return parse_etags(value.strip(" \t"))


def _opaque(etag: str) -> str:
    return unquote_etag(etag)[0]


def _date(value: str | None) -> datetime | None:
    if value is None or not _HTTP_DATE.fullmatch(value.strip(" \t")):
        return None
    return parse_date(value)
