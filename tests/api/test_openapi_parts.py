"""Headers that the document promises are those that answers have, and every condition it lists is obeyed."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from storage_app.api.openapi_parts import DIGESTS, READ_CONDITIONS, WRITE_CONDITIONS
from tests.support.in_process import ask
from tests.support.raw_http import Answer
from tests.support.service import bearer

DOWNLOAD, UPLOAD = "/files/download/{bucket_id}/{file_id}", "/files/upload-direct/{bucket_id}/{file_id}"
PAST, FUTURE = "Mon, 01 Jan 2001 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"


@pytest.fixture(scope="module")
def document(client_of_all: FlaskClient) -> dict[str, Any]:
    answer: dict[str, Any] | None = client_of_all.get("/openapi.json").json
    assert answer is not None
    return answer


def promised(document: dict[str, Any], path: str, method: str, answer: Answer) -> set[str]:
    """Return the headers that an answer of this status is said to have."""
    return set(document["paths"][path][method]["responses"][str(answer.status)]["headers"])


@pytest.mark.parametrize(
    ("headers", "status"),
    [([], 200), ([("Range", "bytes=1-2")], 206), ([("If-Modified-Since", FUTURE)], 304)],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
def test_download_has_the_headers_it_is_said_to_have(
    unchanged: FlaskClient, document: dict[str, Any], headers: list[tuple[str, str]], status: int
) -> None:
    answer = ask(unchanged, "GET /files/download/photos/there.txt", b"", *headers)
    assert answer.status == status
    assert promised(document, DOWNLOAD, "get", answer) - set(answer.headers) == set()
    assert ("Content-Range" in promised(document, DOWNLOAD, "get", answer)) == (status == 206)


def test_uploads_and_lists_have_the_headers_they_are_said_to_have(
    client: FlaskClient, document: dict[str, Any]
) -> None:
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    for key, status in (("a", 201), ("a", 200), ("b", 201)):
        answer = ask(client, f"PUT /files/upload-direct/photos/{key}", b"abc")
        assert answer.status == status
        assert promised(document, UPLOAD, "put", answer) - set(answer.headers) == set()
    page = ask(client, "GET /files/list/photos?limit=1")
    assert promised(document, "/files/list/{bucket_id}", "get", page) == {"Link", "X-Total-Count"} & set(page.headers)


# A value of each header that changes what a request for a file that is there gets.
DECIDES = {
    "Range": ("GET /files/download", "bytes=0-0", 206),
    "If-None-Match": ("GET /files/download", "*", 304),
    "If-Modified-Since": ("GET /files/download", FUTURE, 304),
    "If-Match": ("GET /files/download", '"x"', 412),
    "If-Unmodified-Since": ("GET /files/download", PAST, 412),
}
DECIDES_OF_WRITES = {
    "If-Match": ("PUT /files/upload-direct", '"x"', 412),
    "If-None-Match": ("PUT /files/upload-direct", "*", 412),
    "If-Unmodified-Since": ("PUT /files/upload-direct", PAST, 412),
    "Content-Digest": ("PUT /files/upload-direct", "sha-256=:=:", 400),
    "Repr-Digest": ("PUT /files/upload-direct", "sha-256=:=:", 400),
}


@pytest.mark.parametrize(
    ("listed", "decides"),
    [(READ_CONDITIONS, DECIDES), ([*WRITE_CONDITIONS, *DIGESTS], DECIDES_OF_WRITES)],
    ids=["reads", "writes"],
)
def test_every_header_that_is_listed_decides(
    unchanged: FlaskClient, listed: list[dict[str, str]], decides: dict[str, tuple[str, str, int]]
) -> None:
    names = {header["name"] for header in listed}
    assert names - {"If-Range"} == set(decides)
    for name, (start, value, status) in decides.items():
        answer = ask(unchanged, f"{start}/photos/there.txt", b"abc", (name, value))
        assert (name, answer.status) == (name, status)


def test_range_of_another_version_is_not_sent(unchanged: FlaskClient) -> None:
    etag = ask(unchanged, "HEAD /files/download/photos/there.txt").headers["ETag"]
    for if_range, status in ((etag, 206), ('"x"', 200), (PAST, 200)):
        headers = [("Range", "bytes=0-0"), ("If-Range", if_range)]
        assert ask(unchanged, "GET /files/download/photos/there.txt", b"", *headers).status == status
