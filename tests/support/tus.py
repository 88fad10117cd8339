"""A client of tus 1.0.0 in a few lines, which sends whatever a test wants."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

import httpx

from tests.support.service import bearer

VERSION = {"Tus-Resumable": "1.0.0"}
PIECE = {"Content-Type": "application/offset+octet-stream"}
ENDPOINT = "/files/resumable"
EMPTY = b""


def metadata(**pairs: str | bytes) -> dict[str, str]:
    """Return the header `Upload-Metadata`."""
    encoded = {
        name: base64.b64encode(value.encode() if isinstance(value, str) else value) for name, value in pairs.items()
    }
    return {"Upload-Metadata": ",".join(f"{name} {value.decode()}" for name, value in encoded.items())}


def new_txt(**more: str) -> dict[str, str]:
    """Return `Upload-Metadata` that names the file new.txt of photos."""
    return metadata(bucket_id="photos", file_id="new.txt", **more)


class Response(Protocol):
    """What is looked at of an answer; Flask's test client and httpx both have it."""

    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def text(self) -> str: ...


@dataclass
class OverHttp:
    """Sends requests to the service at `url`."""

    url: str

    def open(self, path: str, *, method: str, headers: Mapping[str, str], data: bytes) -> httpx.Response:
        return httpx.request(method, self.url + path, headers=headers, content=data, timeout=60)


class Http(Protocol):
    """What sends a request: Flask's test client, or `OverHttp`."""

    def open(self, path: str, *, method: str, headers: Mapping[str, str], data: bytes) -> Any: ...


@dataclass
class Tus:
    """Sends requests of tus, as Alice unless `login` says otherwise."""

    http: Http
    login: Mapping[str, str] = field(default_factory=bearer)

    def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, data: bytes = EMPTY) -> Response:
        """Send a request with these headers, and none of its own."""
        response: Response = self.http.open(path, method=method, headers=headers or {}, data=data)
        return response

    def create(
        self, length: int | None = None, data: bytes = EMPTY, *, to: str = ENDPOINT, **headers: str | None
    ) -> Response:
        """Create an upload of new.txt. Headers are written with underscores; one that is None is left out."""
        given = VERSION | dict(self.login) | new_txt()
        given |= {} if length is None else {"Upload-Length": str(length)}
        given |= PIECE if data else {}
        return self.ask("POST", to, _with(given, headers), data)

    def created(
        self, length: int | None = None, data: bytes = EMPTY, *, to: str = ENDPOINT, **headers: str | None
    ) -> str:
        """Create an upload, and return its path."""
        response = self.create(length, data, to=to, **headers)
        assert response.status_code == 201, response.text
        return urlsplit(urljoin(f"http://host{ENDPOINT}", response.headers["Location"])).path

    def head(self, path: str, **headers: str | None) -> Response:
        return self.ask("HEAD", path, _with(dict(VERSION), headers))

    def patch(self, path: str, offset: int, data: bytes = EMPTY, **headers: str | None) -> Response:
        given = VERSION | PIECE | {"Upload-Offset": str(offset)}
        return self.ask("PATCH", path, _with(given, headers), data)

    def delete(self, path: str, **headers: str | None) -> Response:
        return self.ask("DELETE", path, _with(dict(VERSION), headers))

    def offset(self, path: str) -> int:
        """Return how many bytes have come."""
        response = self.head(path)
        assert response.status_code == 200, response.text
        return int(response.headers["Upload-Offset"])


def _with(given: dict[str, str], headers: Mapping[str, str | None]) -> dict[str, str]:
    renamed = {name.replace("_", "-"): value for name, value in headers.items()}
    return {name: value for name, value in {**given, **renamed}.items() if value is not None}
