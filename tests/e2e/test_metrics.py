"""The metrics of a real service: those of all workers, whichever answers, and however often one is replaced."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.disruptions import begin_upload, wait_until
from tests.support.metrics import Samples, lint, requests, scrape
from tests.support.nginx import OFFLOAD, NginxGateway
from tests.support.raw_http import send
from tests.support.service import RunningService, bearer

DOWNLOAD = "/files/download/{bucket_id}/{file_id}"
TOKEN = "a-token-for-prometheus"


def prepare(running: RunningService) -> None:
    with httpx.Client(base_url=running.url, headers=bearer()) as client:
        client.post("/buckets", json={"name": "photos"}).raise_for_status()
        client.put("/files/upload-direct/photos/a", content=b"12345").raise_for_status()


def download(running: RunningService) -> None:
    """Download the file, over a connection of its own, so that any worker may answer."""
    httpx.get(f"{running.url}/files/download/photos/a", headers=bearer()).raise_for_status()


def directory(running: RunningService) -> Path:
    """Return the directory in which the workers count: the one that the master has open."""
    assert running.process is not None
    opened = Path(f"/proc/{running.process.pid}/fd").iterdir()
    (found,) = {path.readlink() for path in opened if path.readlink().name.startswith("selfdb-storage-")}
    return found


def counters(samples: Samples) -> Samples:
    endings = ("_total", "_count", "_sum", "_bucket")
    return {name: value for name, value in samples.items() if name.partition("{")[0].endswith(endings)}


def gone_back(before: Samples, after: Samples) -> dict[str, tuple[float, float | None]]:
    pairs = {name: (value, after.get(name)) for name, value in counters(before).items()}
    return {name: pair for name, pair in pairs.items() if pair[1] is None or pair[1] < pair[0]}


def test_every_worker_shows_what_all_have_counted(start_service: Callable[..., RunningService]) -> None:
    running = start_service()
    prepare(running)
    for number in range(1, 21):
        download(running)
        assert requests(scrape(running.url), "GET", DOWNLOAD) == number
    wait_until(lambda: scrape(running.url)["places_free"] == 2 * 24)
    found = scrape(running.url)

    assert lint(httpx.get(f"{running.url}/metrics").text) == ""
    assert found["workers_started_total"] == 2
    assert found["received_bytes_total"] == len('{"name":"photos"}') + 5
    assert (found['bucket_files{bucket="photos"}'], found['bucket_bytes{bucket="photos"}']) == (1, 5)


def test_uploads_in_progress_are_counted(start_service: Callable[..., RunningService]) -> None:
    running = start_service()
    prepare(running)
    assert scrape(running.url)["uploads_in_progress"] == 0
    with begin_upload(running, "/files/upload-direct/photos/b"):
        wait_until(lambda: scrape(running.url)["uploads_in_progress"] == 1)
        assert scrape(running.url)["places_free"] == 2 * 24 - 1
        assert scrape(running.url)["intents_open"] == 1
    wait_until(lambda: scrape(running.url)["uploads_in_progress"] == 0)


@pytest.mark.parametrize("worker", ["scheduled", "gthread"])
def test_counters_do_not_go_back_while_workers_are_replaced(
    start_service: Callable[..., RunningService], worker: str, long: bool
) -> None:
    running = start_service(WORKER=worker)
    assert running.process is not None
    prepare(running)
    wait_until(lambda: scrape(running.url)["workers_started_total"] == 2)
    before, rounds = scrape(running.url), 50 if long else 4
    for number in range(rounds):
        victim = running.worker_pids()[0]
        os.kill(victim, signal.SIGKILL if number % 2 else signal.SIGTERM)
        started = before["workers_started_total"]
        while before["workers_started_total"] == started:
            try:
                download(running)
                after = scrape(running.url)
            except httpx.TransportError:  # of the killed worker
                continue
            assert gone_back(before, after) == {}
            before = after

    wait_until(lambda: scrape(running.url)["places_free"] == 2 * 24)
    assert before["workers_started_total"] == 2 + rounds
    assert {path.name for path in directory(running).iterdir()} <= {
        f"{kind}_{number}.db" for kind in ("counter", "histogram", "gauge_livesum") for number in range(3)
    }


def test_counters_go_on_after_sighup(start_service: Callable[..., RunningService]) -> None:
    running = start_service()
    assert running.process is not None
    prepare(running)
    before, old = scrape(running.url), set(running.worker_pids())
    running.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(pids := running.worker_pids()) == 2 and not old & set(pids))

    wait_until(lambda: scrape(running.url)["workers_started_total"] == 4)
    assert gone_back(before, scrape(running.url)) == {}


def test_counts_of_a_killed_service_are_removed_by_the_next(start_service: Callable[..., RunningService]) -> None:
    running = start_service()
    prepare(running)
    left = directory(running)
    running.kill()
    assert left.exists()
    running.start()

    assert not left.exists()
    wait_until(lambda: scrape(running.url)["workers_started_total"] == 2)
    own = directory(running)
    running.stop()
    assert not own.exists()


def test_requests_that_no_view_sees_are_counted(start_service: Callable[..., RunningService]) -> None:
    running = start_service()
    assert send(running, "GET /%zz nothing").status == 400
    assert scrape(running.url)['early_refusals_total{status="4xx"}'] == 1


def test_gateway_does_not_show_the_metrics(start_service: Callable[..., RunningService], tmp_path: Path) -> None:
    running = start_service(**OFFLOAD, METRICS_TOKEN=TOKEN)
    own = {"Authorization": f"Bearer {TOKEN}"}
    with NginxGateway(running, tmp_path / "nginx") as gateway:
        for path in ("/metrics", "/metrics/", "/%6detrics", "//metrics", "/files/../metrics", "/metrics?a"):
            answer = send(gateway, f"GET {path}", own.items())
            assert (path, answer.status, answer.json["code"]) == (path, 404, "not_found")
    assert httpx.get(f"{running.url}/metrics").status_code == 401
    assert httpx.get(f"{running.url}/metrics", headers=own).status_code == 200


def test_bytes_that_nginx_takes_and_sends_are_counted_once(
    start_service: Callable[..., RunningService], tmp_path: Path
) -> None:
    running, data = start_service(**OFFLOAD), b"x" * 3_000_000
    prepare(running)
    with (
        NginxGateway(running, tmp_path / "nginx") as gateway,
        httpx.Client(base_url=gateway.url, headers=bearer()) as client,
    ):
        before = scrape(running.url)
        client.put("/files/upload-direct/photos/large", content=data).raise_for_status()
        uploaded = scrape(running.url)
        assert client.get("/files/download/photos/large").content == data
    assert gateway.carried() == 1
    downloaded = scrape(running.url)

    put = [requests(each, "PUT", "/files/upload-direct/{bucket_id}/{file_id}") for each in (before, uploaded)]
    assert put == [1, 2]
    assert uploaded["received_bytes_total"] - before["received_bytes_total"] == len(data)
    sent = downloaded["sent_bytes_total"] - uploaded["sent_bytes_total"]
    assert len(data) < sent < len(data) + 100_000  # with the metrics themselves
