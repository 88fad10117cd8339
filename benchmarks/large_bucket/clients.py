"""What is measured: the same questions asked of the services in this process, and over HTTP."""

import http.client
import json
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlencode

from storage_app.api.http import cursors
from storage_app.domain.files import UNCONDITIONAL, File
from storage_app.domain.pages import Position
from storage_app.index.rows import to_microseconds
from storage_app.node import Services
from storage_app.services.upload_rules import Description, Plan

from ..service import authorization
from .stores import BUCKET, OWNER, MeasuredStore

UPLOAD = bytes(1024)


@dataclass(frozen=True, slots=True)
class PageWanted:
    """A page of a list: where it begins, and the keys that must be in it."""

    newest_first: bool
    position: Position | None
    keys: list[str]


def page_at(store: MeasuredStore, part: float, *, newest_first: bool, limit: int) -> PageWanted:
    """Describe the page that begins at `part` of the list: 0 the first page, 1 the last."""
    begin = round(part * (store.count - limit))
    return (_page_by_creation if newest_first else _page_by_key)(store, begin, limit)


def _page_by_key(store: MeasuredStore, begin: int, limit: int) -> PageWanted:
    position = Position(store.key(begin - 1)) if begin else None
    return PageWanted(False, position, [store.key(place) for place in range(begin, begin + limit)])


def _page_by_creation(store: MeasuredStore, begin: int, limit: int) -> PageWanted:
    newest = store.count - 1 - begin
    keys = [store.key_created(number) for number in range(newest, newest - limit, -1)]
    if begin == 0:
        return PageWanted(True, None, keys)
    before = newest + 1
    return PageWanted(
        True, Position(store.key_created(before), created_at=to_microseconds(store.created_at(before))), keys
    )


class Client(Protocol):
    """Somebody who uses a store."""

    store: MeasuredStore

    def page(self, wanted: PageWanted) -> list[str]:
        """Return the keys of a page."""

    def info(self, key: str) -> str:
        """Look a file up; return its key."""

    def totals(self) -> int:
        """Return how many files the bucket says it has."""

    def upload(self, key: str) -> None:
        """Upload 1 KiB."""

    def delete(self, key: str) -> None:
        """Delete a file."""


class InProcess:
    """Calls the services."""

    def __init__(self, store: MeasuredStore, services: Services) -> None:
        self.store = store
        self._services = services

    def page(self, wanted: PageWanted) -> list[str]:
        files, limit, position = self._services.files, len(wanted.keys), wanted.position
        if wanted.newest_first:
            page = files.page_by_creation(OWNER, BUCKET, prefix="", position=position, limit=limit)
        else:
            page = files.page_by_key(OWNER, BUCKET, prefix="", delimiter=None, position=position, limit=limit)
        return [entry.key for entry in page.entries if isinstance(entry, File)]

    def info(self, key: str) -> str:
        return self._services.files.get(OWNER, BUCKET, key)[1].key

    def totals(self) -> int:
        return self._services.buckets.get(OWNER, BUCKET)[1].file_count

    def upload(self, key: str) -> None:
        bucket, right = self._services.uploads.right(OWNER, BUCKET)
        with self._services.uploads.begin(Plan(bucket, right, key=key, size=len(UPLOAD))) as upload:
            upload.write(UPLOAD)
            upload.finish(Description())

    def delete(self, key: str) -> None:
        self._services.files.delete(OWNER, BUCKET, key, conditions=UNCONDITIONAL)


class OverHttp:
    """Asks a running service, over one connection that stays open."""

    def __init__(self, store: MeasuredStore, connection: http.client.HTTPConnection) -> None:
        self.store = store
        self._connection = connection
        self._headers = authorization()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def page(self, wanted: PageWanted) -> list[str]:
        query: dict[str, Any] = {"limit": len(wanted.keys), "order": "-created_at" if wanted.newest_first else "key"}
        if wanted.position is not None:
            query["cursor"] = cursors.encode(wanted.position)
        return [entry["id"] for entry in self._json(f"/files/list/{BUCKET}?{urlencode(query)}")]

    def info(self, key: str) -> str:
        return str(self._json(f"/files/info/{BUCKET}/{key}")["id"])

    def totals(self) -> int:
        return int(self._json(f"/buckets/{BUCKET}")["file_count"])

    def upload(self, key: str) -> None:
        self._ask("PUT", upload_path(key), 201, body=UPLOAD)

    def delete(self, key: str) -> None:
        self._ask("DELETE", f"/files/{BUCKET}/{key}", 204)

    def _json(self, path: str) -> Any:
        return json.loads(self._ask("GET", path, 200))

    def _ask(self, method: str, path: str, expected: int, body: bytes | None = None) -> bytes:
        self._connection.request(method, path, body, self._headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status != expected:
            raise RuntimeError(f"{method} {path} was answered with {response.status}: {content[:500]!r}")
        return content


def upload_path(key: str) -> str:
    return f"/files/upload-direct/{BUCKET}/{key}"


def begin_upload(connection: http.client.HTTPConnection, key: str) -> None:
    """Send the head of an upload and half of its body."""
    connection.putrequest("PUT", upload_path(key))
    for name, value in (authorization() | {"Content-Length": str(len(UPLOAD))}).items():
        connection.putheader(name, value)
    connection.endheaders(UPLOAD[: len(UPLOAD) // 2])
