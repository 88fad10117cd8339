"""What nginx refuses by itself has the form of the service's refusals, and mostly the same status."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.both_ways import BothWays, Row, Seen, ask
from tests.support.nginx import OFFLOAD, NginxGateway
from tests.support.raw_http import assert_problem, read_answer
from tests.support.service import RunningService, bearer

ALICE = [("Authorization", bearer()["Authorization"])]
JSON = ("Content-Type", "application/json")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BothWays]:
    directory = tmp_path_factory.mktemp("refusals")
    with (
        RunningService(directory / "store", **OFFLOAD) as service,
        NginxGateway(service, directory / "nginx") as gateway,
    ):
        httpx.post(f"{service.url}/buckets", json={"name": "reads"}, headers=bearer()).raise_for_status()
        yield BothWays(service, gateway)


@pytest.mark.parametrize(
    "line",
    [
        "GET /none", "GET /bucketsx/a", "PUT /filesx/a",
        "GET //files/download/reads/a.txt", "GET /_blobs/reads/.bucket.json", "PUT /_spooled", "PUT /_verdict",
        "GET /_problem", "PUT /_complete", "PUT /_streamed", "GET /_decided/reads/x", "GET /typed/x", "GET /_cached",
    ],
)  # fmt: skip
def test_what_is_no_route_of_the_gateway_is_not_found(both: BothWays, line: str) -> None:
    through, straight = both.read(Row(line, [*ALICE, ("Content-Length", "0")]))
    assert_same_problem(through, straight)


@pytest.mark.parametrize("line", ["GET /metrics", "GET /metrics/", "GET /%6detrics"])
def test_metrics_are_no_route_of_the_gateway(both: BothWays, line: str) -> None:
    through, _ = both.read(Row(line, ALICE))
    _, unknown = both.read(Row("GET /none", ALICE))
    assert_same_problem(through, unknown)


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        ("TRACE /api/v1/buckets", [], 405),
        ("PUT /api/v1/buckets/reads", [JSON, ("Content-Length", "2000000")], 413),
        ("GET /api/v1/buckets", [("Transfer-Encoding", "odd")], 400),
        ("DELETE /reads/a.txt", [("Transfer-Encoding", "odd")], 400),
        ("DELETE /filesystem/a/b.txt", [("Transfer-Encoding", "odd")], 400),
    ],
)
def test_backend_of_selfdb_is_refused_in_the_type_that_it_parses(
    both: BothWays, line: str, headers: list[tuple[str, str]], status: int
) -> None:
    through, _ = both.read(Row(line, [*ALICE, *headers]))
    assert (through.status, dict(through.headers)["content-type"]) == (status, "application/json")
    assert json.loads(through.body)["status"] == status


@pytest.mark.parametrize("line", ["DELETE /files/reads/a.txt", "DELETE /buckets/reads", "GET /reads/a.txt"])
def test_other_clients_are_refused_by_problems(both: BothWays, line: str) -> None:
    through, _ = both.read(Row(line, [*ALICE, ("Transfer-Encoding", "odd")]))
    assert (through.status, dict(through.headers)["content-type"]) == (400, "application/problem+json")


def assert_same_problem(through: Seen, straight: Seen) -> None:
    """Assert that nginx, asked for something that it does not pass on, says what the service would, in other words."""
    assert without_words(through) == without_words(straight)
    assert json.loads(through.body)["detail"]


def without_words(answer: Seen) -> tuple[int, dict[str, str], dict[str, Any]]:
    headers = {n: v for n, v in answer.headers if n not in ("content-length", "access-control-expose-headers")}
    return answer.status, headers, json.loads(answer.body) | {"detail": ""}


@pytest.mark.parametrize(
    ("row", "through", "straight"),
    [
        # nginx reads the path to find the location, and refuses what has no meaning.
        (Row("GET /../x"), 400, 404),
        (Row("GET /files/download/reads/100%", ALICE), 400, 404),
        (Row("GET /files/download/reads/%zz", ALICE), 400, 404),
        (Row("GET /files/download/reads/%00", ALICE), 400, 400),
        (Row("GET /files/download/reads/a b", ALICE), 400, 400),
        (Row("OPTIONS *"), 400, 404),
        # It never passes these on.
        (Row("TRACE /"), 405, 405),
        (Row("GET /", [("X-Long", "x" * 70_000)]), 431, 431),
        (Row(f"GET /{'x' * 70_000}"), 414, 414),
        (Row("PUT /buckets/reads", [*ALICE, JSON, ("Content-Length", "1048577")], b" " * 1_048_577), 413, 413),
        (
            Row("PUT /files/download/reads/a.txt", [*ALICE, ("Transfer-Encoding", "gzip, chunked")], b"0\r\n\r\n"),
            400,
            405,
        ),
        (Row("PUT /files/download/reads/a.txt", [*ALICE, ("Content-Length", "x")]), 400, 400),
    ],
)
def test_what_nginx_does_not_understand_is_refused_in_the_form_of_the_service(
    both: BothWays, row: Row, through: int, straight: int
) -> None:
    code = {405: "method_not_allowed", 413: "too_large"}.get(through, "invalid_request")
    answer = ask(both.gateway, row)
    assert_problem(answer, through, code)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert ask(both.service, row).status == straight


@pytest.mark.parametrize("way", ["straight", "gateway"])
@pytest.mark.parametrize("version", ["2.0", "3.0"])
def test_version_that_is_not_spoken_is_a_problem_too(both: BothWays, way: str, version: str) -> None:
    """RFC 9110 section 15.6.6."""
    port = both.service.port if way == "straight" else both.gateway.port
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(f"GET / HTTP/{version}\r\nHost: localhost\r\n\r\n".encode())
        problem = assert_problem(read_answer(connection), 505, "invalid_request")
    assert problem["detail"] == "The request is not HTTP/1.0 or HTTP/1.1; send it as one of these."


@pytest.mark.parametrize("way", ["straight", "gateway"])
def test_http_1_0_needs_no_host(both: BothWays, way: str) -> None:
    """As health checks of load balancers send it (RFC 9112 section 3.2)."""
    port = both.service.port if way == "straight" else both.gateway.port
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        assert read_answer(connection).status == 200
