"""The routes that take bytes: what the fields of a form, a query and conditions may say, and what is answered."""

import io
from urllib.parse import urljoin, urlsplit

import pytest
from flask.testing import FlaskClient

from tests.support.forms import END, FORM, field, part
from tests.support.in_process import ask
from tests.support.raw_http import assert_problem
from tests.support.service import bearer

PUT = "PUT /files/upload-direct/photos/new.bin"
POST = "POST /files/upload/photos"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF"
DEEP = "[" * 50_000 + "]" * 50_000

INVALID = (422, "validation_failed")
MISNAMED = (400, "invalid_name")

FORMS: dict[str, tuple[bytes, tuple[int, str]]] = {
    "empty filename": (part(filename="") + END, MISNAMED),
    "filename of 256 bytes": (part(filename="x" * 256) + END, MISNAMED),
    "filename that leads out": (part(filename="../../etc/passwd") + END, MISNAMED),
    "NUL in the filename": (part(filename="a\x00b") + END, MISNAMED),
    "metadata over 16 KiB": (part() + field("metadata", f'{{"x": "{"я" * 8200}"}}') + END, INVALID),
    "metadata is an array": (part() + field("metadata", "[]") + END, INVALID),
    "metadata is no JSON": (part() + field("metadata", "{") + END, INVALID),
    "metadata with NaN": (part() + field("metadata", '{"x": NaN}') + END, INVALID),
    "metadata beyond every number": (part() + field("metadata", '{"x": 1e999}') + END, INVALID),
    "metadata with a lone surrogate": (part() + field("metadata", '{"x": "\\ud800"}') + END, INVALID),
    "deep metadata": (part() + field("metadata", f'{{"x": {DEEP}}}') + END, INVALID),
    "a field twice": (part() + field("metadata", "{}") * 2 + END, INVALID),
    "overwrite is a word": (part() + field("overwrite", "yes") + END, INVALID),
    "line break in a header to be": (part() + field("cache_control", "a\r\nX: 1") + END, INVALID),
    "forbidden key": (part() + field("file_id", "a//b") + END, INVALID),
}


@pytest.mark.parametrize("name", FORMS)
def test_form_is_refused(unchanged: FlaskClient, name: str) -> None:
    body, refusal = FORMS[name]
    assert_problem(ask(unchanged, POST, body, FORM), *refusal)


@pytest.mark.parametrize(
    ("line", "condition", "status"),
    [
        (PUT, ("If-Match", '"x"'), 412),
        (PUT, ("If-Match", "*"), 412),
        ("PUT /files/upload-direct/photos/there.txt", ("If-None-Match", "*"), 412),
        ("PUT /files/upload-direct/photos/there.txt?overwrite=false", ("X-Nothing", ""), 409),
        (f"{PUT}?overwrite=1", ("X-Nothing", ""), 422),
    ],
)
def test_raw_body_is_refused(unchanged: FlaskClient, line: str, condition: tuple[str, str], status: int) -> None:
    assert ask(unchanged, line, b"abc", condition).status == status


def test_upload_says_whether_it_made_a_file_and_where(client: FlaskClient) -> None:
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    path = "/files/upload-direct/photos/2026/ä.txt"
    for status, content in ((201, b"first"), (200, b"second")):
        answer = client.put(path, data=content, headers=bearer())
        assert (answer.status_code, answer.headers["Location"]) == (
            status,
            "../../../../storage/photos/2026/%C3%A4.txt",
        )
        with client.get(urljoin(path, answer.headers["Location"]), headers=bearer()) as file:
            assert (file.data, file.headers["ETag"]) == (content, answer.headers["ETag"])


def test_fields_of_a_form_become_the_record(client: FlaskClient) -> None:
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    fields = {"file_id": "2026/a", "metadata": '{"n": 1}', "cache_control": "no-store"}
    form = {**fields, "file": (io.BytesIO(b"abc"), "b.txt", "text/x-log")}
    file = client.post("/files/upload/photos", data=form, headers=bearer()).json or {}
    assert {name: file[name] for name in ("id", "filename", "content_type", "metadata", "cache_control")} == {
        "id": "2026/a",
        "filename": "b.txt",
        "content_type": "text/x-log; charset=utf-8",
        "metadata": {"n": 1},
        "cache_control": "no-store",
    }
    for overwrite, status in (("false", 409), ("true", 200)):
        again = {"file_id": "2026/a", "overwrite": overwrite, "file": (io.BytesIO(b"new"), "b.txt")}
        assert client.post("/files/upload/photos", data=again, headers=bearer()).status_code == status


@pytest.mark.parametrize("declared", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "a"])
def test_type_that_nobody_chose_is_decided_by_content(client: FlaskClient, declared: str) -> None:
    """curl, urllib and Android call every body a form; a bucket for pictures takes them all the same."""
    client.post("/buckets", json={"name": "photos", "allowed_content_types": ["image/*"]}, headers=bearer())
    link = client.post("/files/initiate-upload", json={"bucket_id": "photos", "filename": "a"}, headers=bearer())
    header = f"Content-Type: {declared}\r\n"
    requests = [(PUT, JPEG, declared), (POST, part(content=JPEG, header=header) + END, FORM[1])]
    if not declared.startswith("multipart"):  # a form on this route
        requests.append((f"PUT {urlsplit((link.json or {})['upload_url']).path}", JPEG, declared))
    for line, body, content_type in requests:
        answer = ask(client, line, body, ("Content-Type", content_type))
        assert (answer.status, answer.json.get("content_type")) == (201, "image/jpeg"), line


def test_type_from_a_recorder_is_bound_without_what_cannot_be_read(client: FlaskClient) -> None:
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    wanted = {"bucket_id": "photos", "filename": "a.webm", "content_type": "video/webm;codecs=vp8,opus"}
    link = client.post("/files/initiate-upload", json=wanted, headers=bearer()).json or {}
    assert link["headers"] == {"Content-Type": "video/webm"}
    line = f"PUT {urlsplit(link['upload_url']).path}"
    answer = ask(client, line, b"\x1a\x45\xdf\xa3", ("Content-Type", wanted["content_type"]))
    assert (answer.status, answer.json["content_type"]) == (201, "video/webm")


@pytest.mark.parametrize("line", [PUT.replace("new.bin", "a.csv"), POST])
def test_csv_from_windows_is_taken_where_csv_is(client: FlaskClient, line: str) -> None:
    client.post("/buckets", json={"name": "photos", "allowed_content_types": ["text/csv"]}, headers=bearer())
    excel = "application/vnd.ms-excel"
    form = part(filename="a.csv", content=b"a;b", header=f"Content-Type: {excel}\r\n") + END
    answer = ask(client, line, form if line == POST else b"a;b", FORM if line == POST else ("Content-Type", excel))
    assert (answer.status, answer.json["content_type"]) == (201, "text/csv; charset=utf-8")


@pytest.mark.parametrize(
    ("declared", "allowed"), [("image/jpg", "image/jpeg"), ("image/pjpeg", "image/jpg"), ("image/jpeg", "image/*")]
)
def test_type_is_allowed_by_any_of_its_names(client: FlaskClient, declared: str, allowed: str) -> None:
    client.post("/buckets", json={"name": "photos", "allowed_content_types": [allowed]}, headers=bearer())
    answer = ask(client, PUT, JPEG, ("Content-Type", declared))
    assert (answer.status, answer.json["content_type"]) == (201, declared)


SIGNED_FORMS = {
    "the file alone": (part(), 201),
    "unknown fields": (field("_csrf", "x") + part() + field("file", "{}") + field("owner_id", "bob"), 201),
    "no filename": (part("file", None), 201),
    "backslash in the filename": (part(filename="a\\b"), 201),
    "metadata": (field("metadata", "{}") + part(), 422),
    "key": (part() + field("file_id", "x"), 422),
    "overwrite": (part() + field("overwrite", "true"), 422),
    "part without a name": (part() + part(None, None), 400),
    "filename that is no UTF-8": (part().replace(b"a.txt", b"\xe9"), 400),
    "no file chosen": (part(filename="", content=b""), 400),
}


@pytest.mark.parametrize("name", SIGNED_FORMS)
def test_form_for_a_signed_url_decides_nothing_that_was_signed(client: FlaskClient, name: str) -> None:
    form, status = SIGNED_FORMS[name]
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    wanted = {"bucket_id": "photos", "filename": "a.txt", "metadata": {"n": 1}}
    link = (client.post("/files/initiate-upload", json=wanted, headers=bearer()).json or {})["upload_url"]
    answer = ask(client, f"PUT {urlsplit(link).path}", form + END, FORM)
    if status == 201:
        assert (answer.status, answer.json["id"], answer.json["metadata"]) == (201, "a.txt", {"n": 1})
    else:
        assert_problem(answer, status, answer.json["code"])
