"""Requests byte by byte, as in `raw_http`, but to the application in this process: no server, no socket."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPMessage
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from flask.testing import FlaskClient

from storage_app.node import Storage
from tests.support.raw_http import Answer, Headers, left_behind
from tests.support.service import token

AUTHORIZATION = ("Authorization", f"Bearer {token()}")
JSON = ("Content-Type", "application/json")

# What WSGI does not pass as a header (PEP 3333).
_APART = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


def send(client: FlaskClient, line: str | bytes, headers: Headers = (), body: bytes = b"") -> Answer:
    """Send the request as it stands, as `raw_http.send` does. Of chunks, the body is what they hold."""
    method, target = (line if isinstance(line, bytes) else line.encode("latin-1")).split(b" ", maxsplit=1)
    path, _, query = target.partition(b"?")
    environ: dict[str, Any] = {
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "RAW_URI": target.decode("latin-1"),
        "wsgi.input": io.BytesIO(body),
        **{_APART[name.lower()]: value for name, value in headers if name.lower() in _APART},
    }
    others = [(name, value) for name, value in headers if name.lower() not in _APART]
    response = client.open(method=method.decode(), headers=others, environ_overrides=environ, buffered=True)
    message = HTTPMessage()
    for name, value in response.headers.items():
        message.add_header(name, value)
    return Answer(response.status_code, message, response.data)


def ask(client: FlaskClient, line: str | bytes, body: bytes = b"", *headers: tuple[str, str]) -> Answer:
    """Send as Alice, with the length of a body that is not empty."""
    length = [("Content-Length", str(len(body)))] if body else []
    return send(client, line, [AUTHORIZATION, *headers, *length], body)


@contextmanager
def nothing_changes(client: FlaskClient) -> Iterator[None]:
    """Assert that no file of a bucket comes or goes, and that no intent and no staged file is left."""
    storage: Storage = client.application.extensions["storage"]
    before = _in_buckets(storage.settings.storage_path)
    yield
    assert left_behind(storage.settings) == []
    assert _in_buckets(storage.settings.storage_path) == before


def _in_buckets(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.glob("[!.]*/**/*") if path.is_file()}
