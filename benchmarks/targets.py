"""The port between load and what is measured: how an object is put somewhere, got, deleted and listed."""

import hashlib
import http.client
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol

from .processes import Server

_TIMEOUT_SECONDS = 120
_STEP_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """A request about one object; in an upload's body, `before` and `after` stand around the object's bytes."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    before: bytes = b""
    after: bytes = b""


class Target(Protocol):
    """A way to put objects somewhere and to get them again, over HTTP/1.1 without TLS.

    Keys are of `a-z`, `0-9`, `-` and `/`, so that nothing in them needs escaping.
    """

    @property
    def name(self) -> str: ...

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    @property
    def servers(self) -> Sequence[Server]:
        """What is started and stopped for it; nothing where it runs already, out of our sight."""

    def prepare(self) -> None:
        """Make what objects are put in; called once after the servers have started, for each of their targets."""

    def put(self, key: str) -> Request:
        """Say how an object is put; one that is there is replaced."""

    def get(self, key: str) -> Request:
        """Say how an object that is there is got."""

    def delete(self, key: str) -> Request: ...

    def keys(self, folder: str) -> Iterator[str]:
        """List the keys that begin with `folder` and a slash."""


def connect(target: Target) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(target.host, target.port, timeout=_TIMEOUT_SECONDS)


def ask(target: Target, request: Request, content: bytes = b"") -> bytes:
    """Send a request, and return the body of the answer. Raises `RuntimeError` when it is refused."""
    return exchange(target, request, content)[1]


def exchange(target: Target, request: Request, content: bytes = b"") -> tuple[http.client.HTTPMessage, bytes]:
    """Send a request, and return the header and the body of the answer. Raises `RuntimeError` when it is refused."""
    with closing(connect(target)) as connection:
        body = request.before + content + request.after
        connection.request(request.method, request.path, body or None, dict(request.headers))
        response = accepted(target, request, connection.getresponse())
        return response.headers, response.read()


def accepted(target: Target, request: Request, response: http.client.HTTPResponse) -> http.client.HTTPResponse:
    """Return an answer that grants the request; raises `RuntimeError` for another one."""
    if not 200 <= response.status < 300:
        raise RuntimeError(
            f"{target.name} answered {request.method} {request.path} with {response.status}: {response.read(500)!r}"
        )
    return response


def check(target: Target, key: str, sha256: str) -> None:
    """Get an object and compare its hash. Raises `RuntimeError` when it is another one."""
    request, digest = target.get(key), hashlib.sha256()
    with closing(connect(target)) as connection:
        connection.request(request.method, request.path, headers=dict(request.headers))
        response = accepted(target, request, connection.getresponse())
        while data := response.read(_STEP_BYTES):
            digest.update(data)
    if digest.hexdigest() != sha256:
        raise RuntimeError(f"{target.name} gave other bytes for {key} than were put there.")
