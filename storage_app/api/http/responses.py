"""Answers that are ready to be sent, and JSON among them."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import Response
from werkzeug.datastructures import Headers

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


class ReadyResponse(Response):
    """An answer with all its headers. Werkzeug would copy them, and check each again, to add what may be missing."""

    default_mimetype = None

    def get_wsgi_headers(self, environ: "WSGIEnvironment") -> Headers:
        return self.headers


def json_response(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with `document`, of what JSON knows and nothing else."""
    body = _JSON.encode(document).encode() + b"\n"
    every = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
    return ReadyResponse([body], status=status, headers=every)
