"""Who may read the metrics, and what one request adds to them."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.in_process import ask, send
from tests.support.metrics import parse, requests, shown
from tests.support.nginx import OFFLOAD
from tests.support.service import SECRET_KEY, bearer

TOKEN = "a-token-for-prometheus"


@pytest.fixture
def guarded(make_app: Callable[..., Flask]) -> FlaskClient:
    return make_app(METRICS_TOKEN=TOKEN).test_client()


def test_metrics_are_open_without_a_token(client: FlaskClient) -> None:
    answer = client.get("/metrics")
    assert (answer.status_code, answer.content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert answer.headers["Cache-Control"] == "no-store"
    assert parse(answer.text)["up"] == 1


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_token_opens_the_metrics(guarded: FlaskClient, scheme: str) -> None:
    assert guarded.get("/metrics", headers={"Authorization": f"{scheme} {TOKEN}"}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "unauthenticated"),
        ({"apikey": TOKEN}, "unauthenticated"),
        ({"Authorization": f"Bearer {TOKEN}x"}, "invalid_credential"),
        ({"Authorization": "Bearer "}, "invalid_credential"),
        ({"Authorization": "Bearer \udcff"}, "invalid_credential"),
        ({"Authorization": TOKEN}, "invalid_credential"),
        ({"Authorization": f"Basic {TOKEN}"}, "invalid_credential"),
        ({"Authorization": f"Bearer {SECRET_KEY}"}, "invalid_credential"),
        (bearer(service=True), "invalid_credential"),
    ],
)
def test_nothing_else_does(guarded: FlaskClient, headers: dict[str, str], code: str) -> None:
    answer = guarded.get("/metrics", environ_overrides={f"HTTP_{n.upper()}": v for n, v in headers.items()})
    problem = answer.get_json()
    assert (answer.status_code, problem["code"]) == (401, code)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert TOKEN not in answer.text


def test_metrics_are_no_route_for_the_gateway(make_app: Callable[..., Flask]) -> None:
    client = make_app(METRICS_TOKEN=TOKEN, **OFFLOAD).test_client()
    own = {"Authorization": f"Bearer {TOKEN}"}
    through = {**own, "X-Offload-Secret": OFFLOAD["OFFLOAD_SECRET"]}
    assert client.get("/metrics", headers=own).status_code == 200
    refused, unknown = client.get("/metrics", headers=through), client.get("/metricx", headers=through)
    assert (refused.status_code, refused.get_json()["code"]) == (404, "not_found")
    assert refused.get_json()["detail"] == unknown.get_json()["detail"].replace("/metricx", "/metrics")


def test_request_is_counted_with_the_bytes_of_its_bodies(client: FlaskClient) -> None:
    ask(client, "POST /buckets", b'{"name":"photos"}', ("Content-Type", "application/json"))
    scrape = client.get("/metrics").text
    before = parse(scrape)
    put = ask(client, "PUT /files/upload-direct/photos/a", b"12345")
    got = ask(client, "GET /files/download/photos/a")
    head = ask(client, "HEAD /files/download/photos/a")
    missing = ask(client, "GET /files/download/photos/b")
    after = parse(client.get("/metrics").text)

    assert [answer.status for answer in (put, got, head, missing)] == [201, 200, 200, 404]
    assert after["received_bytes_total"] - before["received_bytes_total"] == 5
    sent = after["sent_bytes_total"] - before["sent_bytes_total"]
    # The scrape before is counted after it was made.
    assert len(put.body) + 5 + len(missing.body) < sent <= len(put.body) + 5 + len(missing.body) + len(scrape)
    for method, route, status in (
        ("PUT", "/files/upload-direct/{bucket_id}/{file_id}", "2xx"),
        ("GET", "/files/download/{bucket_id}/{file_id}", "2xx"),
        ("HEAD", "/files/download/{bucket_id}/{file_id}", "2xx"),
        ("GET", "/files/download/{bucket_id}/{file_id}", "4xx"),
    ):
        assert requests(after, method, route, status) - requests(before, method, route, status) == 1


def test_bytes_that_nginx_sends_are_counted(make_app: Callable[..., Flask]) -> None:
    client = make_app(**OFFLOAD).test_client()
    ask(client, "POST /buckets", b'{"name":"photos"}', ("Content-Type", "application/json"))
    ask(client, "PUT /files/upload-direct/photos/a", b"x" * 100_000)
    secret = ("X-Offload-Secret", OFFLOAD["OFFLOAD_SECRET"])
    sent = [parse(client.get("/metrics").text)["sent_bytes_total"]]
    for more in ([], [("Range", "bytes=0-49999")]):
        assert ask(client, "GET /files/download/photos/a", b"", secret, *more).body == b""
        sent.append(parse(client.get("/metrics").text)["sent_bytes_total"])
    whole, part = sent[1] - sent[0], sent[2] - sent[1]
    assert 100_000 < whole < 150_000
    assert 50_000 < part < 100_000


def test_question_of_nginx_is_no_request(make_app: Callable[..., Flask]) -> None:
    client = make_app(**OFFLOAD).test_client()
    ask(client, "POST /buckets", b'{"name":"photos"}', ("Content-Type", "application/json"))
    asked = ("X-Offload-Secret", OFFLOAD["OFFLOAD_SECRET"]), ("X-Upload-Length", "5"), ("X-Upload-ID", "u")
    before = parse(client.get("/metrics").text)
    verdict = ask(client, "PUT /files/upload-direct/photos/a", b"", *asked, ("X-Upload-Check", "verdict"))
    over = ask(client, "PUT /files/upload-direct/photos/a", b"", *asked, ("X-Upload-Check", "over"))
    after = parse(client.get("/metrics").text)

    assert (verdict.status, over.status) == (204, 204)
    route = "/files/upload-direct/{bucket_id}/{file_id}"
    assert requests(after, "PUT", route) == requests(before, "PUT", route)
    assert after["received_bytes_total"] == before["received_bytes_total"]


def test_unknown_route_is_counted_as_none(client: FlaskClient) -> None:
    send(client, "GET /nowhere/at/all")
    found = parse(client.get("/metrics").text)
    assert found[shown("request_seconds_count", {"method": "GET", "route": "none", "status": "4xx"})] >= 1
