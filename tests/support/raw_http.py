"""Requests byte by byte, for what clients would clean up before they send it, and what every refusal must look like."""

import json
import socket
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from http.client import HTTPMessage, HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

from storage_app.journal.file_log import FileLogs
from tests.support.service import wait_briefly

MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}

Headers = Iterable[tuple[str, str]]


class Listener(Protocol):
    """Whoever is asked, on this machine."""

    @property
    def port(self) -> int: ...


class Stored(Protocol):
    """Whatever keeps its files there: a real service, or the settings of an application in this process."""

    @property
    def storage_path(self) -> Path: ...


class Answer(NamedTuple):
    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def send(
    service: Listener, start_line: str | bytes, headers: Headers = (), body: bytes = b"", *, cut: bool = False
) -> Answer:
    """Send the request as it stands, with no header but `Host` added; with `cut`, say then that nothing follows."""
    line = start_line if isinstance(start_line, bytes) else start_line.encode("latin-1")
    lines = [line + b" HTTP/1.1", b"Host: localhost", *(f"{n}: {v}".encode("latin-1") for n, v in headers)]
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        try:
            connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + body)
            if cut:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before all of it was sent: the answer is there
        return read_answer(connection, line.split(b" ")[0].decode())


def read_answer(connection: socket.socket, method: str = "GET") -> Answer:
    response = HTTPResponse(connection, method=method)
    try:
        response.begin()
        return Answer(response.status, response.headers, response.read())
    finally:
        response.close()


class SlowClient:
    """A client that sends the head of its request at once, and the body in pieces. Use as a context."""

    def __init__(self, service: Listener, start_line: str, headers: Headers = ()) -> None:
        self.connection = socket.create_connection(("127.0.0.1", service.port), timeout=30)
        lines = [f"{start_line} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers)]
        self.send("\r\n".join([*lines, "", ""]).encode())

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def answer(self) -> Answer:
        return read_answer(self.connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def with_length(headers: Headers, body: bytes) -> list[tuple[str, str]]:
    return [*headers, ("Content-Length", str(len(body)))]


def assert_problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """Assert that `answer` is a whole, uncached problem document (RFC 9457), and return it."""
    assert answer.status == status, answer.body.decode(errors="replace")
    assert answer.headers.get_content_type() == "application/problem+json"
    problem: dict[str, Any] = answer.json
    assert MEMBERS <= set(problem) <= MEMBERS | {"errors", "limit"}
    assert (problem["type"], problem["status"], problem["code"]) == ("about:blank", status, code)
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert problem["title"]
    assert_sentence(problem["detail"])
    return problem


def assert_sentence(text: str) -> None:
    """Assert that `text` is a sentence in one line that says nothing of the inside."""
    assert text[0].isupper() or text[0] == "'", text
    assert text.endswith((".", "?")), text
    assert text.isprintable(), text
    assert not any(word in text for word in ("Traceback", "Error(", "site-packages", ".py", "STORAGE_PATH")), text


def left_behind(service: Stored) -> list[str]:
    """Name what unfinished writes have left: staged and spooled files, and intents in the index and in intent logs."""
    system = service.storage_path / ".system"
    staged = [str(path) for name in ("staging", "spool") for path in (system / name).rglob("*") if path.is_file()]
    with closing(sqlite3.connect(f"file:{system / 'index.sqlite3'}?mode=ro", uri=True)) as index:
        intents = [*index.execute("SELECT * FROM intents"), *FileLogs(system / "intents").open_intents()]
    return staged + [f"intent {intent}" for intent in intents]


def assert_nothing_left(service: Stored) -> None:
    """Assert that nothing is left, once the server has noticed that its clients are gone."""
    for _ in range(250):
        if not left_behind(service):
            return
        wait_briefly()
    raise AssertionError(left_behind(service))


def bucket_on_disk(service: Stored, bucket: str) -> list[str]:
    """Name every file in the bucket's directory."""
    directory = service.storage_path / bucket
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())
