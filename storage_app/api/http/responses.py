"""Responses whose headers are final, including JSON responses."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flask import Response
from werkzeug.datastructures import Headers

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# In ASCII, so that clients that guess the charset read it too.
JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def relative(environ: "WSGIEnvironment", path: str) -> str:
    """Return a reference from the URL of this request to `path`, which begins with the root of the service.

    It holds behind a proxy that takes a prefix off the path, because it climbs to the root by `..` (RFC 3986 section
    5.2.4). Segments are counted in the path as the client encoded it.
    """
    asked = str(environ.get("RAW_URI", environ["PATH_INFO"])).partition("?")[0]
    return "../" * (asked.count("/") - 1) + path.removeprefix("/")


class ReadyResponse(Response):
    """A response with all its headers. Werkzeug would copy and check them again, to add missing ones."""

    default_mimetype = None
    nginx_bytes = 0  # how many bytes nginx sends instead of the body

    def get_wsgi_headers(self, environ: "WSGIEnvironment") -> Headers:
        return self.headers


def json_response(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with `document`, which must hold JSON types only."""
    return _json_response(json_text(document) + b"\n", status, headers)


def json_array(
    texts: Sequence[bytes], headers: Mapping[str, str] | None = None, *, member: str | None = None
) -> Response:
    """Return a response with an array of documents, which are given as `json_text`.

    With `member`, the array is that member of `{"success": true}`.
    """
    array = b"[" + b",".join(texts) + b"]"
    if member is not None:
        array = b'{"%s":%s,"success":true}' % (member.encode(), array)
    return _json_response(array + b"\n", 200, headers)


def json_text(document: Any) -> bytes:
    """Return `document` as JSON in ASCII. It must hold JSON types only."""
    return JSON.encode(document).encode()


def _json_response(body: bytes, status: int, headers: Mapping[str, str] | None) -> Response:
    every = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
    return ReadyResponse([body], status=status, headers=every)
