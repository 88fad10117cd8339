"""Resumable uploads have the same answers and the same effect through nginx and straight to the service."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.both_ways import BothWays, Row, Twins
from tests.support.nginx import OFFLOAD, NginxGateway
from tests.support.raw_http import left_behind
from tests.support.service import RunningService, bearer
from tests.support.tus import OverHttp, Tus

ALICE = ("Authorization", bearer()["Authorization"])
VERSION = ("Tus-Resumable", "1.0.0")
TYPE = ("Content-Type", "application/offset+octet-stream")
# nginx waits for shorter pieces, and passes longer ones on as they come.
SHORT, LONG = b"short " * 500, b"long " * 30_000
WHOLE = 4 * len(SHORT) + len(LONG)
RIGHT, WRONG = (f"sha1 {base64.b64encode(hashlib.sha1(data).digest()).decode()}" for data in (SHORT, LONG))


@pytest.fixture
def both(tmp_path: Path) -> Iterator[BothWays]:
    with (
        RunningService(tmp_path / "store", **OFFLOAD, TRUSTED_PROXIES="1") as service,
        NginxGateway(service, tmp_path / "nginx") as gateway,
    ):
        yield BothWays(service, gateway)


@pytest.fixture
def twins(both: BothWays) -> Twins:
    """Two buckets that are alike, each with an open upload, one to end, and a link that creates more."""
    made: list[dict[str, str]] = []
    for name in ("twin-a", "twin-b"):
        with httpx.Client(base_url=both.service.url, headers=bearer()) as client:
            client.post("/buckets", json={"name": name, "max_file_size": 200_000}).raise_for_status()
            asked = {"bucket_id": name, "filename": "new.txt"}
            answer = client.post("/files/initiate-upload", json=asked).raise_for_status()
        link = both.service.path_of(answer.json()["resumable_url"])
        tus = Tus(OverHttp(both.service.url))
        uploads = {which: tus.created(WHOLE, to=link, Upload_Metadata=None) for which in ("upload", "other")}
        made.append({"bucket": name, "link": link, **uploads})
    return made[0], made[1]


def creation(*headers: tuple[str, str], body: bytes = b"") -> Row:
    return Row("POST {link}", [VERSION, ("Content-Length", str(len(body))), *headers], body)


def piece(
    offset: int, body: bytes, *headers: tuple[str, str], line: str = "PATCH {upload}", version: str = "1.0.0"
) -> Row:
    given = {"Content-Type": TYPE[1], "Upload-Offset": str(offset), "Content-Length": str(len(body))}
    return Row(line, list({"Tus-Resumable": version, **given, **dict(headers)}.items()), body)


def head(which: str = "upload") -> Row:
    return Row(f"HEAD {{{which}}}", [VERSION])


ROWS = [
    Row("OPTIONS /files/resumable"),
    Row("OPTIONS {upload}"),
    creation(),
    creation(("Upload-Length", "10")),
    creation(("Upload-Defer-Length", "1")),
    creation(("Upload-Length", "200001")),
    creation(("Upload-Length", "6000"), TYPE, body=SHORT),
    creation(("Upload-Length", "200000"), TYPE, body=LONG),
    creation(("Upload-Length", "10"), TYPE, body=SHORT),
    creation(("Upload-Length", "3000"), body=SHORT),
    Row("POST /files/resumable", [VERSION, ("Upload-Length", "10"), ("Content-Length", "0")]),
    Row("POST /files/resumable", [ALICE, VERSION, ("Upload-Length", "10"), ("Content-Length", "0")]),
    head(),
    Row("HEAD {upload}"),
    *(
        refused
        for body in (SHORT, LONG)
        for refused in (
            piece(0, body, version="0.2.2"),
            piece(5, body),
            piece(0, body, ("Content-Type", "text/plain")),
            piece(0, body, ("Upload-Length", "5")),
            piece(0, body, ("Upload-Checksum", "md5 YQ==")),
            piece(0, body, ("Upload-Checksum", RIGHT if body is LONG else WRONG)),
            piece(0, body, ("Content-Encoding", "gzip")),
        )
    ),
    head(),
    piece(0, SHORT),
    piece(len(SHORT), SHORT, ("Upload-Checksum", RIGHT)),
    piece(2 * len(SHORT), SHORT, ("X-HTTP-Method-Override", "PATCH"), line="POST {upload}"),
    piece(3 * len(SHORT), LONG + LONG),
    piece(3 * len(SHORT), LONG),
    head(),
    piece(3 * len(SHORT) + len(LONG), SHORT),
    piece(WHOLE, SHORT),
    piece(WHOLE, b""),
    head(),
    Row("GET /files/download/{bucket}/new.txt", [ALICE]),
    Row("DELETE {other}", [VERSION]),
    Row("DELETE {other}", [VERSION]),
    head("other"),
    piece(0, LONG, line="PATCH {other}"),
    Row("GET {upload}", [VERSION]),
    Row("PUT {upload}", [VERSION, ("Content-Length", "0")]),
    Row(f"HEAD /files/resumable/{'A' * 32}", [VERSION]),
]


def test_same_answers_and_effects(both: BothWays, twins: Twins) -> None:
    for row in ROWS:
        through, straight = both.write(row, twins)
        assert through == straight, row
    assert left_behind(both.service) == []
