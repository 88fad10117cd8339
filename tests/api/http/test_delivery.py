import hashlib
import http.client
import io
import os
import socket
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from storage_app.api.http.byte_ranges import STEP_BYTES
from storage_app.api.http.delivery import cache_control, content_disposition, deliver
from storage_app.auth.signed_urls import Disposition
from storage_app.domain.buckets import Bucket
from storage_app.domain.files import File
from storage_app.errors import StorageError, Unavailable
from storage_app.host import clients

ROOT = Path(__file__).resolve().parents[3]
CONTENT = bytes(range(256)) * 4
SHA256 = hashlib.sha256(CONTENT).hexdigest()
ETAG = f'"{SHA256}"'
MADE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MODIFIED = "Fri, 02 Jan 2026 03:04:05 GMT"
BEFORE = "Fri, 02 Jan 2026 03:04:04 GMT"

FILE = File(
    bucket_uid="b1",
    key="2026/cat.png",
    blob="7e-1-cat.png",
    filename="2026/cat.png",
    content_type="image/png",
    size=len(CONTENT),
    sha256=SHA256,
    owner_id="alice",
    metadata={},
    cache_control=None,
    created_at=MADE,
    updated_at=MADE.replace(microsecond=999_999),
)
LARGE_FILE = replace(FILE, size=3 * STEP_BYTES)
BUCKET = Bucket(uid="b1", name="photos", owner_id="alice", created_at=MADE, updated_at=MADE)


class Blob:
    """A real file that remembers who opened it."""

    def __init__(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        self._path = path
        self.opened: list[BinaryIO] = []

    def open(self) -> BinaryIO:
        self.opened.append(cast(BinaryIO, io.FileIO(self._path)))
        return self.opened[-1]

    def is_closed(self) -> bool:
        return all(stream.closed for stream in self.opened)


Serve = Callable[..., FlaskClient]


@pytest.fixture
def blob(tmp_path: Path) -> Blob:
    return Blob(tmp_path / "blob", CONTENT)


@pytest.fixture
def serve(blob: Blob) -> Iterator[Serve]:
    """Return a client of an application that delivers one file; no file may stay open."""

    def serve(file: File = FILE, **options: Any) -> FlaskClient:
        app = Flask(__name__)
        arguments: dict[str, Any] = {
            "disposition": Disposition.ATTACHMENT,
            "cache_control": "private, no-cache",
            "open_blob": blob.open,
            **options,
        }

        @app.get("/")
        def get() -> Response:
            return deliver(request, file, **arguments)

        @app.errorhandler(StorageError)
        def refuse(error: StorageError) -> tuple[str, int, dict[str, str]]:
            return error.detail, error.status, error.headers

        return app.test_client()

    yield serve
    assert blob.is_closed()


def get(client: FlaskClient, headers: dict[str, str] | None = None, method: str = "GET") -> Any:
    return client.open("/", method=method, headers=headers, buffered=True)


class Crowded:
    """No place is left for an answer that has to wait for its client."""

    def hold(self) -> None:
        raise Unavailable("No place is left.")

    def limit_body(self, seconds: float) -> None:
        raise AssertionError

    def watch_silence(self, watch: object) -> None:
        raise AssertionError


def test_answer_for_which_no_place_is_left_is_refused_before_it_begins(serve: Serve, tmp_path: Path) -> None:
    blob = Blob(tmp_path / "large", bytes(LARGE_FILE.size))
    large, few = serve(LARGE_FILE, open_blob=blob.open), {"Range": "bytes=0-9,20-29"}
    with ExitStack() as installed:
        clients.install(Crowded())
        installed.callback(clients.install, None)
        for headers, status in (({}, 503), ({"Range": "bytes=1-"}, 503), ({"Range": "bytes=0-9,20-"}, 503), (few, 206)):
            assert get(large, headers).status_code == status
        assert get(large, method="HEAD").status_code == 200
    assert blob.is_closed()


def test_whole_file(serve: Serve, blob: Blob) -> None:
    response = get(serve())
    assert (response.status_code, response.data) == (200, CONTENT)
    assert dict(response.headers) == {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": "attachment; filename=\"cat.png\"; filename*=UTF-8''cat.png",
        "Content-Length": "1024",
        "Content-Security-Policy": response.headers["Content-Security-Policy"],
        "Content-Type": "image/png",
        "ETag": ETAG,
        "Last-Modified": MODIFIED,
        "Repr-Digest": response.headers["Repr-Digest"],
        "X-Content-Type-Options": "nosniff",
    }
    algorithm, _, digest = response.headers["Repr-Digest"].partition("=")
    assert algorithm == "sha-256"
    assert (digest[0], digest[-1]) == (":", ":")
    assert b64decode(digest[1:-1]) == hashlib.sha256(CONTENT).digest()
    assert len(blob.opened) == 1


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-9"}, {"Range": "bytes=5000-"}])
def test_head_has_the_headers_of_get_and_opens_nothing(serve: Serve, blob: Blob, headers: dict[str, str]) -> None:
    head = get(serve(), headers, "HEAD")
    assert blob.opened == []
    assert (head.status_code, head.data) == (200, b"")
    assert dict(head.headers) == dict(get(serve()).headers)


@pytest.mark.parametrize(
    ("header", "content_range", "body"),
    [
        ("bytes=0-0", "bytes 0-0/1024", CONTENT[:1]),
        ("bytes=1000-", "bytes 1000-1023/1024", CONTENT[1000:]),
        ("bytes=-24", "bytes 1000-1023/1024", CONTENT[1000:]),
        ("bytes=1000-9999", "bytes 1000-1023/1024", CONTENT[1000:]),
        ("bytes=-9999", "bytes 0-1023/1024", CONTENT),
        ("bytes=0-9,5-19", "bytes 0-19/1024", CONTENT[:20]),
        ("bytes=5000-,3-4", "bytes 3-4/1024", CONTENT[3:5]),
    ],
)
def test_one_range(serve: Serve, header: str, content_range: str, body: bytes) -> None:
    response = get(serve(), {"Range": header})
    assert (response.status_code, response.data) == (206, body)
    assert response.headers["Content-Range"] == content_range
    assert response.headers["Content-Length"] == str(len(body))
    assert response.headers["Content-Type"] == "image/png"


@pytest.mark.parametrize(
    "headers",
    [
        {"Range": "pages=1-2"},
        {"Range": "bytes=9-1"},
        {"Range": "bytes=0-9", "If-Range": '"other"'},
        {"Range": "bytes=0-9", "If-Range": f"W/{ETAG}"},
        {"Range": "bytes=0-9", "If-Range": BEFORE},
    ],
)
def test_range_that_does_not_count_sends_the_whole(serve: Serve, headers: dict[str, str]) -> None:
    response = get(serve(), headers)
    assert (response.status_code, response.data) == (200, CONTENT)
    assert "Content-Range" not in response.headers


@pytest.mark.parametrize("if_range", [ETAG, MODIFIED])
def test_if_range_that_holds_sends_the_range(serve: Serve, if_range: str) -> None:
    assert get(serve(), {"Range": "bytes=2-3", "If-Range": if_range}).data == CONTENT[2:4]


def test_several_ranges(serve: Serve) -> None:
    response = get(serve(), {"Range": "bytes=-4,0-9,300-301"})
    assert response.status_code == 206
    assert response.headers["Content-Length"] == str(len(response.data))
    assert response.headers["Content-Type"].startswith("multipart/byteranges; boundary=")
    assert response.headers["Repr-Digest"]
    assert "Content-Range" not in response.headers


@pytest.fixture
def large(tmp_path: Path) -> Blob:
    return Blob(tmp_path / "large", bytes(LARGE_FILE.size))


@pytest.mark.parametrize("header", [None, "bytes=1-", f"bytes=1-{STEP_BYTES * 2},-5"])
def test_bytes_are_read_in_steps(serve: Serve, large: Blob, header: str | None) -> None:
    client = serve(LARGE_FILE, open_blob=large.open)
    with client.open("/", headers={"Range": header} if header else {}) as response:
        pieces = list(response.iter_encoded())
    assert max(map(len, pieces)) == STEP_BYTES
    assert sum(map(len, pieces)) == int(response.headers["Content-Length"])
    assert large.is_closed()


def test_few_bytes_are_read_at_once(serve: Serve, large: Blob) -> None:
    client = serve(LARGE_FILE, open_blob=large.open)
    with client.open("/", headers={"Range": f"bytes=1-{STEP_BYTES}"}) as response:
        assert large.is_closed()
        assert response.data == bytes(STEP_BYTES)


@pytest.mark.parametrize("header", [None, "bytes=1-", "bytes=1-2,5-6"])
def test_client_that_goes_away_leaves_nothing_open(serve: Serve, large: Blob, header: str | None) -> None:
    client = serve(LARGE_FILE, open_blob=large.open)
    response = client.open("/", headers={"Range": header} if header else {})
    assert not large.is_closed()
    response.close()
    assert large.is_closed()


@pytest.mark.parametrize("header", [None, "bytes=1-", "bytes=1-2,5-6"])
def test_answer_that_is_never_sent_leaves_nothing_open(large: Blob, header: str | None) -> None:
    with Flask(__name__).test_request_context(headers={"Range": header} if header else {}):
        response = deliver(
            request, LARGE_FILE, disposition=Disposition.INLINE, cache_control="no-cache", open_blob=large.open
        )
    assert not large.is_closed()
    response.close()
    assert large.is_closed()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Range": "bytes=1024-"}, 416),
        ({"Range": "bytes=-0"}, 416),
        ({"If-Match": '"other"'}, 412),
        ({"If-Match": f"W/{ETAG}"}, 412),
        ({"If-Unmodified-Since": BEFORE}, 412),
        ({"If-None-Match": ETAG}, 304),
        ({"If-None-Match": f"W/{ETAG}", "Range": "bytes=0-1"}, 304),
        ({"If-Modified-Since": MODIFIED}, 304),
        # Conditions come before ranges (RFC 9110 section 13.2.2).
        ({"If-None-Match": ETAG, "Range": "bytes=1024-"}, 304),
        ({"If-Match": '"other"', "Range": "bytes=1024-"}, 412),
    ],
)
@pytest.mark.parametrize("nginx_path", [None, "x"])
def test_answers_without_bytes_open_nothing(
    serve: Serve, blob: Blob, headers: dict[str, str], status: int, nginx_path: str | None
) -> None:
    response = get(serve(nginx_path=nginx_path), headers)
    assert response.status_code == status
    assert "X-Accel-Redirect" not in response.headers
    assert blob.opened == []


def test_range_outside_names_the_size(serve: Serve) -> None:
    assert get(serve(), {"Range": "bytes=1024-"}).headers["Content-Range"] == "bytes */1024"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_not_modified_refreshes_what_a_cache_keeps(serve: Serve, method: str) -> None:
    response = get(serve(), {"If-None-Match": ETAG}, method)
    assert (response.status_code, response.data) == (304, b"")
    assert set(response.headers.keys()) == {
        "Cache-Control",
        "Content-Disposition",
        "Content-Security-Policy",
        "ETag",
        "X-Content-Type-Options",
    }


@pytest.mark.parametrize("header", [None, "bytes=0-", "bytes=-1", "bytes=-0"])
def test_empty_file(tmp_path: Path, serve: Serve, header: str | None) -> None:
    empty = Blob(tmp_path / "empty", b"")
    client = serve(replace(FILE, size=0), open_blob=empty.open)
    response = get(client, {"Range": header} if header else {})
    assert response.status_code == 200
    assert (response.data, response.headers["Content-Length"]) == (b"", "0")
    assert empty.is_closed()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"If-None-Match": '"other"'},
        {"If-Modified-Since": BEFORE},
        {"Range": "bytes=0-9"},
        {"Range": "bytes=5-"},
        {"Range": "bytes=-5"},
        {"Range": "bytes=0-9", "If-Range": ETAG},
        {"Range": "bytes=" + "0" * 18 + "-" + "9" * 18},
        {"Range": "bytes=-" + "9" * 18},
    ],
)
def test_nginx_decides_plain_requests_again(serve: Serve, headers: dict[str, str]) -> None:
    plain = get(serve(), headers)
    response = get(serve(nginx_path="x"), headers)
    assert (response.status_code, response.data) == (200, b"")
    assert response.headers["X-Accel-Redirect"] == "/_blobs/x"
    assert "X-Accelerated-Range" not in response.headers
    for name in ("ETag", "Last-Modified", "Repr-Digest"):
        assert response.headers[name] == plain.headers[name]
    # nginx would keep these of an answer that it cannot carry out, beside those of the next one.
    for name in ("Cache-Control", "Content-Disposition", "Content-Type"):
        assert name not in response.headers
        assert response.headers[f"X-Accelerated-{name}"] == plain.headers[name]
    # nginx adds one to a whole file, and two would reach the client.
    assert "Accept-Ranges" not in response.headers
    assert response.headers.get("X-Accelerated-Accept-Ranges") == ("bytes" if "Range" in headers else None)


@pytest.mark.parametrize(
    ("headers", "ranges"),
    [
        ({"If-Match": ETAG}, None),
        ({"If-Match": "*", "Range": "bytes=5-"}, "bytes=5-1023"),
        ({"If-Unmodified-Since": MODIFIED}, None),
        ({"Range": "bytes=0-9,20-29"}, "bytes=0-9,20-29"),
        ({"Range": "bytes=0-9,5-29"}, "bytes=0-29"),
        ({"Range": "bytes=0-9", "If-Range": '"other"'}, None),
        # nginx answers 416 to these.
        ({"Range": "bytes=0-9,"}, "bytes=0-9"),
        ({"Range": "bytes=9-0"}, None),
        ({"Range": "bytes=x"}, None),
        ({"Range": "bytes=0-" + "9" * 19}, "bytes=0-1023"),
        ({"Range": "bytes=" + "0" * 19 + "-"}, "bytes=0-1023"),
        ({"Range": "bytes=-" + "9" * 19}, "bytes=0-1023"),
        ({"Range": "pages=1-2"}, None),
    ],
)
def test_nginx_gets_the_decided_range_of_other_requests(
    serve: Serve, headers: dict[str, str], ranges: str | None
) -> None:
    response = get(serve(nginx_path="x"), headers)
    assert (response.status_code, response.data) == (200, b"")
    assert response.headers["X-Accel-Redirect"] == "/_decided/x"
    assert response.headers.get("X-Accelerated-Range") == ranges


def test_service_answers_head_itself(serve: Serve) -> None:
    response = get(serve(nginx_path="x"), {}, "HEAD")
    assert "X-Accel-Redirect" not in response.headers
    assert response.headers["Content-Length"] == str(len(CONTENT))


def test_offload_opens_nothing(serve: Serve, blob: Blob) -> None:
    get(serve(nginx_path="x"))
    assert blob.opened == []


def test_offload_path_is_percent_encoded(serve: Serve) -> None:
    response = get(serve(nginx_path="a?b#c%d é/e"))
    assert response.headers["X-Accel-Redirect"] == "/_blobs/a%3Fb%23c%25d%20%C3%A9/e"


@pytest.mark.parametrize(
    ("content_type", "disposition", "shown"),
    [
        ("image/png", Disposition.INLINE, "inline"),
        ("video/mp4", Disposition.INLINE, "inline"),
        ("application/pdf", Disposition.INLINE, "inline"),
        ("text/plain; charset=utf-8", Disposition.INLINE, "inline"),
        ("image/png", Disposition.ATTACHMENT, "attachment"),
        ("text/html", Disposition.INLINE, "attachment"),
        ("image/svg+xml", Disposition.INLINE, "attachment"),
        ("application/xhtml+xml", Disposition.INLINE, "attachment"),
        ("application/octet-stream", Disposition.INLINE, "attachment"),
    ],
)
def test_only_safe_types_are_shown(serve: Serve, content_type: str, disposition: Disposition, shown: str) -> None:
    response = get(serve(replace(FILE, content_type=content_type), disposition=disposition))
    assert response.headers["Content-Disposition"].partition(";")[0] == shown
    assert response.headers["Content-Type"] == content_type
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("image/png", {"default-src 'none'", "sandbox"}),
        ("text/plain", {"default-src 'none'", "sandbox"}),
        ("text/html", {"default-src 'none'", "sandbox"}),
        ("image/svg+xml", {"default-src 'none'", "sandbox"}),
        # In a sandbox, Chromium loads no sound and no film, and older ones show no PDF.
        ("audio/mpeg", {"default-src 'none'", "media-src 'self'"}),
        ("video/mp4", {"default-src 'none'", "media-src 'self'"}),
        ("application/pdf", {"default-src 'none'", "object-src 'self'"}),
    ],
)
def test_nothing_in_a_file_can_run_or_load(serve: Serve, content_type: str, expected: set[str]) -> None:
    response = get(serve(replace(FILE, content_type=content_type), disposition=Disposition.INLINE))
    policy = set(response.headers["Content-Security-Policy"].split("; "))
    assert policy - {"style-src 'unsafe-inline'", "base-uri 'none'", "form-action 'none'"} == expected


def test_filename_of_the_request_counts(serve: Serve) -> None:
    response = get(serve(filename="other.png"))
    assert 'filename="other.png"' in response.headers["Content-Disposition"]


@pytest.mark.parametrize(
    ("filename", "ascii_name", "extended"),
    [
        ("cat.jpg", "cat.jpg", "cat.jpg"),
        ("2026/01/cat.jpg", "cat.jpg", "cat.jpg"),
        ("my cat.jpg", "my cat.jpg", "my%20cat.jpg"),
        ("résumé.pdf", "resume.pdf", "r%C3%A9sum%C3%A9.pdf"),
        ("猫.jpg", "_.jpg", "%E7%8C%AB.jpg"),
        ('a"b\\c', 'a\\"b\\\\c', "a%22b%5Cc"),
        ("100%41.txt", "100_41.txt", "100%2541.txt"),
        ("a;b=c,d'e*f(g)", "a;b=c,d'e*f(g)", "a%3Bb%3Dc%2Cd%27e%2Af%28g%29"),
        ("!#$&+-.^_`|~", "!#$&+-.^_`|~", "!#$&+-.^_`|~"),
        ("a\r\nSet-Cookie: b=c", "a__Set-Cookie: b=c", "a__Set-Cookie%3A%20b%3Dc"),
        ("a\x00b\x7fc\x85d\ud800e", "a_b_c_d_e", "a_b_c_d_e"),
        # Compatibility forms of a slash and a quote stay what they are.
        ("a\uff0fb\uff02c", "a_b_c", "a%EF%BC%8Fb%EF%BC%82c"),
        ("a/", "a", "a"),
        ("a/./..", "a", "a"),
        ("..", "download", "download"),
        ("", "download", "download"),
    ],
)
def test_content_disposition(filename: str, ascii_name: str, extended: str) -> None:
    expected = f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{extended}"
    assert content_disposition(Disposition.ATTACHMENT, filename) == expected


@settings(deadline=None)
@given(st.text(min_size=1))
def test_any_filename_makes_one_header_that_reads_back(filename: str) -> None:
    header = content_disposition(Disposition.INLINE, filename)
    assert header.isascii()
    assert header.isprintable()
    value, options = parse_options_header(header)
    assert value == "inline"
    assert set(options) == {"filename"}
    assert "/" not in options["filename"]


@pytest.mark.parametrize(
    ("of_file", "of_bucket", "is_public", "expected"),
    [
        ("max-age=1", "max-age=2", True, "max-age=1"),
        (None, "max-age=2", True, "max-age=2"),
        (None, None, True, "public, no-cache"),
        (None, None, False, "private, no-cache"),
    ],
)
def test_cache_control(of_file: str | None, of_bucket: str | None, is_public: bool, expected: str) -> None:
    file = replace(FILE, cache_control=of_file)
    bucket = replace(BUCKET, cache_control=of_bucket, is_public=is_public)
    assert cache_control(file, bucket, expires_at=None, now=MADE) == expected


@pytest.mark.parametrize(
    ("chosen", "remaining", "expected"),
    [
        (None, 60, "private, no-cache"),
        ("public", 60, "private, no-cache"),
        ("public, max-age=3600, immutable, stale-while-revalidate=9", 60, "private, max-age=60, must-revalidate"),
        ("max-age=30", 60, "private, max-age=30, must-revalidate"),
        ("max-age=3600", 59.9, "private, max-age=59, must-revalidate"),
        ("max-age=3600", -5, "private, max-age=0, must-revalidate"),
        ("max-age=-1", 60, "private, max-age=0, must-revalidate"),
        ("MAX-AGE=3600", 60, "private, max-age=60, must-revalidate"),
        ('max-age="30"', 60, "private, max-age=30, must-revalidate"),
        ("s-maxage=30", 60, "private, max-age=30, must-revalidate"),
        ("s-maxage=30, max-age=40", 60, "private, max-age=40, must-revalidate"),
        ("no-cache, max-age=30", 60, "private, no-cache"),
        ('no-cache="Set-Cookie", max-age=30', 60, "private, no-cache"),
        ("max-age=soon", 60, "private, no-cache"),
        ("max-age", 60, "private, no-cache"),
        (f"max-age={'9' * 200}", 60, "private, max-age=60, must-revalidate"),
        ("no-store", 60, "no-store"),
        ("private, No-Store, max-age=30", 60, "no-store"),
        (",;=,,\"'", 60, "private, no-cache"),
    ],
)
def test_signed_url_never_outlives_its_expiry_in_a_cache(chosen: str | None, remaining: float, expected: str) -> None:
    file = replace(FILE, cache_control=chosen)
    bucket = replace(BUCKET, is_public=True)
    assert cache_control(file, bucket, expires_at=MADE + timedelta(seconds=remaining), now=MADE) == expected


def test_bytes_that_are_gone_pass_through(serve: Serve) -> None:
    def gone() -> BinaryIO:
        raise FileNotFoundError

    client = serve(open_blob=gone)
    client.application.testing = True
    with pytest.raises(FileNotFoundError):
        get(client)


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_bytes_of_another_length_are_not_sent(serve: Serve, blob: Blob, size: int) -> None:
    response = get(serve(replace(FILE, size=size)))
    assert response.status_code == 500
    assert FILE.key in response.text
    assert len(blob.opened) == 1


SERVER = """
import io, os, sys
from dataclasses import replace
from flask import Flask, request
sys.path.insert(0, {root!r})
from storage_app.api.http.delivery import deliver
from storage_app.auth.signed_urls import Disposition
from tests.api.http.test_delivery import FILE

PATH = {path!r}
opened = []
reads = 0

class Counted(io.FileIO):
    def read(self, size=-1):
        global reads
        reads += 1
        return super().read(size)

def open_blob():
    opened.append(Counted(PATH))  # kept, so that nothing but close() closes it
    return opened[-1]

app = Flask(__name__)
file = replace(FILE, size=os.path.getsize(PATH))

@app.get("/file")
def get():
    return deliver(request, file, disposition=Disposition.INLINE, cache_control="no-cache", open_blob=open_blob)

@app.get("/reads")
def count_reads():
    return str(reads)

@app.get("/open")
def count_open():
    links = (os.path.join("/proc/self/fd", number) for number in os.listdir("/proc/self/fd"))
    return str(sum(os.path.islink(link) and os.path.realpath(link) == PATH for link in links))
"""

LARGE = os.urandom(8 * 1024 * 1024)


@pytest.fixture(params=["--bind", "--no-sendfile"], ids=["sendfile", "read"])
def gunicorn(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """Start gunicorn with one thread, which answers a request only when the one before is done with."""
    path = tmp_path / "blob"
    path.write_bytes(LARGE)
    (tmp_path / "server.py").write_text(SERVER.format(root=str(ROOT), path=str(path)))
    options = ["--no-sendfile"] if request.param == "--no-sendfile" else []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address: tuple[str, int] = listener.getsockname()
        command = [sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--threads", "1", *options]
        server = subprocess.Popen(
            [*command, "--bind", f"fd://{listener.fileno()}", "--log-file", "log", "server:app"],
            cwd=tmp_path,
            pass_fds=[listener.fileno()],
        )
    try:
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


def test_gunicorn_sends_the_bytes_and_closes_the_file(gunicorn: tuple[str, int], request: Any) -> None:
    connection = http.client.HTTPConnection(*gunicorn, timeout=30)

    def fetch(path: str = "/file", headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read()

    assert fetch() == (200, LARGE)
    assert fetch(headers={"Range": "bytes=1000000-7999999"}) == (206, LARGE[1_000_000:8_000_000])
    assert (fetch("/reads")[1] == b"0") == ("sendfile" in request.node.name)
    assert fetch(headers={"Range": "bytes=-100"}) == (206, LARGE[-100:])

    status, body = fetch(headers={"Range": "bytes=0-999999,2000000-2999999"})
    assert status == 206
    assert LARGE[:1_000_000] in body
    assert LARGE[2_000_000:3_000_000] in body

    connection.request("HEAD", "/file")
    head = connection.getresponse()
    assert (head.headers["Content-Length"], head.read()) == (str(len(LARGE)), b"")
    assert fetch("/open") == (200, b"0")

    for ranges in ("bytes=0-", "bytes=0-4999999,5000001-"):
        with socket.create_connection(gunicorn, timeout=30) as leaver:
            leaver.sendall(f"GET /file HTTP/1.1\r\nHost: a\r\nRange: {ranges}\r\n\r\n".encode())
            assert leaver.recv(1000)
    assert fetch("/open") == (200, b"0")
    connection.close()
