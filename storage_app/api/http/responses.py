"""Responses whose headers are final, including JSON responses."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import Response
from werkzeug.datastructures import Headers

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


class ReadyResponse(Response):
    """A response with all its headers. Werkzeug would copy and check them again, to add missing ones."""

    default_mimetype = None

    def get_wsgi_headers(self, environ: "WSGIEnvironment") -> Headers:
        return self.headers


def json_response(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with `document`, which must hold JSON types only."""
    body = _JSON.encode(document).encode() + b"\n"
    every = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
    return ReadyResponse([body], status=status, headers=every)
