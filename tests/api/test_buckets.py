"""The routes of buckets: names, settings and switches that are wrong, and the pages of their list."""

import json
from urllib.parse import unquote, urljoin

import pytest
from flask.testing import FlaskClient

from tests.support.in_process import JSON, ask
from tests.support.raw_http import assert_problem, assert_sentence
from tests.support.service import bearer

WRONG_BUCKETS = [
    "ab", "a" * 64, "Photos", "pho_tos", "-photos", "photos-", ".photos", "photos.", "pho..tos", "192.168.0.1",
    "999.1.1.1", "upload", "signed", "list", "initiate-upload", ".system", "a%2f..%2fb", "ph%00tos", "ph%0Atos",
    "%D1%84%D0%BE%D1%82%D0%BE",
]  # fmt: skip


@pytest.mark.parametrize("name", WRONG_BUCKETS)
def test_forbidden_bucket_name_is_named(unchanged: FlaskClient, name: str) -> None:
    target = name.encode()
    for line in (b"GET /buckets/", b"GET /files/list/", b"DELETE /buckets/"):
        if b"%2f" not in target:  # a slash ends a bucket's name, escaped or not
            assert_problem(ask(unchanged, line + target), 400, "invalid_name")
    body = json.dumps({"name": unquote(name)}).encode()
    problem = assert_problem(ask(unchanged, "POST /buckets", body, JSON), 422, "validation_failed")
    assert list(problem["errors"]) == ["name"]
    assert_sentence(problem["errors"]["name"][0])


@pytest.mark.parametrize("name", [None, 1, True, [], {}, ""])
def test_bucket_needs_a_name(unchanged: FlaskClient, name: object) -> None:
    body = json.dumps({"name": name}).encode()
    problem = assert_problem(ask(unchanged, "POST /buckets", body, JSON), 422, "validation_failed")
    assert "'name'" in problem["detail"]


@pytest.mark.parametrize(("query", "status"), [("force=maybe", 422), ("force=", 422), ("force=false", 409), ("", 409)])
def test_switch_is_true_or_false(unchanged: FlaskClient, query: str, status: int) -> None:
    code = {422: "validation_failed", 409: "bucket_not_empty"}[status]
    assert_problem(ask(unchanged, f"DELETE /buckets/photos?{query}"), status, code)


def test_bucket_is_found_where_its_location_says(client: FlaskClient) -> None:
    created = client.post("/buckets", json={"name": "new", "description": "first"}, headers=bearer())
    assert (created.status_code, created.headers["Location"]) == (201, "buckets/new")
    assert client.get(urljoin("/buckets", created.headers["Location"]), headers=bearer()).json == created.json
    changed = client.put("/buckets/new", json={"description": None}, headers=bearer())
    assert changed.json == client.get("/buckets/new", headers=bearer()).json
    assert (changed.status_code, changed.json and changed.json["description"]) == (200, None)
    deleted = client.delete("/buckets/new", headers=bearer())
    assert (deleted.status_code, deleted.data) == (204, b"")
    assert_problem(ask(client, "GET /buckets/new"), 404, "bucket_not_found")


def test_patch_changes_a_bucket_as_put_does(client: FlaskClient) -> None:
    client.post("/buckets", json={"name": "new", "file_size_limit": 5}, headers=bearer())
    changed = client.patch("/buckets/new", json={"public": True}, headers=bearer())
    assert changed.json == client.get("/buckets/new", headers=bearer()).json
    assert changed.json
    assert (changed.status_code, changed.json["is_public"], changed.json["max_file_size"]) == (200, True, 5)


def test_pages_add_up_to_the_list(client: FlaskClient) -> None:
    names = [f"bucket-{number}" for number in range(5)]
    for name in names:
        client.post("/buckets", json={"name": name}, headers=bearer())
    listed, pages, path = [], 0, "/buckets?limit=2"
    while path:
        answer = client.get(path, headers=bearer())
        listed += [bucket["name"] for bucket in answer.json or []]
        pages += 1
        link = answer.headers.get("Link", "").removesuffix('>; rel="next"').removeprefix("<")
        path = link and urljoin(path, link)
    assert (listed, pages) == (names, 3)
    assert client.get("/buckets", headers=bearer("bob")).json == []
    page = client.get("/buckets?limit=2&offset=2", headers=bearer())
    assert [bucket["name"] for bucket in page.json or []] == names[2:4]


def test_page_of_buckets_with_many_grants_ends_at_a_mebibyte(client: FlaskClient) -> None:
    grants = {f"{number:04}" + "é" * 125: "manage" for number in range(1000)}  # 254 bytes each
    for name in ("first", "second"):
        created = client.post("/buckets", json={"name": name, "grants": grants}, headers=bearer())
        assert (created.status_code, len(created.json["grants"]) if created.json else 0) == (201, 1000)
        assert len(created.data) < 1024 * 1024
    page = client.get("/buckets", headers=bearer())
    assert len(page.data) < 1024 * 1024
    assert [bucket["name"] for bucket in page.json or []] == ["first"]
    following = client.get("/buckets" + page.headers["Link"].partition(">")[0][1:], headers=bearer())
    assert [bucket["name"] for bucket in following.json or []] == ["second"]
