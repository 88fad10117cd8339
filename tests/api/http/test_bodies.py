"""Bodies that lie about themselves, forms that break the rules of forms, and digests: refused, and nothing stays."""

import base64
import hashlib

import pytest
from flask import Request
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder

from storage_app.api.http.bodies import declared_digests
from tests.support.forms import END, FORM, field, part
from tests.support.in_process import AUTHORIZATION, ask, send
from tests.support.raw_http import Headers, assert_problem
from tests.support.service import bearer

PUT = "PUT /files/upload-direct/photos/new.bin"
POST = "POST /files/upload/photos"


def digest(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


ABC, XYZ = digest(b"abc"), digest(b"xyz")
CHUNKED = ("Transfer-Encoding", "chunked")
THREE = ("Content-Length", "3")

BROKEN = (400, "invalid_request")
MISMATCH = (400, "digest_mismatch")
TOO_LARGE = (413, "too_large")

RAW: dict[str, tuple[Headers, bytes, tuple[int, str]]] = {
    "length beyond every disk": ([("Content-Length", str(2**62))], b"abc", (507, "insufficient_storage")),
    "no length": ([], b"", (411, "length_required")),
    "a part of a file": ([("Content-Range", "bytes 0-2/10"), THREE], b"abc", BROKEN),
    "encoded": ([("Content-Encoding", "gzip"), THREE], b"abc", (415, "unsupported_media_type")),
    "other digest of the body": ([("Content-Digest", XYZ), THREE], b"abc", MISMATCH),
    "other digest of the file": ([("Repr-Digest", XYZ), THREE], b"abc", MISMATCH),
    "one of two digests": ([("Repr-Digest", ABC), ("Content-Digest", XYZ), THREE], b"abc", MISMATCH),
    "other digest of chunks": ([("Content-Digest", XYZ), CHUNKED], b"abc", MISMATCH),
    "digest without colons": ([("Content-Digest", "sha-256=abc"), THREE], b"abc", BROKEN),
    "empty digest": ([("Content-Digest", "sha-256=::"), THREE], b"abc", BROKEN),
    "short digest": ([("Content-Digest", "sha-256=:YWJj:"), THREE], b"abc", BROKEN),
    "digest that is no base64": ([("Repr-Digest", "sha-256=:*:"), THREE], b"abc", BROKEN),
    "long digest": ([("Repr-Digest", f"sha-256=:{'A' * 5000}:"), THREE], b"abc", BROKEN),
}


@pytest.mark.parametrize("name", RAW)
def test_raw_body_is_refused(unchanged: FlaskClient, name: str) -> None:
    headers, body, refusal = RAW[name]
    assert_problem(send(unchanged, PUT, [AUTHORIZATION, *headers], body), *refusal)


@pytest.mark.parametrize(
    ("header", "digests"),
    [
        (None, set()),
        (ABC, {b"abc"}),
        (f"sha-512=:YWJj:, {ABC}", {b"abc"}),
        (f"{ABC}, md5=:YWJj:", {b"abc"}),
        ("sha-512=:YWJj:", set()),
        ("not-sha-256=:YWJj:", set()),
    ],
)
def test_digest_of_another_algorithm_counts_for_nothing(header: str | None, digests: set[bytes]) -> None:
    headers = [] if header is None else [("Repr-Digest", header)]
    request = Request(EnvironBuilder(headers=headers).get_environ())
    assert declared_digests(request) == {hashlib.sha256(content).hexdigest() for content in digests}


def test_digest_in_the_header_of_a_form_is_of_the_form(client: FlaskClient) -> None:
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    form = part() + END
    assert_problem(ask(client, POST, form, FORM, ("Content-Digest", ABC)), *MISMATCH)
    assert ask(client, POST, form, FORM, ("Content-Digest", digest(form))).status == 201
    assert ask(client, PUT, b"abc", ("Content-Digest", ABC)).status == 201


FORMS: dict[str, tuple[bytes, tuple[int, str]]] = {
    "nothing": (b"", BROKEN),
    "no part": (END, BROKEN),
    "no form": (b"abc", BROKEN),
    "no file part": (field("metadata", "{}") + END, BROKEN),
    "file part of another name": (part("picture") + END, BROKEN),
    "file part without a name": (part(None) + END, BROKEN),
    "file part without a filename": (part("file", None) + END, BROKEN),
    "two file parts": (part() + part() + END, BROKEN),
    "second file of another name": (part() + part("other") + END, BROKEN),
    "part header of 3 MiB": (part(header=f"X: {'x' * 3 * 2**20}\r\n") + END, TOO_LARGE),
    "part name of 3 MiB": (part("x" * 3 * 2**20) + END, TOO_LARGE),
    "field of 3 MiB": (field("metadata", "x" * 3 * 2**20) + part() + END, TOO_LARGE),
    "too many parts": (field("overwrite", "true") * 17 + part() + END, TOO_LARGE),
    "key that is no UTF-8": (part() + field("file_id", b"\xff") + END, BROKEN),
    "filename that is no UTF-8": (part().replace(b"a.txt", b"\xff.txt") + END, BROKEN),
}


@pytest.mark.parametrize("name", FORMS)
def test_form_is_refused(unchanged: FlaskClient, name: str) -> None:
    body, refusal = FORMS[name]
    assert_problem(send(unchanged, POST, [AUTHORIZATION, FORM, ("Content-Length", str(len(body)))], body), *refusal)


@pytest.mark.parametrize(
    ("content_type", "status", "code"),
    [
        ("multipart/form-data", 400, "invalid_request"),
        ("multipart/form-data; boundary=", 400, "invalid_request"),
        ("multipart/form-data; boundary=другой".encode().decode("latin-1"), 400, "invalid_request"),
        ("multipart/form-data; boundary=other", 400, "invalid_request"),
        ("multipart/mixed; boundary=cut", 415, "unsupported_media_type"),
        ("application/json", 415, "unsupported_media_type"),
    ],
)
def test_form_must_be_declared(unchanged: FlaskClient, content_type: str, status: int, code: str) -> None:
    body = part() + END
    assert_problem(ask(unchanged, POST, body, ("Content-Type", content_type)), status, code)


@pytest.mark.parametrize("filename", ["a\rb", "a\nb", "a\r\nX-Injected: yes", "a\0b", "a\x1b[31mb", "a\x85b"])
def test_control_character_in_a_form_makes_no_file_of_that_name(unchanged: FlaskClient, filename: str) -> None:
    assert ask(unchanged, POST, part(filename=filename) + END, FORM).status == 400


def test_escaped_quote_of_a_form_is_a_quote(client: FlaskClient) -> None:
    # The living standard of HTML has browsers send %22 for a quote, and RFC 7578 lets others send a backslash.
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    for sent, filename in ((r"a\"b.txt", 'a"b.txt'), ("c%22d.txt", 'c"d.txt'), ("Größe.txt", "Größe.txt")):
        answer = ask(client, POST, part(filename=sent) + END, FORM)
        assert (answer.status, answer.json["filename"], answer.json["id"]) == (201, filename, filename)
