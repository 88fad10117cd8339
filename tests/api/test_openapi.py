"""The document says what the service does, and every route reaches a check of who asks."""

import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate
from werkzeug.routing import Rule

from storage_app.api.blueprint import SECURITY, Access
from storage_app.api.http.problems import MEDIA_TYPE

# The document does not describe itself, nor the page that shows it.
UNDESCRIBED = {"openapi", "swagger_ui.show"}

# Whoever has its id may do this with an upload.
OF_UPLOAD = {f"{method} /files/resumable/{{upload_id}}" for method in ("HEAD", "PATCH", "POST", "DELETE")}
# Their bodies are of a type that generators of clients do not know, and are left out of the document.
TAKES_PIECES = {
    "POST /files/resumable",
    "POST /files/resumable/signed/{token}/{bucket_id}/{file_id}",
    *OF_UPLOAD - {"DELETE /files/resumable/{upload_id}"},
}

# Every route that anyone can call, by method and path. What is not here needs a credential to be called at all.
OPEN = {
    Access.PUBLIC: {"GET /", "GET /health", "GET /health/ready", "GET /openapi.json"},
    Access.SIGNED: {
        "GET /files/signed/{token}/{bucket_id}/{file_id}",
        "PUT /files/signed/{token}/{bucket_id}/{file_id}",
        "POST /files/resumable/signed/{token}/{bucket_id}/{file_id}",
        *OF_UPLOAD,
    },
    Access.METRICS: {"GET /metrics"},
    Access.ANYONE: {
        "GET /files/download/{bucket_id}/{file_id}",
        "GET /files/view/{bucket_id}/{file_id}",
        "GET /storage/{bucket_id}/{file_id}",
        "GET /files/info/{bucket_id}/{file_id}",
    },
}


# These ignore parameters, because caches and old clients send some.
SENDS_BYTES = {
    "GET /files/download/{bucket_id}/{file_id}",
    "GET /files/view/{bucket_id}/{file_id}",
    "GET /storage/{bucket_id}/{file_id}",
    "GET /files/signed/{token}/{bucket_id}/{file_id}",
}


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    answer = client.get("/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    return cast(dict[str, Any], answer.json)


def path(rule: Rule) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)


def own_methods(app: Flask, rule: Rule) -> set[str]:
    """Return the methods that have a function of their own. HEAD seldom has one beside that of GET."""
    view_class = getattr(app.view_functions[rule.endpoint], "view_class", None)
    return (rule.methods or set()) - {"OPTIONS", *(() if hasattr(view_class, "head") else ("HEAD",))}


def views(app: Flask) -> Iterator[tuple[str, Any]]:
    """Yield `METHOD /path` and the function that answers it, for every rule but the files of Swagger UI."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint == "swagger_ui.show":
            continue
        view = app.view_functions[rule.endpoint]
        view_class = getattr(view, "view_class", None)
        for method in own_methods(app, rule):
            yield f"{method} {path(rule)}", view if view_class is None else getattr(view_class, method.lower())


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for where, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield f"{method.upper()} {where}", operation


def test_document_is_valid(document: dict[str, Any]) -> None:
    validate(document)


def test_every_route_is_described_and_every_description_is_a_route(app: Flask, document: dict[str, Any]) -> None:
    routes = {
        f"{method} {path(rule)}"
        for rule in app.url_map.iter_rules()
        if rule.endpoint not in UNDESCRIBED
        for method in own_methods(app, rule)
    }
    assert {name for name, _ in operations(document)} == routes


@pytest.mark.parametrize("access", OPEN)
def test_only_these_routes_can_be_called_without_a_credential(app: Flask, access: Access) -> None:
    assert {name for name, view in views(app) if view.access is access} == OPEN[access]


def test_every_other_route_needs_a_credential(app: Flask, client: FlaskClient) -> None:
    listed = set().union(*OPEN.values())
    closed = {name for name, _ in views(app)} - listed
    assert {name for name, view in views(app) if view.access is Access.CREDENTIAL} == closed
    for name in sorted(closed):
        method, where = name.split(" ")
        answer = client.open(where.format(bucket_id="photos", file_id="a.txt"), method=method)
        problem = cast(dict[str, Any], answer.json)
        assert (name, answer.status_code, problem["code"]) == (name, 401, "unauthenticated")


def test_security_is_what_each_view_asks_for(app: Flask, document: dict[str, Any]) -> None:
    accesses = {name: view.access for name, view in views(app)}
    for name, operation in operations(document):
        assert (name, operation["security"]) == (name, SECURITY[accesses[name]])
    named = {scheme for wanted in SECURITY.values() for option in wanted for scheme in option}
    assert named == set(document["components"]["securitySchemes"])


def test_every_operation_says_what_it_does(document: dict[str, Any]) -> None:
    described = {tag["name"] for tag in document["tags"] if tag["description"].endswith(".")}
    # PATCH is another name of PUT.
    others = [operation for name, operation in operations(document) if not re.match("PATCH /(?!files/res)", name)]
    summaries = [operation["summary"] for operation in others]
    assert all(summary.endswith(".") for summary in summaries)
    assert len(set(summaries)) == len(summaries)
    for name, operation in operations(document):
        assert (name, set(operation["tags"]) <= described) == (name, True)


def test_every_operation_has_a_name_of_its_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert all(re.fullmatch(r"[a-z]+(?:[A-Z][a-z]+)*", name) for name in names)
    assert len(set(names)) == len(names) == len(list(operations(document)))
    assert {"listBuckets", "uploadFile", "downloadFile", "signDownload", "updateBucket", "patchBucket"} <= set(names)


def referred(document: dict[str, Any], part: Any) -> set[str]:
    """Return the schemas that `part` of the document refers to, directly or not."""
    found: set[str] = set()
    waiting = [part]
    while waiting:
        names = set(re.findall(r"#/components/schemas/(\w+)'", str(waiting.pop()))) - found
        found |= names
        waiting += [document["components"]["schemas"][name] for name in names]
    return found


def test_answers_may_get_more_fields_and_json_requests_may_not(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for _, operation in operations(document):
        for name in referred(document, operation["responses"]):
            assert (name, "additionalProperties" in schemas[name]) == (name, False)
        for name in referred(document, operation.get("requestBody", {}).get("content", {}).get("application/json")):
            assert (name, schemas[name]["additionalProperties"]) == (name, False)


def test_bytes_are_described_as_bytes(document: dict[str, Any]) -> None:
    bytes_ = {"schema": {"type": "string", "format": "binary"}}
    for name, operation in operations(document):
        answers = operation["responses"]
        if name in SENDS_BYTES:
            contents = [answers[status]["content"] for status in ("200", "206")]
            assert (name, contents) == (name, [{"application/octet-stream": bytes_}] * 2)
    paths = document["paths"]
    assert paths["/files/upload-direct/{bucket_id}/{file_id}"]["put"]["requestBody"]["content"] == {
        "application/octet-stream": bytes_
    }
    signed = paths["/files/signed/{token}/{bucket_id}/{file_id}"]["put"]["requestBody"]["content"]
    assert set(signed) == {"application/octet-stream", "multipart/form-data"}
    assert "*/*" not in str(document["paths"])


def test_list_tells_files_from_folders_by_their_kind(document: dict[str, Any]) -> None:
    answer = document["paths"]["/files/list/{bucket_id}"]["get"]["responses"]["200"]
    entry = answer["content"]["application/json"]["schema"]["items"]
    schemas = document["components"]["schemas"]
    assert [one["$ref"] for one in entry["oneOf"]] == list(entry["discriminator"]["mapping"].values())
    for kind, reference in entry["discriminator"]["mapping"].items():
        schema = schemas[reference.rpartition("/")[2]]
        assert schema["properties"]["kind"]["enum"] == [kind]
        assert set(schema["required"]) == set(schema["properties"])


def test_only_what_managers_see_of_a_bucket_may_be_missing(document: dict[str, Any]) -> None:
    bucket = document["components"]["schemas"]["Bucket"]
    assert set(bucket["properties"]) - set(bucket["required"]) == {"grants", "quota"}


def test_defaults_of_bodies_are_told_in_words(document: dict[str, Any]) -> None:
    """Or generators would require these fields."""
    for name, schema in document["components"]["schemas"].items():
        assert [field for field, rule in schema["properties"].items() if "default" in rule] == [], name
    properties = document["components"]["schemas"]["NewDownload"]["properties"]
    assert properties["expires_in"]["description"] == "The lifetime of the URL, in seconds. The default is 3600."
    assert properties["disposition"]["description"] == 'The default is "attachment".'


@pytest.mark.parametrize("name", ["NewBucket", "BucketChanges", "Metadata", "NewUpload", "NewDownload", "Presign"])
def test_null_is_allowed_for_optional_fields_alone(document: dict[str, Any], name: str) -> None:
    schema = document["components"]["schemas"][name]
    nullable = {field for field, rule in schema["properties"].items() if "null" in rule["type"]}
    assert nullable == schema["properties"].keys() - schema.get("required", [])


def test_metadata_of_a_form_may_have_any_members(document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["UploadFormWithFile"]
    assert schema["properties"]["metadata"]["additionalProperties"] is True


def test_no_answer_has_an_empty_list_of_headers(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            assert (name, status, answer.get("headers") != {}) == (name, status, True)


def test_answers_come_with_examples(document: dict[str, Any]) -> None:
    """Of every text and number, from which tools make those of whole answers."""
    for _, operation in operations(document):
        for name in referred(document, operation["responses"]):
            for field, rule in document["components"]["schemas"][name]["properties"].items():
                needed = rule.get("type") in ("string", "integer") and "enum" not in rule
                assert (name, field, needed and "example" not in rule) == (name, field, False)


def test_document_says_who_made_it_and_how_to_page(document: dict[str, Any]) -> None:
    assert document["info"]["contact"]["url"].startswith("https://")
    assert 'rel="next"' in document["info"]["description"]


def test_every_refusal_is_a_problem_with_its_codes(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        refusals = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        assert (name, {"400", "414", "500"} <= set(refusals)) == (name, True)
        for status, answer in refusals.items():
            assert (name, status, list(answer["content"])) == (name, status, [MEDIA_TYPE])
            assert answer["content"][MEDIA_TYPE]["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert re.fullmatch(r"Code `\w+`(, `\w+`)*(: the URL .*)?", answer["description"])


FORBIDDEN_TO_NOBODY = ("GET /buckets", "DELETE /files/resumable/{upload_id}")


def test_refusals_follow_from_what_an_operation_takes(app: Flask, document: dict[str, Any]) -> None:
    accesses = {name: view.access for name, view in views(app)}
    for name, operation in operations(document):
        has_body = "requestBody" in operation or name in TAKES_PIECES
        expected = {
            "401": accesses[name] in (Access.CREDENTIAL, Access.ANYONE, Access.METRICS),
            "403": accesses[name] not in (Access.PUBLIC, Access.METRICS) and name not in FORBIDDEN_TO_NOBODY,
            "408": has_body,
            "413": has_body,
            "415": has_body,
            "422": name not in SENDS_BYTES,
        }
        assert (name, {status: status in operation["responses"] for status in expected}) == (name, expected)


def test_every_parameter_is_explained(document: dict[str, Any]) -> None:
    for where, item in document["paths"].items():
        in_path = item.get("parameters", [])
        assert [parameter["name"] for parameter in in_path] == re.findall(r"{(\w+)}", where)
        for parameter in in_path:
            assert (where, parameter["in"], bool(parameter["description"])) == (where, "path", True)
    for name, operation in operations(document):
        for parameter in operation.get("parameters", []):
            assert (name, parameter["name"], bool(parameter.get("description"))) == (name, parameter["name"], True)


def test_nothing_is_described_that_no_operation_uses(client: FlaskClient, document: dict[str, Any]) -> None:
    used = set(re.findall(r'"#/components/(\w+/\w+)"', client.get("/openapi.json").text))
    there = {
        f"{kind}/{name}"
        for kind, named in document["components"].items()
        if kind != "securitySchemes"
        for name in named
    }
    assert there == used


@pytest.mark.parametrize(
    ("method", "route", "schema"),
    [
        ("post", "/files/upload/{bucket_id}", "UploadFormWithFile"),
        ("put", "/files/signed/{token}/{bucket_id}/{file_id}", "FileForm"),
    ],
)
def test_document_says_that_forms_may_have_other_fields(
    document: dict[str, Any], method: str, route: str, schema: str
) -> None:
    body = document["paths"][route][method]["requestBody"]
    assert "ignored" in body["description"]
    assert body["content"]["multipart/form-data"]["schema"]["$ref"].endswith(f"/{schema}")
    schemas = document["components"]["schemas"]
    assert schemas[schema].get("additionalProperties", True) is True
    assert schemas["NewUpload"]["additionalProperties"] is False  # JSON stays strict
