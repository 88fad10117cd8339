"""An upload is judged at its end by the grants, the limit and the types that its bucket has then.

Straight, and through nginx, which asks for a verdict before it takes the bytes in.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.disruptions import wait_until
from tests.support.nginx import OFFLOAD, NginxGateway
from tests.support.raw_http import (
    Listener,
    SlowClient,
    assert_nothing_left,
    assert_problem,
    bucket_on_disk,
    left_behind,
    with_length,
)
from tests.support.service import RunningService, bearer

CONTENT = b"text " * 400_000
BOB = ("Authorization", bearer("bob")["Authorization"])
OPEN: dict[str, Any] = {"grants": {"bob": "write"}, "max_file_size": None, "allowed_content_types": None}
_names = itertools.count(1)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("meanwhile") / "store", **OFFLOAD) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NginxGateway]:
    with NginxGateway(service, tmp_path_factory.mktemp("meanwhile") / "nginx") as running:
        yield running


@pytest.fixture(params=["straight", "nginx"])
def listener(request: pytest.FixtureRequest, service: RunningService) -> Listener:
    return service if request.param == "straight" else request.getfixturevalue("gateway")


@pytest.fixture
def owner(service: RunningService) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, headers=bearer()) as client:
        yield client


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"grants": {}}, 403, "forbidden"),
        ({"max_file_size": 1000}, 413, "file_too_large"),
        ({"allowed_content_types": ["image/*"]}, 415, "content_type_not_allowed"),
    ],
)
def test_upload_is_judged_by_the_bucket_as_it_is_at_the_end(
    service: RunningService, listener: Listener, owner: httpx.Client, change: dict[str, Any], status: int, code: str
) -> None:
    bucket = f"meanwhile-{next(_names)}"
    owner.post("/buckets", json={"name": bucket, **OPEN}).raise_for_status()
    empty = bucket_on_disk(service, bucket)
    headers = with_length([BOB, ("Content-Type", "text/plain")], CONTENT)
    with SlowClient(listener, f"PUT /files/upload-direct/{bucket}/a.txt", headers) as slow:
        slow.send(CONTENT[:1_900_000])
        wait_until(lambda: bool(left_behind(service)))  # the bytes come in
        owner.put(f"/buckets/{bucket}", json=change).raise_for_status()
        slow.send(CONTENT[1_900_000:])
        assert_problem(slow.answer(), status, code)
    assert_nothing_left(service)
    assert owner.get(f"/files/list/{bucket}").json() == []
    assert bucket_on_disk(service, bucket) == empty


def test_upload_into_a_bucket_that_allows_more_by_then_is_taken(
    service: RunningService, listener: Listener, owner: httpx.Client
) -> None:
    bucket = f"meanwhile-{next(_names)}"
    owner.post("/buckets", json={"name": bucket, "grants": {"bob": "write"}, "max_file_size": 3_000_000})
    headers = with_length([BOB], CONTENT)
    with SlowClient(listener, f"PUT /files/upload-direct/{bucket}/a.txt", headers) as slow:
        slow.send(CONTENT[:1_900_000])
        wait_until(lambda: bool(left_behind(service)))
        owner.put(f"/buckets/{bucket}", json={"max_file_size": None, "grants": {"bob": "manage"}}).raise_for_status()
        slow.send(CONTENT[1_900_000:])
        assert slow.answer().status == 201
    assert_nothing_left(service)
