"""A service that does nothing but write down what nginx asks of it, and answer as a test says."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.nginx import OFFLOAD


@dataclass(frozen=True)
class Asked:
    """One request as it came. `spooled` is what is in the file that it names, None where it names none."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    spooled: bytes | None = None
    spool_mode: int = 0

    def header(self, name: str) -> str | None:
        """Return the header's only value; fails when it came twice."""
        values = [value for given, value in self.headers if given.lower() == name.lower()]
        assert len(values) <= 1, f"{name} came more than once: {values}"
        return values[0] if values else None

    @property
    def is_for_a_verdict(self) -> bool:
        return self.header("X-Upload-Check") == "verdict"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class RecordingService:
    """Listens on a free port; `storage_path` has the directories of a store. Use as a context.

    Requests for a verdict are answered with `verdict`. The answer to any other is what `reply` returns, in the server's
    thread, where it may wait; a `ConnectionError` that it raises ends the connection instead.
    """

    def __init__(self, storage_path: Path) -> None:
        self.storage_path = storage_path
        (storage_path / ".system").mkdir(parents=True)
        self.environment: Mapping[str, str] = OFFLOAD
        self.asked: list[Asked] = []
        self.verdict = 204
        self.reply: Callable[[Asked], Reply] = lambda _: Reply(201, {"Content-Type": "text/plain"}, b"kept")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"service": self}))
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def spool(self) -> Path:
        return self.storage_path / ".system" / "spool"

    @property
    def verdicts(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.is_for_a_verdict]

    @property
    def uploads(self) -> list[Asked]:
        return [asked for asked in self.asked if not asked.is_for_a_verdict]

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        return Reply(self.verdict) if asked.is_for_a_verdict else self.reply(asked)

    def __enter__(self) -> "RecordingService":
        threading.Thread(target=self._server.serve_forever, args=(0.02,)).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: RecordingService

    def setup(self) -> None:
        super().setup()
        self.request.settimeout(30)

    def handle(self) -> None:
        with suppress(OSError):  # nginx has gone away
            super().handle()

    def _serve(self) -> None:
        reply = self.service.answer(self._asked())
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def _asked(self) -> Asked:
        asked: dict[str, Any] = {"method": self.command, "path": self.path, "headers": self.headers.items()}
        spool_file = self.headers.get("X-Spool-File")
        if spool_file:
            asked |= {"spooled": Path(spool_file).read_bytes(), "spool_mode": Path(spool_file).stat().st_mode & 0o777}
        return Asked(**asked, body=self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""
