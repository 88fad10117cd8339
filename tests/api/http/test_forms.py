"""Forms: what is taken for the file, what is ignored, and what breaks the rules. A refusal leaves nothing."""

import base64
import hashlib
from urllib.parse import urljoin

import pytest
from flask.testing import FlaskClient

from storage_app.api.http.forms import MAX_FORM_BYTES, MAX_FORM_PARTS
from tests.support.forms import END, FORM, field, part
from tests.support.in_process import AUTHORIZATION, ask, send
from tests.support.raw_http import assert_problem
from tests.support.service import bearer

PUT = "PUT /files/upload-direct/photos/new.bin"
POST = "POST /files/upload/photos"

BROKEN = (400, "invalid_request")
MISMATCH = (400, "digest_mismatch")
MISNAMED = (400, "invalid_name")
TOO_LARGE = (413, "too_large")


@pytest.fixture
def photos(client: FlaskClient) -> FlaskClient:
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    return client


def digest(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def test_digest_in_the_header_of_a_form_is_of_the_form(photos: FlaskClient) -> None:
    form = part() + END
    assert_problem(ask(photos, POST, form, FORM, ("Content-Digest", digest(b"abc"))), *MISMATCH)
    assert ask(photos, POST, form, FORM, ("Content-Digest", digest(form))).status == 201
    assert ask(photos, PUT, b"abc", ("Content-Digest", digest(b"abc"))).status == 201


FORMS: dict[str, tuple[bytes, tuple[int, str]]] = {
    "nothing": (b"", BROKEN),
    "no part": (END, BROKEN),
    "no form": (b"abc", BROKEN),
    "cut short": (part(), BROKEN),
    "no file part": (field("metadata", "{}") + END, BROKEN),
    "file part of another name": (part("picture") + END, BROKEN),
    "file part without a name": (part(None) + END, BROKEN),
    "field without a name": (part() + part(None, None) + END, BROKEN),
    "field without a disposition": (part() + b"--cut\r\nContent-Type: text/plain\r\n\r\nx\r\n" + END, BROKEN),
    "file part without a filename, and no file_id": (part("file", None) + END, BROKEN),
    "two file parts": (part() + part() + END, BROKEN),
    "two file parts without a filename": (field("file_id", "k") + field("file", "a") * 2 + END, BROKEN),
    "second file of another name": (part() + part("other") + END, BROKEN),
    "file behind a large one without a filename": (part("file", None, b"x" * 2 * 2**20) + part() + END, BROKEN),
    "no file chosen": (part(filename="", content=b"") + END, MISNAMED),
    "no file chosen for a key": (field("file_id", "k") + part(filename="", content=b"") + END, MISNAMED),
    "part header of 3 MiB": (part(header=f"X: {'x' * 3 * 2**20}\r\n") + END, TOO_LARGE),
    "part headers of 1 MiB in all": (part("x", None, header=f"X: {'x' * 2**19}\r\n") * 2 + part() + END, TOO_LARGE),
    "part name of 3 MiB": (part("x" * 3 * 2**20) + END, TOO_LARGE),
    "field of 3 MiB": (field("metadata", "x" * 3 * 2**20) + part() + END, TOO_LARGE),
    "ignored fields of 1 MiB": (field("ignored", "x" * 2**19) * 2 + part() + END, TOO_LARGE),
    "text beside the file of 1 MiB": (part() + field("file", "x" * 2**20) + END, TOO_LARGE),
    "too many parts": (field("ignored", "") * MAX_FORM_PARTS + part() + END, TOO_LARGE),
    "key that is no UTF-8": (part() + field("file_id", b"\xff") + END, BROKEN),
    "filename that is no UTF-8": (part().replace(b"a.txt", b"caf\xe9.txt") + END, MISNAMED),
    "encoded filename that is no UTF-8": (
        part().replace(b'filename="a.txt"', b"filename*=utf-8''caf%E9.txt") + END,
        MISNAMED,
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_form_is_refused(unchanged: FlaskClient, name: str) -> None:
    body, refusal = FORMS[name]
    assert_problem(send(unchanged, POST, [AUTHORIZATION, FORM, ("Content-Length", str(len(body)))], body), *refusal)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("field without a name", "A part of the form has no name; each part needs one."),
        (
            "filename that is no UTF-8",
            "The filename, or another header of a part, is not UTF-8; send it in UTF-8.",
        ),
        ("no file chosen", "The part 'file' has an empty filename; choose a file."),
        ("field without a disposition", "A part of the form has no Content-Disposition; each part needs one."),
        (
            "cut short",
            "The form ends without its closing boundary; send all of it, and the boundary in its Content-Type.",
        ),
    ],
)
def test_refusal_says_what_is_wrong_with_the_form(unchanged: FlaskClient, name: str, sentence: str) -> None:
    assert ask(unchanged, POST, FORMS[name][0], FORM).json["detail"] == sentence


def uploaded(client: FlaskClient, form: bytes) -> tuple[str, str, str, bytes]:
    """Upload `form`; returns the key, the filename, the content type and the bytes of the file that it became."""
    answer = ask(client, POST, form + END, FORM)
    assert answer.status == 201, answer.body
    with client.get(urljoin("/files/upload/b", answer.headers["Location"]), headers=bearer()) as file:
        return answer.json["id"], answer.json["filename"], answer.json["content_type"], file.data


NAMED = field("file_id", "k")
# What clients add to a form beside the file.
EXTRAS: dict[str, tuple[bytes, bytes]] = {
    "Uppy": (field("relativePath", "null") + field("name", "a.txt") + field("type", "text/plain"), b""),
    "FilePond": (field("file", "{}"), b""),
    "FilePond, the other way round": (b"", field("file", "{}")),
    "Rails, Laravel": (field("_method", "put") + field("utf8", "✓") + field("_csrf", "x"), field("commit", "Save")),
    "a browser's empty file input": (part("avatar", "", b""), b""),
    "an empty file input of a field's name": (part("metadata", "", b""), b""),
    "no UTF-8": (field("legacy", b"caf\xe9"), b""),
    "the same field twice": (field("tag", "a") + field("tag", "b"), b""),
    "an empty name": (field("", "x"), b""),
    "many": (field("n", "x") * (MAX_FORM_PARTS - 2), b""),
    "nearly a MiB": (field("n", "x" * (MAX_FORM_BYTES - 1000)), b""),
}


@pytest.mark.parametrize("name", EXTRAS)
def test_unknown_part_is_ignored(photos: FlaskClient, name: str) -> None:
    before, after = EXTRAS[name]
    assert uploaded(photos, before + part() + after + NAMED)[::3] == ("k", b"abc")


@pytest.mark.parametrize("size", [0, 3, 2**20, 3 * 2**20], ids=["empty", "small", "1 MiB", "3 MiB"])
@pytest.mark.parametrize("key_first", [True, False])
def test_part_without_a_filename_is_the_file_if_the_key_is_given(
    photos: FlaskClient, size: int, key_first: bool
) -> None:
    """Its name in downloads is the key. RFC 7578 section 4.2 requires no filename."""
    content = b"\x93" * size
    file = part("file", None, content, header="Content-Type: application/x-own\r\n")
    form = NAMED + file if key_first else file + NAMED
    assert uploaded(photos, form) == ("k", "k", "application/x-own", content)


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
