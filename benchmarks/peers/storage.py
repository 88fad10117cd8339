"""The ways into the service: straight or through nginx, as a form or raw, by a login, by a signed link or by nobody."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from storage_app.settings import SETTINGS

from ..gateway import OFFLOAD, gateway
from ..processes import HOST, Server
from ..service import SECRET_KEY, Service, authorization
from ..targets import Request, ask, exchange

BOUNDARY = "----a-boundary-that-is-in-no-file"
MAX_AGE = "public, max-age=3600"

_LINK_SECONDS = 86400
_NEXT_PAGE = re.compile(r'<([^>]*)>; rel="next"')


@dataclass(frozen=True, slots=True)
class Raw:
    """PUT of the bytes as they are, into a private bucket; downloads with a login."""

    name: str
    port: int
    servers: Sequence[Server]
    host: str = HOST
    bucket: str = "private"
    page: int = 1000  # of a list
    login: dict[str, str] = field(default_factory=authorization)

    def prepare(self) -> None:
        """Make the bucket, unless another way into the same service has made it."""
        present = json.loads(ask(self, Request("GET", "/buckets", self.login)))
        if self.bucket not in [bucket["id"] for bucket in present]:
            self._post("/buckets", {"name": self.bucket, "is_public": self.bucket == "public"})

    def put(self, key: str) -> Request:
        return Request("PUT", f"/files/upload-direct/{self.bucket}/{key}", self.login)

    def get(self, key: str) -> Request:
        return Request("GET", f"/files/download/{self.bucket}/{key}", self.login)

    def delete(self, key: str) -> Request:
        return Request("DELETE", f"/files/{self.bucket}/{key}", self.login)

    def keys(self, folder: str) -> Iterator[str]:
        path: str | None = f"/files/list/{self.bucket}?prefix={folder}/&limit={self.page}"
        while path is not None:
            headers, answer = exchange(self, Request("GET", path, self.login))
            yield from (entry["id"] for entry in json.loads(answer))
            following = _NEXT_PAGE.search(headers.get("Link", ""))
            path = following[1] if following else None

    def _post(self, path: str, document: object) -> dict[str, str]:
        request = Request("POST", path, self.login | {"Content-Type": "application/json"})
        answer: dict[str, str] = json.loads(ask(self, request, json.dumps(document).encode()))
        return answer


@dataclass(frozen=True, slots=True)
class Form(Raw):
    """POST of a multipart form, as SelfDB's clients upload."""

    def put(self, key: str) -> Request:
        return _form(self, {"file_id": key, "overwrite": "true"})


@dataclass(frozen=True, slots=True)
class Signed(Raw):
    """Downloads by signed links, which are asked for once."""

    links: dict[str, str] = field(default_factory=dict)

    def get(self, key: str) -> Request:
        if key not in self.links:
            wanted = {"bucket_id": self.bucket, "file_id": key, "expires_in": _LINK_SECONDS}
            self.links[key] = urlsplit(self._post("/files/initiate-download", wanted)["download_url"]).path
        return Request("GET", self.links[key])


@dataclass(frozen=True, slots=True)
class Public(Raw):
    """Files whose owner lets anybody download and caches keep them, by their permanent links."""

    bucket: str = "public"

    def put(self, key: str) -> Request:
        return _form(self, {"file_id": key, "overwrite": "true", "cache_control": MAX_AGE})

    def get(self, key: str) -> Request:
        return Request("GET", f"/storage/{self.bucket}/{key}")


def _form(way: Raw, fields: dict[str, str]) -> Request:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    file = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="object"\r\n\r\n'
    return Request(
        "POST",
        f"/files/upload/{way.bucket}",
        way.login | {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
        before="".join([*parts, file]).encode(),
        after=f"\r\n--{BOUNDARY}--\r\n".encode(),
    )


def deployed(folder: Path, *, durability: str) -> tuple[Service, Server]:
    """Describe the service over `folder` as it is deployed, and nginx in front of it; not yet started."""
    folder.mkdir(parents=True)
    store = folder / "store"
    environment = {
        **{setting.name: setting.default for setting in SETTINGS if setting.default},
        **OFFLOAD,
        "SECRET_KEY": SECRET_KEY,
        "STORAGE_PATH": str(store),
        "DURABILITY": durability,
    }
    for taken in ("HOST", "PORT"):  # the service finds its own
        del environment[taken]
    service = Service(environment, folder / "service.log")
    return service, gateway(service, store, folder / "nginx")
