"""What every view gets from its blueprint: strict JSON, arguments, and a document of what it takes and refuses."""

import gzip

import marshmallow as ma
import pytest
from flask import Flask
from flask.testing import FlaskClient

from storage_app.api.blueprint import Access, Blueprint
from storage_app.api.schemas.requests import MAX_SETTINGS_BYTES
from storage_app.errors import Unauthenticated
from tests.support.forms import FORM
from tests.support.in_process import AUTHORIZATION, JSON, ask, send
from tests.support.raw_http import assert_problem
from tests.support.service import ANON_KEY, bearer


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(b"{", 400, "invalid_json", id="cut"),
        pytest.param(b"{'name': 'x'}", 400, "invalid_json", id="no JSON"),
        pytest.param(b'{"name": "abc"} {}', 400, "invalid_json", id="more than one"),
        pytest.param(b'{"name": "abc", "quota": NaN}', 400, "invalid_json", id="NaN"),
        pytest.param(b'{"name": "abc", "quota": -Infinity}', 400, "invalid_json", id="infinity"),
        pytest.param(b'{"name": "abc", "description": 1e999}', 400, "invalid_json", id="beyond every float"),
        pytest.param(b'{"name": "abc", "quota": ' + b"9" * 5000 + b"}", 400, "invalid_json", id="5000 digits"),
        pytest.param(b"[" * 100_000, 400, "invalid_json", id="deep and cut"),
        pytest.param(b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "invalid_json", id="deep"),
        pytest.param(b'{"name": "abc\xff"}', 400, "invalid_json", id="no UTF-8"),
        pytest.param('{"name": "abc"}'.encode("utf-16"), 400, "invalid_json", id="UTF-16"),
        pytest.param(b'{"name": "a\x00b"}', 400, "invalid_json", id="control character"),
        pytest.param(b"", 422, "validation_failed", id="nothing"),
        pytest.param(b"null", 422, "validation_failed", id="null"),
        pytest.param(b"[]", 422, "validation_failed", id="array"),
        pytest.param(b'"name"', 422, "validation_failed", id="string"),
        pytest.param(b"1", 422, "validation_failed", id="number"),
        pytest.param(b'{"name": "abc", "colour": 1}', 422, "validation_failed", id="unknown field"),
        pytest.param(b'{"name": "abc", "\\ud800": 1}', 422, "validation_failed", id="lone surrogate in a field"),
        pytest.param(b'{"description": "' + b"x" * 2**20 + b'"}', 413, "too_large", id="more than 1 MiB"),
    ],
)
def test_wrong_json_is_explained(unchanged: FlaskClient, body: bytes, status: int, code: str) -> None:
    problem = assert_problem(ask(unchanged, "POST /buckets", body, JSON), status, code)
    assert ("errors" in problem) == (status == 422)
    assert ("limit" in problem) == (status == 413)
    assert len(problem["detail"]) < 300


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
def test_json_must_be_declared(unchanged: FlaskClient, content_type: str | None) -> None:
    declared = () if content_type is None else (("Content-Type", content_type),)
    answer = ask(unchanged, "POST /buckets", b'{"name": "abc"}', *declared)
    problem = assert_problem(answer, 415, "unsupported_media_type")
    assert "application/json" in problem["detail"]


@pytest.mark.parametrize(("query", "first", "second"), [("", 1, 2), ("?first=3&second=4", 3, 4)])
def test_view_takes_the_arguments_of_several_decorators(query: str, first: int, second: int) -> None:
    blueprint = Blueprint("several", __name__)

    @blueprint.arguments(ma.Schema.from_dict({"first": ma.fields.Integer(load_default=1)}), location="query")
    @blueprint.arguments(ma.Schema.from_dict({"second": ma.fields.Integer(load_default=2)}), location="query")
    def view(*arguments: object, **path: str) -> object:
        return arguments, path

    with Flask(__name__).test_request_context(f"/{query}"):
        assert view("self", key="a") == (("self", {"first": first}, {"second": second}), {"key": "a"})


@pytest.mark.parametrize(
    ("access", "credential", "status"),
    [
        (Access.PUBLIC, "Bearer wrong", 200),
        (Access.SIGNED, "Bearer wrong", 200),
        (Access.ANYONE, None, 200),
        (Access.ANYONE, "Bearer wrong", 401),
        (Access.CREDENTIAL, None, 401),
        (Access.CREDENTIAL, "Bearer wrong", 401),
        (Access.CREDENTIAL, bearer()["Authorization"], 200),
    ],
)
def test_view_admits_who_it_declares(app: Flask, access: Access, credential: str | None, status: int) -> None:
    blueprint = Blueprint("declared", __name__)

    @blueprint.access(access)
    def view() -> str:
        return "admitted"

    headers = {} if credential is None else {"Authorization": credential}
    with app.test_request_context("/", headers=headers):
        if status == 200:
            assert view() == "admitted"
        else:
            with pytest.raises(Unauthenticated):
                view()


@pytest.mark.parametrize(
    ("line", "limit"),
    [
        ("POST /buckets", MAX_SETTINGS_BYTES),
        ("PUT /buckets/photos", MAX_SETTINGS_BYTES),
        ("PUT /files/metadata/photos/there.txt", 64 * 1024),
        ("POST /files/initiate-upload", 64 * 1024),
        ("POST /files/initiate-download", 64 * 1024),
        ("POST /files/presigned-url/upload/photos/new.txt", 64 * 1024),
    ],
)
@pytest.mark.parametrize(("more", "status"), [(0, 422), (1, 413)])
def test_json_may_have_the_bytes_that_its_route_needs(
    unchanged: FlaskClient, line: str, limit: int, more: int, status: int
) -> None:
    """Declared, or in chunks, which say nothing of their length."""
    body = b'{"wrong": 1}'.ljust(limit + more)
    declared = ask(unchanged, line, body, JSON)
    chunked = send(unchanged, line, [AUTHORIZATION, JSON, ("Transfer-Encoding", "chunked")], body)
    assert (declared.status, chunked.status) == (status, status)
    assert declared.json.get("limit") == (limit if status == 413 else None)


ANONYMOUS, BOB = ("apikey", ANON_KEY), ("Authorization", bearer("bob")["Authorization"])


@pytest.mark.parametrize(
    ("line", "who", "code"),
    [
        ("POST /buckets", ANONYMOUS, "forbidden"),
        ("PUT /buckets/photos", ANONYMOUS, "forbidden"),
        ("PUT /buckets/photos", BOB, "forbidden"),
        ("PUT /buckets/none", BOB, "bucket_not_found"),
        ("PUT /files/metadata/photos/there.txt", BOB, "forbidden"),
        ("PUT /files/metadata/photos/none.txt", AUTHORIZATION, "file_not_found"),
        ("PUT /files/metadata/none/there.txt", AUTHORIZATION, "bucket_not_found"),
        ("POST /files/presigned-url/upload/photos/there.txt", ANONYMOUS, "forbidden"),
    ],
)
def test_right_is_asked_for_before_the_body_is_read(
    unchanged: FlaskClient, line: str, who: tuple[str, str], code: str
) -> None:
    for body in (b"{", b'{"wrong": 1}', b" " * (MAX_SETTINGS_BYTES + 1)):
        answer = send(unchanged, line, [who, JSON, ("Content-Length", str(len(body)))], body)
        assert answer.json["code"] == code


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "identity, gzip", "x-own"])
@pytest.mark.parametrize(
    ("line", "declared"),
    [
        ("POST /buckets", JSON),
        ("PUT /buckets/photos", JSON),
        ("PUT /files/metadata/photos/there.txt", JSON),
        ("POST /files/initiate-upload", JSON),
        ("POST /files/initiate-download", JSON),
        ("POST /files/presigned-url/upload/photos/new.txt", JSON),
        ("POST /files/upload/photos", FORM),
        ("PUT /files/upload-direct/photos/there.txt", JSON),
    ],
)
def test_compressed_body_is_refused(unchanged: FlaskClient, line: str, declared: tuple[str, str], coding: str) -> None:
    answer = ask(unchanged, line, gzip.compress(b"{}"), declared, ("Content-Encoding", coding))
    assert_problem(answer, 415, "unsupported_media_type")
    assert answer.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("coding", ["", "identity", "Identity", "identity, identity"])
def test_body_that_is_not_compressed_may_say_so(unchanged: FlaskClient, coding: str) -> None:
    answer = ask(unchanged, "PUT /files/metadata/photos/there.txt", b"{", JSON, ("Content-Encoding", coding))
    assert_problem(answer, 400, "invalid_json")


def test_query_and_headers_of_one_operation_are_both_described(client: FlaskClient) -> None:
    document = client.get("/openapi.json").json or {}
    parameters = document["paths"]["/files/upload-direct/{bucket_id}/{file_id}"]["put"]["parameters"]
    assert [parameter["name"] for parameter in parameters] == [
        "overwrite", "If-Match", "If-None-Match", "If-Unmodified-Since", "Content-Digest", "Repr-Digest",
    ]  # fmt: skip
