"""Every kind of answer is the same through nginx and straight from the service: status, headers and bytes."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from werkzeug.http import http_date

from tests.support.both_ways import BothWays, Row, ask
from tests.support.nginx import LEAST_SPOOLED, OFFLOAD, NginxGateway
from tests.support.raw_http import assert_problem
from tests.support.service import ANON_KEY, RunningService, bearer, token

TEXT = bytes(range(32, 127)) * 11
HTML = b"<!doctype html><script>alert(1)</script>"
LONGEST = "é" * 500 + "/" + "x" * 23  # 1,024 bytes

NAMES = {
    "a.txt": TEXT,
    "empty.bin": b"",
    "page.html": HTML,
    "a b/c+d&e=f;g,h.txt": TEXT,
    "100%/%2F%00.txt": TEXT,
    "'quotes' \"and\" \\backslash\\.txt": TEXT,
    "#?[]{}|^~`.txt": TEXT,
    "日本語/ファイル.txt": TEXT,
    "Ελληνικά/العربية/עברית.txt": TEXT,
    "🦊.png": TEXT,
    "e\u0301.txt": TEXT,
    LONGEST: TEXT,
    LONGEST[:-1] + "y": TEXT,
}

LONG_AGO = 1_420_070_400

ALICE = [("Authorization", bearer()["Authorization"])]
BOB = [("Authorization", bearer("bob")["Authorization"])]
ANYONE = [("apikey", ANON_KEY)]
EXPIRED = [("Authorization", f"Bearer {token(expires_in=-3600)}")]
FORGED = [("Authorization", f"Bearer {token()}x")]
EMPTY = [("Authorization", ""), ("apikey", "")]
ORIGIN = [("Origin", "https://app.example.com")]
A_TXT = "/files/download/reads/a.txt"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BothWays]:
    directory = tmp_path_factory.mktemp("both")
    with (
        RunningService(directory / "store", **OFFLOAD, TRUSTED_PROXIES="1") as service,
        NginxGateway(service, directory / "nginx") as gateway,
        httpx.Client(base_url=service.url, headers=bearer()) as client,
    ):
        fill(client)
        for blob in blobs(service):
            os.utime(blob, (LONG_AGO, LONG_AGO))  # the time of the file on the disk is not that of the record
        yield BothWays(service, gateway)


def blobs(service: RunningService) -> list[Path]:
    return list(service.storage_path.glob("*/??/*-*-*"))


def fill(client: httpx.Client) -> None:
    client.post("/buckets", json={"name": "large"}).raise_for_status()
    for number in range(24):  # two pages, because of their sizes
        client.put(f"/files/upload-direct/large/{number}", content=b"").raise_for_status()
        client.put(f"/files/metadata/large/{number}", json={"metadata": {"text": "é" * 8000}}).raise_for_status()
    for name, settings in {"reads": {}, "public": {"is_public": True, "cache_control": "public, max-age=60"}}.items():
        client.post("/buckets", json={"name": name, **settings}).raise_for_status()
        for key, content in NAMES.items():
            client.put(f"/files/upload-direct/{name}/{quote(key)}", content=content).raise_for_status()


def rows(*lines: str, headers: list[tuple[str, str]] = ALICE) -> list[Row]:
    return [Row(line, headers) for line in lines]


def a_txt(*values: tuple[str, str], line: str = f"GET {A_TXT}") -> Row:
    return Row(line, [*ALICE, *values])


NAMED = [
    Row(f"{method} {route}/{bucket}/{quote(key)}", headers)
    for key in NAMES
    for method, route, bucket, headers in [
        ("GET", "/files/download", "reads", ALICE),
        ("HEAD", "/files/download", "reads", ALICE),
        ("GET", "/files/view", "public", []),
        ("HEAD", "/storage", "public", []),
        ("GET", "/storage", "public", ORIGIN),
        ("GET", "/files/info", "reads", ALICE),
    ]
]

RANGES = [
    a_txt(("Range", value))
    for value in (
        "bytes=0-0", "bytes=5-9", "bytes=5-", "bytes=-5", "bytes=0-999999", "bytes=-999999", "BYTES=0-1",
        "bytes=1044-", "bytes=1045-", "bytes=-0", "bytes=9-5", "bytes=x", "bytes=", "bytes=0-1,", "bytes = 0-1",
        "bytes=0-1,5-6", "bytes=0-9,5-14", "bytes=0-1, 2000-", "bytes=0-1,1-2,3-", "lines=0-1",
        "bytes=00000000000000000000-1", "bytes=0-99999999999999999999", "bytes=99999999999999999999-",
    )
]  # fmt: skip
RANGES += [
    Row("GET /files/download/reads/empty.bin", [*ALICE, ("Range", value)])
    for value in ("bytes=0-", "bytes=0-1048575", "bytes=0-0,5-", "bytes=-1", "x")
]

LATER, EARLIER = "Fri, 01 Jan 2100 00:00:00 GMT", http_date(LONG_AGO)
# What nginx would make of a file's time and size.
NGINX_ETAG = f'"{LONG_AGO:x}-{len(TEXT):x}"'
CONDITIONS = [
    a_txt(*values, line=line)
    for line in (f"GET {A_TXT}", f"HEAD {A_TXT}")
    for values in (
        [("If-None-Match", "{etag}")],
        [("If-None-Match", 'W/{etag}, "x"')],
        [("If-None-Match", "*")],
        [("If-None-Match", '"other"')],
        [("If-None-Match", NGINX_ETAG)],
        [("If-None-Match", '"other"'), ("If-Modified-Since", LATER)],
        [("If-Modified-Since", LATER)],
        [("If-Modified-Since", EARLIER)],
        [("If-Modified-Since", "yesterday")],
        [("If-Match", "{etag}")],
        [("If-Match", "*")],
        [("If-Match", '"other"')],
        [("If-Unmodified-Since", LATER)],
        [("If-Unmodified-Since", EARLIER)],
        [("Range", "bytes=2-5"), ("If-Range", "{etag}")],
        [("Range", "bytes=2-5"), ("If-Range", '"other"')],
        [("Range", "bytes=2-5"), ("If-Range", "{modified}")],
        [("Range", "bytes=2-5"), ("If-Range", LATER)],
        [("Range", "bytes=2-5"), ("If-Match", "{etag}")],
        [("Range", "bytes=2-5"), ("If-None-Match", "{etag}")],
        [("Range", "bytes=5000-"), ("If-Range", '"other"')],
    )
]

CREDENTIALS = [
    Row(f"GET {path}", headers)
    for path in (A_TXT, "/files/download/public/a.txt", "/files/list/reads", "/buckets", "/files/download/none/a.txt")
    for headers in (
        [],
        ALICE,
        BOB,
        ANYONE,
        EXPIRED,
        FORGED,
        [*ALICE, *ANYONE],
        [("Authorization", "Basic eDp5")],
        EMPTY,
    )
]

LISTS = rows(
    "GET /files/list/reads?limit=3",
    "GET /files/list/reads?limit=3&order=-created_at",
    "GET /files/list/reads?delimiter=/",
    f"GET /files/list/reads?prefix={quote('日本')}",
    f"GET /files/list/reads?limit=1&prefix={quote(LONGEST[:-1])}",
    "GET /files/list/reads?limit=0",
    "GET /files/list/reads?limit=5000",
    "GET /files/list/reads?search=TXT&limit=3",
    f"GET /files/list/public?search={quote('ΕΛΛΗΝΙΚΆ')}",
    "GET /files/list/reads?search=nothing&order=-created_at",
    "GET /files/list/reads?search=a&delimiter=/",
    "GET /files/list/reads?offset=2&limit=3",
    "GET /files/list/reads?offset=1&delimiter=/",
    "GET /files/list/reads?offset=100001",
    "GET /buckets?offset=1&limit=1",
    "GET /files/list/reads?cursor=nonsense",
    "HEAD /files/list/reads",
    "GET /files/list/large",
    "GET /files/list/reads?limit=1&x=" + "'" * 7500,
    "GET /files/list/reads?limt=1",
    "GET /buckets?limit=1&limit=2",
    "GET /buckets?limit=1",
    "GET /buckets/reads",
    "HEAD /buckets/reads",
    "GET /buckets/none",
)

PAGES = rows(
    "GET /", "HEAD /", "GET /?x=1", "GET /health", "GET /health?x=1", "GET /docs/?x=1",
    "GET /openapi.json?x=1", "GET /health/ready", "GET /openapi.json", "GET /docs", "GET /docs/",
    "GET /docs/swagger-ui.css", "GET /docs/none.js", "GET /console", headers=[],
)  # fmt: skip

REFUSED = rows(
    "GET /files", "GET /files/", "GET /files/none", "GET /storage/", "GET /storage/reads",
    "DELETE /files/download/reads/a.txt", "POST /files/list/reads", "PUT /health", "PATCH /buckets",
    "PATCH /buckets/reads?x=1",
    "GET /files/download/reads/a//b", "GET /files/download/reads/a/./b", "GET /files/download/reads/a/../b",
    "GET /files/download/reads/%2e%2e", "GET /files/download/reads/a/", "GET /files/download/reads//a.txt",
    "GET /files/download//reads/a.txt", "GET /files//download/reads/a.txt",
    "GET /files/download/reads/%ff", "GET /files/download/reads/%01", "GET /files/download/reads/%7f",
    "GET /files/download/reads/a%5cb", "GET /files/download/Reads/a.txt", "GET /files/download/re%20ads/a.txt",
    f"GET /files/download/reads/{quote(LONGEST)}x", f"GET /files/download/reads/{'x' * 8200}",
    "GET /files/download/reads/none.txt", "GET /files/download/reads/a.txt?content_type=text/html&x=%ff",
    "GET /%66iles/download/reads/a%2Etxt", "GET /files%2fdownload/reads/a.txt", "GET /files/download/reads/a.txt?",
    "GET /files/download/reads/a.txt?x=y;z&&", "GET /files/info/reads/none.txt", "GET /files/signed/x/reads/a.txt",
)  # fmt: skip

ARCHIVES = [
    Row(line, headers)
    for line in (
        "GET /files/archive/reads",
        "GET /files/archive/reads?prefix=%E6%97%A5",
        "HEAD /files/archive/reads?prefix=a",
        "GET /files/archive/reads?prefix=none",
        "GET /files/archive/reads?folder=a",
        "GET /files/archive/public",
        "GET /files/archive/none",
        "POST /files/archive/reads",
    )
    for headers in (ALICE, BOB, ANYONE, [])
] + [Row("GET /files/archive/reads?prefix=a", [*ALICE, ("Range", "bytes=0-9"), *ORIGIN])]

BROWSERS = [
    Row(f"OPTIONS {path}", [*ORIGIN, ("Access-Control-Request-Method", "PUT"), ("Access-Control-Request-Headers", "x")])
    for path in (A_TXT, "/buckets", "/files/upload-direct/reads/a.txt", "/files/none")
] + [
    Row(f"OPTIONS {A_TXT}"),
    Row(f"GET {A_TXT}", ORIGIN),
    Row(f"GET {A_TXT}", [*ALICE, *ORIGIN, ("Range", "bytes=0-1")]),
    Row(f"GET {A_TXT}", [*ALICE, ("Accept-Encoding", "gzip, br"), ("Connection", "close")]),
]

# Nobody asks for what a body of a GET says.
WITH_A_BODY = [
    Row(line, [*headers, ("Content-Length", str(len(body)))], body)
    for line in (
        f"GET {A_TXT}",
        f"HEAD {A_TXT}",
        "GET /storage/public/a.txt",
        "GET /buckets?limit=1",
        "OPTIONS /buckets",
    )
    for headers in (ALICE, [])
    for body in (b"", b"abc", b"x" * 99_999, b"x" * LEAST_SPOOLED)
]


@pytest.mark.parametrize(
    "row",
    [
        *NAMED, *RANGES, *CONDITIONS, *CREDENTIALS, *LISTS, *PAGES, *REFUSED, *ARCHIVES, *BROWSERS, *WITH_A_BODY,
    ],
    ids=lambda row: row.line[:60],  # no tokens: every process of a test run must find the same names
)  # fmt: skip
def test_same_answer(both: BothWays, row: Row) -> None:
    through, straight = both.read(with_validators(both, row))
    assert through == straight


def with_validators(both: BothWays, row: Row) -> Row:
    """Put the file's own ETag and date where the row stands for any."""
    if not any("{" in value for _, value in row.headers):
        return row
    current = httpx.head(f"{both.service.url}{A_TXT}", headers=bearer()).headers
    values = {"etag": current["ETag"], "modified": current["Last-Modified"]}
    return row._replace(headers=[(name, value.format(**values)) for name, value in row.headers])


@pytest.fixture(scope="module")
def link(both: BothWays) -> str:
    """The path of a signed URL of a.txt."""
    body = {"bucket_id": "reads", "file_id": "a.txt", "disposition": "inline", "filename": "ä.txt"}
    answer = httpx.post(f"{both.service.url}/files/initiate-download", json=body, headers=bearer())
    return both.service.path_of(answer.raise_for_status().json()["download_url"])


@pytest.mark.parametrize(
    ("line", "headers"),
    [
        ("GET {link}", []),
        ("HEAD {link}", []),
        ("GET {link}", [("Range", "bytes=2-5")]),
        ("GET {link}", [("Range", "bytes=2-5,8-9")]),
        ("GET {link}", [("If-None-Match", "*")]),
        ("GET {link}", [("If-Match", '"x"')]),
        ("GET {link}", [("If-Match", "*")]),
        ("HEAD {link}", [("If-Unmodified-Since", EARLIER)]),
        ("GET {link}", [("If-Unmodified-Since", EARLIER)]),
        ("GET {link}", [("If-Unmodified-Since", LATER)]),
        ("GET {link}", [("If-Modified-Since", LATER)]),
        ("GET {link}", [("Range", "bytes=2-5"), ("If-Range", '"x"')]),
        ("GET {link}", FORGED),
        ("GET {link}x", []),
        ("GET {link}?download=1", []),
        ("PUT {link}", [("Content-Length", "0")]),
        ("DELETE {link}", []),
    ],
)
def test_same_answer_by_a_signed_url(both: BothWays, link: str, line: str, headers: list[tuple[str, str]]) -> None:
    through, straight = both.read(Row(line.format(link=link), headers))
    assert through == straight


def test_blob_cannot_be_asked_for(both: BothWays) -> None:
    for blob in blobs(both.service):
        answer = ask(both.gateway, Row(f"GET /_blobs/{blob.relative_to(both.service.storage_path)}", ALICE))
        assert_problem(answer, 404, "not_found")


def test_nginx_does_not_say_which_it_is(both: BothWays) -> None:
    assert ask(both.gateway, Row("GET /")).headers["Server"] == "nginx"


def test_nginx_carried_what_it_could(both: BothWays) -> None:
    before = both.gateway.carried()
    for line, headers in [(f"GET {A_TXT}", ()), (f"GET {A_TXT}", [("Range", "bytes=0-1")]), (f"HEAD {A_TXT}", ())]:
        both.read(Row(line, [*ALICE, *headers]))
    assert both.gateway.carried() == before + 2
