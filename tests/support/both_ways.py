"""The same request through nginx and straight to the service, and what of the two answers must be the same."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tests.support.nginx import NginxGateway
from tests.support.raw_http import Answer, Headers, send
from tests.support.service import RunningService

REQUEST_ID = "the-same"

# Of the connection, and of the moment.
LEFT_OUT = frozenset({"connection", "date", "keep-alive", "server"})

# What two requests that change something get at two moments, each in a bucket of its own.
_MOMENT = re.compile(
    r"20\d\d-\d\d-\d\dT[\d:.]+Z"
    r"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} [\d:]{8} GMT"
    r"|eyJ[\w-]+\.[\w-]+\.[\w-]+"
    r"|(?<=files/resumable/)[\w-]{32}"
)
_BOUNDARY = re.compile(r"multipart/byteranges; boundary=(\w+)")


class Row(NamedTuple):
    """A request. In one that changes something, `{bucket}` stands for the bucket's name."""

    line: str
    headers: Headers = ()
    body: bytes = b""


# Two buckets that are asked for the same: what stands for what in rows, through nginx and straight.
Twins = tuple[Mapping[str, str], Mapping[str, str]]


@dataclass(frozen=True)
class Seen:
    """What a client sees of an answer: every header as often as it came, in no order."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True)
class BothWays:
    service: RunningService
    gateway: NginxGateway

    def read(self, row: Row) -> tuple[Seen, Seen]:
        """Ask for the same thing twice; returns what came through nginx, and what came straight."""
        return seen(ask(self.gateway, row)), seen(ask(self.service, row))

    def write(self, row: Row, twins: Twins) -> tuple[Seen, Seen]:
        """Ask for the same change of two buckets that have been alike so far."""
        through, straight = twins
        return (
            without_moment(seen(ask(self.gateway, filled_in(row, through))), through["bucket"]),
            without_moment(seen(ask(self.service, filled_in(row, straight))), straight["bucket"]),
        )


def ask(listener: RunningService | NginxGateway, row: Row) -> Answer:
    return send(listener, row.line, [("X-Request-ID", REQUEST_ID), *row.headers], row.body)


def filled_in(row: Row, values: Mapping[str, str]) -> Row:
    line, body = row.line, row.body
    for name, value in values.items():
        line, body = line.replace(f"{{{name}}}", value), body.replace(f"{{{name}}}".encode(), value.encode())
    return Row(line, row.headers, body)


def seen(answer: Answer) -> Seen:
    """Leave out what differs between any two answers.

    The boundary between several ranges is made up for each, and so is the id of a request whose headers are not read.
    """
    headers = sorted((name.lower(), value) for name, value in answer.headers.items() if name.lower() not in LEFT_OUT)
    found = _BOUNDARY.search(answer.headers.get("Content-Type", ""))
    made_up = {found[1]: "boundary"} if found else {}
    request_id = answer.headers.get("X-Request-ID", REQUEST_ID)
    if request_id != REQUEST_ID:
        made_up[request_id] = "made-up"
    body = answer.body
    for each, name in made_up.items():
        headers = [(header, value.replace(each, name)) for header, value in headers]
        body = body.replace(each.encode(), name.encode())
    return Seen(answer.status, headers, body)


def without_moment(answer: Seen, bucket: str) -> Seen:
    def like(text: str) -> str:
        return _MOMENT.sub("<moment>", text).replace(bucket, "<bucket>")

    headers = [(name, like(value)) for name, value in answer.headers if name != "content-length"]
    return Seen(answer.status, headers, like(answer.body.decode()).encode())
