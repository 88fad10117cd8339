"""What nginx adds to bytes, and files that it cannot open: the service answers as if there were no nginx."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.nginx import OFFLOAD, NginxGateway, replaced
from tests.support.relay import Relay
from tests.support.service import RunningService, bearer

CONTENT = b"0123456789"
PATH = "/files/download/opened/a.txt"
ORIGIN = "https://app.example"


class MisplacedGateway(NginxGateway):
    """An nginx that looks for the store where it is not, as with a volume that was forgotten."""

    def configuration(self) -> str:
        store = self.service.storage_path
        return replaced(super().configuration(), {f"alias {store}/": f"alias {store}-elsewhere/"})


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("opened") / "store", **OFFLOAD, CORS_ORIGINS=ORIGIN) as running:
        yield running


@pytest.fixture(autouse=True)
def bucket(service: RunningService) -> Iterator[httpx.Client]:
    """A bucket with one file."""
    with httpx.Client(base_url=service.url, headers=bearer()) as client:
        client.post("/buckets", json={"name": "opened", "is_public": True}).raise_for_status()
        client.put("/files/upload-direct/opened/a.txt", content=CONTENT).raise_for_status()
        yield client
        client.delete("/buckets/opened", params={"force": "true"})


def particular(response: httpx.Response) -> list[tuple[str, str]]:
    """The headers of an answer, each as often as it came, without those of the connection and the moment."""
    kept = [(n.lower(), v) for n, v in response.headers.multi_items()]
    return sorted((n, v) for n, v in kept if n not in ("connection", "date", "server", "x-request-id"))


@pytest.mark.parametrize("headers", [{}, {"Origin": ORIGIN}, {"Origin": "https://elsewhere.example"}])
def test_carried_answer_varies_as_that_of_the_service(
    service: RunningService, tmp_path: Path, headers: dict[str, str]
) -> None:
    sent = httpx.get(f"{service.url}{PATH}", headers=headers)
    with NginxGateway(service, tmp_path / "nginx") as gateway:
        carried = httpx.get(f"{gateway.url}{PATH}", headers=headers)

    assert gateway.carried() == 1
    assert carried.headers["Vary"] == "Origin"
    assert particular(carried) == particular(sent)


DECIDED = {"If-Match": "*"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Range": "bytes=2-5"},
        {"Origin": ORIGIN},
        {**bearer(), "Content-Length": "0"},
        DECIDED,
        {**DECIDED, "Range": "bytes=2-5"},
    ],
)
def test_service_sends_the_bytes_that_nginx_cannot_open(
    service: RunningService, tmp_path: Path, headers: dict[str, str]
) -> None:
    sent = httpx.get(f"{service.url}{PATH}", headers=headers)
    with MisplacedGateway(service, tmp_path / "nginx") as gateway:
        got = httpx.get(f"{gateway.url}{PATH}", headers=headers)

    assert "No such file" in gateway.log()
    assert gateway.carried() == 0
    assert (got.status_code, got.content) == (sent.status_code, sent.content)
    assert particular(got) == particular(sent)


@pytest.mark.parametrize("headers", [{}, DECIDED])
def test_bucket_deleted_before_nginx_opens_the_file_is_not_found(
    service: RunningService, bucket: httpx.Client, tmp_path: Path, headers: dict[str, str]
) -> None:
    with (
        Relay(service) as relay,
        NginxGateway(service, tmp_path / "nginx", service_port=relay.port) as gateway,
        ThreadPoolExecutor(1) as pool,
    ):
        download = pool.submit(httpx.get, f"{gateway.url}{PATH}", headers=bearer() | headers, timeout=30)
        assert relay.answered.wait(30)
        bucket.delete("/buckets/opened", params={"force": "true"}).raise_for_status()
        relay.may_go.set()
        got = download.result()

    now = httpx.get(f"{service.url}{PATH}", headers=bearer())
    assert (got.status_code, got.json()["code"]) == (404, "bucket_not_found")
    assert got.status_code == now.status_code
    assert got.json() | {"request_id": ""} == now.json() | {"request_id": ""}
    assert got.json()["request_id"] == got.headers["X-Request-ID"]
    assert particular(got) == particular(now)


@pytest.mark.parametrize("headers", [{}, {"If-Match": "*"}])
def test_carried_answer_tells_how_long_the_service_took(
    start_service: Callable[..., RunningService], tmp_path: Path, headers: dict[str, str]
) -> None:
    timed = start_service(**OFFLOAD, SERVER_TIMING="true")
    with httpx.Client(base_url=timed.url, headers=bearer()) as client:
        client.post("/buckets", json={"name": "opened", "is_public": True}).raise_for_status()
        client.put("/files/upload-direct/opened/a.txt", content=CONTENT).raise_for_status()
    with NginxGateway(timed, tmp_path / "nginx") as gateway:
        carried = httpx.get(f"{gateway.url}{PATH}", headers=headers)
    assert gateway.carried() == 1
    assert carried.content == CONTENT
    assert carried.headers["Server-Timing"].startswith("index;dur=")
