"""Every kind of change has the same answer and the same effect through nginx and straight to the service.

Each row is asked of two buckets: of one through nginx, of its twin straight.
"""

import base64
import hashlib
import itertools
import json
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from tests.support.both_ways import BothWays, Row, Twins
from tests.support.nginx import OFFLOAD, NginxGateway
from tests.support.raw_http import bucket_on_disk, left_behind
from tests.support.service import ANON_KEY, RunningService, bearer

ALICE = ("Authorization", bearer()["Authorization"])
BOB = ("Authorization", bearer("bob")["Authorization"])
ANYONE = ("apikey", ANON_KEY)
JSON = ("Content-Type", "application/json")
FORM = ("Content-Type", "multipart/form-data; boundary=cut")
CONTENT = b"picture " * 5000
SPOOLED = b"picture " * 15_000
DIGEST = f"sha-256=:{base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()}:"
SPOOLED_DIGEST = f"sha-256=:{base64.b64encode(hashlib.sha256(SPOOLED).digest()).decode()}:"
OTHER_DIGEST = f"sha-256=:{base64.b64encode(hashlib.sha256(b'').digest()).decode()}:"
LONG_AGO = "Thu, 01 Jan 1970 00:00:00 GMT"
RAW = "PUT /files/upload-direct/{bucket}/"

_names = itertools.count(1)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BothWays]:
    directory = tmp_path_factory.mktemp("both")
    with (
        RunningService(directory / "store", **OFFLOAD, TRUSTED_PROXIES="1") as service,
        NginxGateway(service, directory / "nginx") as gateway,
    ):
        yield BothWays(service, gateway)


@pytest.fixture
def twins(both: BothWays) -> Twins:
    """Two buckets that are alike, each with a file, and with limits that a row can reach."""
    number = next(_names)
    made: list[dict[str, str]] = []
    for name in (f"twin-{number}-a", f"twin-{number}-b"):
        with httpx.Client(base_url=both.service.url, headers=bearer()) as client:
            client.post("/buckets", json={"name": name, "max_file_size": 200_000, "quota": 500_000}).raise_for_status()
            client.put(f"/files/upload-direct/{name}/old.txt", content=b"old").raise_for_status()
            link = client.post(
                "/files/initiate-upload", json={"bucket_id": name, "filename": "signed.txt", "size": len(CONTENT)}
            )
            large = client.post(
                "/files/initiate-upload", json={"bucket_id": name, "filename": "signed.txt", "size": len(SPOOLED)}
            )
            links = {
                name: both.service.path_of(answer.raise_for_status().json()["upload_url"])
                for name, answer in {"link": link, "large_link": large}.items()
            }
            made.append({"bucket": name, **links})
    return made[0], made[1]


def sized(line: str, body: bytes, *headers: tuple[str, str]) -> Row:
    return Row(line, [("Content-Length", str(len(body))), *headers], body)


def raw(key: str, *headers: tuple[str, str], body: bytes = CONTENT) -> Row:
    return sized(f"{RAW}{key}", body, ALICE, *headers)


def to_place(
    key: str, *headers: tuple[str, str], source: str = "old.txt", route: str = "copy", **fields: object
) -> Row:
    """A copy or a move within the bucket."""
    places = {"source": {"bucket_id": "{bucket}", "file_id": source}}
    body = places | {"destination": {"bucket_id": "{bucket}", "file_id": key}} | fields
    return with_json(f"POST /files/{route}", body, *(headers or [ALICE]))


def to_folder(route: str, prefix: str, to: str, *headers: tuple[str, str], **fields: object) -> Row:
    """A copy or a move of a folder within the bucket."""
    prefixes = {"source": prefix, "destination": to}
    body = {name: {"bucket_id": "{bucket}", "prefix": each} for name, each in prefixes.items()} | fields
    return with_json(f"POST /files/{route}", body, *(headers or [ALICE]))


def chunked(line: str, body: bytes, *headers: tuple[str, str]) -> Row:
    return Row(line, [("Transfer-Encoding", "chunked"), *headers], b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))


def with_json(line: str, body: object, *headers: tuple[str, str]) -> Row:
    return sized(line, json.dumps(body).encode(), JSON, *(headers or [ALICE]))


def form(
    fields: dict[str, str],
    *,
    name: str = "file",
    filename: str = '; filename="f.txt"',
    line: str = "POST /files/upload/{bucket}",
) -> Row:
    parts = [
        f'--cut\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{text}\r\n' for field, text in fields.items()
    ]
    head = f'--cut\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n\r\n'
    return sized(line, "".join(parts).encode() + head.encode("latin-1") + CONTENT + b"\r\n--cut--\r\n", ALICE, FORM)


CHANGES: dict[str, list[Row]] = {
    "raw uploads": [
        raw("a.txt"),
        raw("a.txt", body=b"replaced"),
        raw("a.txt?overwrite=false"),
        raw("a.txt?overwrite=maybe"),
        raw("a.txt?overwite=false"),
        raw("a.txt?overwrite=false&overwrite=true"),
        raw("empty", body=b""),
        raw(quote("日本語/a b%&+.txt"), ("Content-Type", "image/png")),
        raw(quote("é" * 500 + "/" + "x" * 23), body=b"longest"),
        raw("typed", ("Content-Type", "application/x-www-form-urlencoded"), body=b"a=b"),
        raw("text", ("Content-Type", "text/plain"), body="é".encode()),
        raw("sales.csv", ("Content-Type", "application/vnd.ms-excel"), body=b"a;b"),
        raw("film", ("Content-Type", "video/webm;codecs=vp8,opus"), body=b"\x1a\x45\xdf\xa3"),
        Row("GET /files/view/{bucket}/text", [ALICE]),
        raw("form", FORM, body=b"raw all the same"),
        chunked(f"{RAW}chunked", CONTENT, ALICE),
        Row(f"{RAW}no-length", [ALICE]),
    ],
    "raw uploads that are refused": [
        sized(f"{RAW}a", CONTENT),
        sized(f"{RAW}a", CONTENT, BOB),
        sized(f"{RAW}a", CONTENT, ANYONE),
        sized(f"{RAW}a", CONTENT, ("Authorization", "Bearer x")),
        sized("PUT /files/upload-direct/none-{bucket}/a", CONTENT, ALICE),
        raw("a//b"),
        raw("..%2fa"),
        raw("%ff"),
        raw("large", body=b"x" * 200_001),
        chunked(f"{RAW}large", b"x" * 200_001, ALICE),
        *(raw(f"q{number}", body=b"x" * 99_000) for number in range(6)),
        raw("part", ("Content-Range", "bytes 0-9/20")),
        raw("packed", ("Content-Encoding", "gzip")),
        raw("packed", ("Content-Type", "not a type")),
    ],
    "raw uploads through the spool": [
        raw("a.txt", body=SPOOLED),
        raw("a.txt", ("Content-Type", "image/png"), body=SPOOLED[::-1]),
        raw("a.txt", ("Content-Type", "text/plain"), body=SPOOLED),
        Row("GET /files/view/{bucket}/a.txt", [ALICE]),
        raw("a.txt?overwrite=false", body=SPOOLED),
        raw("a.txt?overwite=false", body=SPOOLED),
        sized("PUT {large_link}?x=1", SPOOLED),
        raw("old.txt", ("If-None-Match", "*"), body=SPOOLED),
        raw("old.txt", ("If-Unmodified-Since", LONG_AGO), body=SPOOLED),
        raw("old.txt", ("If-Match", "*"), ("Expect", "100-continue"), body=SPOOLED),
        raw("d1", ("Content-Digest", SPOOLED_DIGEST), body=SPOOLED),
        raw("d2", ("Content-Digest", DIGEST), body=SPOOLED),
        raw("quota", body=SPOOLED[:-1]),
        raw("over-quota", body=b"x" * 199_999),
        sized(f"{RAW}a", SPOOLED),
        sized(f"{RAW}a", SPOOLED, BOB),
        sized("PUT /files/upload-direct/none-{bucket}/a", SPOOLED, ALICE),
        raw("a//b", body=SPOOLED),
        raw("part", ("Content-Range", "bytes 0-9/20"), body=SPOOLED),
        raw("packed", ("Content-Encoding", "gzip"), body=SPOOLED),
        sized("PUT {large_link}", SPOOLED[:-1]),
        sized("PUT {large_link}x", SPOOLED),
        Row("DELETE /files/{bucket}/a.txt", [ALICE]),
        sized("PUT {large_link}", SPOOLED),
        sized("PUT {large_link}", SPOOLED),
        chunked("PUT {large_link}", SPOOLED),
        sized("PUT {large_link}", SPOOLED[::-1]),
        sized("PUT {large_link}", SPOOLED[:-1]),
        sized("PUT {large_link}", SPOOLED, ("Content-Digest", DIGEST)),
        sized("PUT {large_link}", SPOOLED, ("If-None-Match", "*")),
    ],
    "many files": [
        *(raw(quote(key)) for key in ("2026/a", "2026/я", "2026/b/c", "x")),
        with_json("POST /files/delete/{bucket}", {"prefix": "2026/"}, BOB),
        with_json("POST /files/delete/{bucket}", {"file_ids": ["x", "none"]}, ANYONE),
        with_json("POST /files/delete/{bucket}", {"prefix": "2026/"}, JSON),
        with_json("POST /files/delete/{bucket}", {"file_ids": ["2026/я", "none", "2026/я"]}),
        with_json("POST /files/delete/{bucket}", {"prefix": "2026/"}),
        with_json("POST /files/delete/{bucket}", {"prefix": "2026/"}),
        with_json("POST /files/delete/{bucket}", {"prefix": ""}),
        with_json("POST /files/delete/{bucket}", {"file_ids": []}),
        with_json("POST /files/delete/{bucket}", {"file_ids": ["x"], "prefix": "x"}),
        with_json("POST /files/delete/{bucket}", {"file_ids": [str(number) for number in range(1001)]}),
        with_json("POST /files/delete/none-{bucket}", {"prefix": "x"}),
        with_json("POST /files/initiate-download", {"bucket_id": "{bucket}", "prefix": "x"}),
        with_json("POST /files/initiate-download", {"bucket_id": "{bucket}", "prefix": "none"}),
        with_json("POST /files/initiate-download", {"bucket_id": "{bucket}", "prefix": "x", "file_id": "x"}),
    ],
    "conditions and digests": [
        raw("old.txt", ("If-None-Match", "*")),
        raw("new.txt", ("If-None-Match", "*")),
        raw("old.txt", ("If-Match", '"other"')),
        raw("old.txt", ("If-Match", "*")),
        raw("none.txt", ("If-Match", "*")),
        raw("old.txt", ("If-Unmodified-Since", LONG_AGO)),
        raw("none.txt", ("If-Unmodified-Since", LONG_AGO)),
        raw("old.txt", ("If-Unmodified-Since", LONG_AGO), ("If-Match", "*")),
        with_json("PUT /files/metadata/{bucket}/old.txt", {}, ALICE, ("If-Unmodified-Since", LONG_AGO)),
        Row("DELETE /files/{bucket}/old.txt", [ALICE, ("If-Unmodified-Since", LONG_AGO)]),
        raw("d1", ("Content-Digest", DIGEST)),
        raw("d2", ("Repr-Digest", DIGEST), ("Content-Digest", DIGEST)),
        raw("d3", ("Content-Digest", OTHER_DIGEST)),
        raw("d4", ("Content-Digest", "sha-256=nonsense")),
        raw("d5", ("Content-Digest", f"{OTHER_DIGEST}, {DIGEST}")),
        raw("d6", ("Content-Digest", f"{DIGEST}, {OTHER_DIGEST}")),
        raw("d7", ("Repr-Digest", DIGEST[:-1])),
        raw("old.txt", ("Expect", "100-continue")),
    ],
    "forms": [
        form({}),
        form({}),
        form({"overwrite": "true", "metadata": '{"a": "ä"}'}),
        form({"file_id": "日本語/b.txt", "cache_control": "no-store"}),
        form({"file_id": "a//b"}),
        form({"metadata": "{"}),
        form({"unknown": "x"}),
        form({"overwrite": "true", "unknown": "x", "file": "{}"}),
        form({}, name="other"),
        form({}, filename=r'; filename="back\slash.txt"'),
        form({}, filename='; filename="caf\xe9.txt"'),
        form({}, filename=""),
        form({"file_id": "no-filename"}, filename=""),
        sized("POST /files/upload/{bucket}", b"no form", ALICE),
        sized("POST /files/upload/{bucket}", b"--cut\r\nbroken", ALICE, FORM),
    ],
    "a signed URL": [
        sized("PUT {link}", b"too short"),
        sized("PUT {link}x", CONTENT),
        sized("PUT {link}", CONTENT, ("Authorization", "Bearer ignored")),
        sized("PUT {link}", CONTENT),
        sized("PUT {link}", CONTENT[::-1]),
        sized("PUT {link}", CONTENT, ("If-Unmodified-Since", LONG_AGO)),
        form({}, line="PUT {link}"),
        form({"file_id": "x"}, line="PUT {link}"),
        form({"unknown": "x"}, line="PUT {link}", filename=""),
        chunked("PUT {link}", CONTENT),
        with_json("PUT /files/metadata/{bucket}/signed.txt", {"metadata": {"edited": True}}),
        sized("PUT {link}", CONTENT),
        Row("GET {link}"),
    ],
    "metadata": [
        with_json("PUT /files/metadata/{bucket}/old.txt", {"metadata": {"ключ": "значение"}, "filename": "新.txt"}),
        with_json("PUT /files/metadata/{bucket}/old.txt", {"content_type": "text/html", "cache_control": "no-store"}),
        with_json("PUT /files/metadata/{bucket}/old.txt", {"metadata": {"a": "x" * 20_000}}),
        with_json("PUT /files/metadata/{bucket}/old.txt", {"size": 1}),
        with_json("PATCH /files/metadata/{bucket}/old.txt", {"metadata": {"patched": True}}),
        with_json("PATCH /files/metadata/{bucket}/old.txt", {"size": 1}, BOB),
        with_json("PUT /files/metadata/{bucket}/old.txt", {"metadata": None, "content_type": None}),
        with_json("PUT /files/metadata/{bucket}/old.txt", {"metadata": {}}, ALICE, ("Content-Encoding", "gzip")),
        with_json("PUT /files/metadata/{bucket}/old.txt?x=1", {"metadata": {}}),
        with_json("PUT /files/metadata/{bucket}/old.txt", {"metadata": {}}, BOB),
        with_json("PUT /files/metadata/{bucket}/none.txt", {"metadata": {}}),
        sized("PUT /files/metadata/{bucket}/old.txt", b'{"metadata": ', ALICE, JSON),
        sized("PUT /files/metadata/{bucket}/old.txt", b" " * 1_000_000, ALICE, JSON),
        sized("PUT /files/metadata/{bucket}/old.txt", b"{}", ALICE, ("Content-Type", "text/plain")),
        chunked("PUT /files/metadata/{bucket}/old.txt", b'{"metadata": {"chunked": true}}', ALICE, JSON),
    ],
    "links": [
        with_json("POST /files/initiate-upload", {"bucket_id": "{bucket}", "filename": "ä.txt"}),
        with_json("POST /files/initiate-upload", {"bucket_id": "{bucket}", "filename": "ä.txt", "size": 100_001}),
        with_json("POST /files/initiate-download", {"bucket_id": "{bucket}", "file_id": "old.txt"}),
        with_json("POST /files/initiate-download", {"bucket_id": "{bucket}", "file_id": "none.txt"}),
        with_json("POST /files/presigned-url/upload/{bucket}/p.txt", {"expires_in_seconds": 60}),
        sized("POST /files/presigned-url/upload/{bucket}/p.txt", b"", ALICE),
    ],
    "copies": [
        to_place("ä/copy.txt"),
        to_place("ä/copy.txt"),
        to_place("ä/copy.txt", overwrite=True, metadata={"a": "ä"}, filename=None, cache_control="no-store"),
        to_place("ä/copy.txt", ALICE, ("If-None-Match", "*"), overwrite=True),
        to_place("x", source_etag='"other"'),
        to_place("x", source="none"),
        to_place("x", destination={"bucket_id": "none-{bucket}", "file_id": "x"}),
        to_place("old.txt"),
        to_place("x", BOB),
        to_place("x", ANYONE),
        to_place("x", ("X-Nobody", "")),
        to_place("x", prefix="old"),
        Row("POST /files/copy", [ALICE]),
        with_json("POST /files/copy?x=1", {}),
        Row("GET /files/copy", [ALICE]),
        Row("GET /files/download/{bucket}/%C3%A4/copy.txt", [ALICE]),
    ],
    "moves": [
        to_place("ä/new.txt", BOB, route="move"),
        to_place("ä/new.txt", ("If-Match", "*"), ALICE, route="move"),
        to_place("ä/new.txt", route="move", metadata={"a": "ä"}),
        to_place("ä/new.txt", route="move"),
        raw("old.txt"),
        to_place("ä/new.txt", route="move"),
        to_place("ä/new.txt", route="move", overwrite=True),
        to_place("old.txt", route="move"),
        to_folder("copy", "o", "copies/"),
        to_folder("copy", "o", "copies/"),
        to_folder("move", "copies/", "ä/", overwrite=True),
        to_folder("move", "ä/", "ä/b/"),
        to_folder("move", "ä/", "b/", metadata={}),
        to_folder("move", "ä/", "b/", BOB),
        Row("POST /files/move", [ALICE]),
        Row("GET /files/download/{bucket}/old.txt", [ALICE]),
    ],
    "deletes and buckets": [
        sized("DELETE /files/{bucket}/none.txt", b"", ALICE),
        Row("DELETE /files/{bucket}/old.txt", [BOB]),
        Row("DELETE /files/{bucket}/old.txt", [ALICE, ("If-Match", '"other"')]),
        Row("DELETE /buckets/{bucket}", [ALICE]),
        Row("DELETE /files/{bucket}/old.txt", [ALICE]),
        Row("DELETE /files/{bucket}/old.txt", [ALICE]),
        with_json("PUT /buckets/{bucket}", {"is_public": True, "grants": {"bob": "write"}}),
        with_json("PUT /buckets/{bucket}", {"quota": -1}),
        with_json("PATCH /buckets/{bucket}", {"public": False, "file_size_limit": 5, "allowed_mime_types": ["a/b"]}),
        with_json("PATCH /buckets/{bucket}", {"public": True, "is_public": False}),
        chunked("PATCH /buckets/{bucket}", b'{"public": true}', ALICE, JSON),
        with_json("POST /buckets", {"name": "{bucket}"}),
        with_json("POST /buckets", {"name": "No"}),
        Row("DELETE /buckets/{bucket}", [ALICE]),
        Row("DELETE /buckets/{bucket}?force=true", [ALICE]),
        with_json("POST /buckets", {"name": "{bucket}"}, BOB),
        Row("GET /buckets/{bucket}", [BOB]),
    ],
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_same_answers_and_effects(both: BothWays, twins: Twins, changes: list[Row]) -> None:
    for row in changes:
        through, straight = both.write(row, twins)
        assert through == straight, row.line

    for line in ("GET /files/list/{bucket}", "GET /buckets/{bucket}"):
        through, straight = both.write(Row(line, [ALICE]), twins)
        assert through == straight
    left, right = (len(bucket_on_disk(both.service, twin["bucket"])) for twin in twins)
    assert left == right
    assert left_behind(both.service) == []
