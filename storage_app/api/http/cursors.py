"""Paging: opaque cursors, pages of bounded size, and the `Link` to the next page (RFC 8288)."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from flask import Response, request

from ...domain.pages import Position
from ...domain.text import is_storable
from ...errors import ValidationFailed
from .responses import json_array

MAX_PAGE_BYTES = 1024 * 1024
# Entries that are skipped cost time, if little.
MAX_OFFSET = 100_000
# The parameters of lists that are the same for each page.
_PARAMETERS = frozenset({"limit", "prefix", "delimiter", "search", "order"})


def encode(position: Position) -> str:
    """Return the cursor for `position`, which is safe in a URL."""
    # Not escaped, or the longest keys would not fit a URL.
    state = [position.key, position.after, position.created_at, position.skip]
    text = json.dumps(state, ensure_ascii=False, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def decode(cursor: str | None, *, by_creation: bool = False) -> Position | None:
    """Return the position of `cursor`. Raise `ValidationFailed` if it is invalid, or belongs to the other order."""
    if cursor is None:
        return None
    try:
        key, after, created_at, skip = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise _wrong_cursor() from error
    valid = isinstance(key, str) and isinstance(after, bool) and is_storable(key)
    valid = valid and type(skip) is int and 0 <= skip <= MAX_OFFSET
    valid_moment = type(created_at) is int and abs(created_at) < 2**63 if by_creation else created_at is None
    if not valid or not valid_moment:
        raise _wrong_cursor()
    return Position(key, after, created_at, skip)


def start(query: Mapping[str, Any], *, by_creation: bool = False) -> Position | None:
    """Return where the page begins that `query` asks for: at its cursor, or some entries after the list's beginning.

    Raises as `decode` does.
    """
    if query["offset"]:
        return Position(query.get("prefix", ""), after=False, skip=query["offset"])
    return decode(query.get("cursor"), by_creation=by_creation)


def page_response(
    listed: Iterator[tuple[bytes | None, Position | None]],
    *,
    limit: int,
    total: int | None = None,
    member: str | None = None,
) -> Response:
    """Return the page that `listed` begins with, as an array of documents: `json_text`s with the positions after them.

    With `total`, the response tells the length of the whole list in `X-Total-Count`. With `member`, the array is that
    member of `{"success": true}`.

    A page ends at `limit` documents or MAX_PAGE_BYTES of JSON, but has one document at least. If `listed` has more, the
    response has a `Link`. Takes one document more than the page has. A document of None ends the page, which may be
    empty, and the `Link` leads to its position.
    """
    headers = {} if total is None else {"X-Total-Count": str(total)}
    texts: list[bytes] = []
    size, following = len("[]\n"), None
    for text, position in listed:
        if text is None:
            return json_array(texts, headers | next_link(position), member=member)
        size += len(text) + len(",")
        if texts and (len(texts) == limit or size > MAX_PAGE_BYTES):
            return json_array(texts, headers | next_link(following), member=member)
        texts.append(text)
        following = position
    return json_array(texts, headers, member=member)


def next_link(following: Position | None) -> dict[str, str]:
    """Return a `Link` header for the page that begins at `following`, or no header if that is None.

    The link is the query of this request with the new cursor, without parameters that no list knows. A reference of
    a query alone keeps the path of the request (RFC 3986 section 5.2.2), whatever prefix a proxy has taken off.
    """
    if following is None:
        return {}
    query = {name: value for name, value in request.args.items() if name in _PARAMETERS}
    query["cursor"] = encode(following)
    return {"Link": f'<?{urlencode(query)}>; rel="next"'}


def _wrong_cursor() -> ValidationFailed:
    problem = "It is not a cursor of this list; take it from the Link header of the page before."
    return ValidationFailed(f"'cursor' is not valid: {problem}", members={"errors": {"cursor": [problem]}})
