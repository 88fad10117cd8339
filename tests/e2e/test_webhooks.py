"""Webhooks of a real service: every change is reported, signed, in order and whatever happens."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.disruptions import wait_until
from tests.support.environment import clean_environment
from tests.support.receiver import Received, Receiver
from tests.support.service import ROOT, SECRET_KEY, RunningService, bearer, wait_briefly

# Of connections: so any process may answer the next request.
ONE_REQUEST_EACH = httpx.Limits(max_keepalive_connections=0)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().listening() as receiver:
        yield receiver


def test_each_change_is_reported(receiver: Receiver, tmp_path: Path) -> None:
    with (
        RunningService(tmp_path / "store", **receiver.settings) as service,
        httpx.Client(base_url=service.url, headers=bearer()) as client,
    ):
        client.post("/buckets", json={"name": "photos"}).raise_for_status()
        uploaded = client.put("/files/upload-direct/photos/a", content=b"hello").json()
        client.put("/files/upload-direct/photos/a", content=b"other").raise_for_status()
        client.put("/files/metadata/photos/a", json={"metadata": {"k": 1}}).raise_for_status()
        source, target = ({"bucket_id": "photos", "file_id": key} for key in "ab")
        moved = client.post("/files/move", json={"source": source, "destination": target}).json()
        client.post("/files/delete/photos", json={"file_ids": ["b"]}).raise_for_status()
        client.put("/buckets/photos", json={"is_public": True}).raise_for_status()
        client.delete("/buckets/photos").raise_for_status()
        events = receiver.wait_for(8)
    assert sorted(event.type for event in events) == sorted(
        [
            "bucket.created",
            "file.created",
            "file.replaced",
            "file.updated",
            "file.moved",
            "file.deleted",
            "bucket.updated",
            "bucket.deleted",
        ]
    )
    of = {event.type: event for event in events}
    assert of["file.created"].data == uploaded
    assert of["file.moved"].data == moved | {"source": source}
    assert of["file.deleted"].data == moved
    of_key = [event.type for event in receiver.by_key()["photos", "a"]]
    assert of_key == ["file.created", "file.replaced", "file.updated"]


class Uploader:
    """A client that creates, replaces, edits and deletes files of its own, and notes what was answered."""

    def __init__(self, number: int, http: httpx.Client, count: int) -> None:
        self._number, self._http, self._count = number, http, count
        self.answered: set[tuple[str, str, str]] = set()  # of each change: the type, the key, and the file's time
        self.requests = 0

    def run(self) -> None:
        for turn in range(self._count):
            key = f"{self._number}/{turn}"
            path, login = f"/files/upload-direct/photos/{key}", {"Content-Type": "text/plain"}
            self._ask("file.created", key, "PUT", path, content=b"first", headers=login)
            self._ask("", key, "PUT", f"{path}?overwrite=false", content=b"refused")
            self._ask("file.replaced", key, "PUT", path, content=b"second", headers=login)
            self._ask("file.updated", key, "PUT", f"/files/metadata/photos/{key}", json={"metadata": {"turn": turn}})
            if turn % 2:
                self._ask("file.deleted", key, "DELETE", f"/files/photos/{key}")

    def _ask(self, kind: str, key: str, method: str, path: str, **arguments: Any) -> None:
        """Ask until there is an answer. After none, the next one may be another than `kind`."""
        is_first = True
        while True:
            self.requests += 1
            try:
                response = self._http.request(method, path, **arguments)
            except httpx.TransportError:
                response = None
            if response is not None and response.status_code != 503:
                break
            is_first = False
            wait_briefly()
        if response.is_success and is_first and response.content:
            self.answered.add((kind, key, response.json()["updated_at"]))
        elif response.is_success and is_first:
            self.answered.add((kind, key, ""))


PROOF_CLIENTS = 4


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.ci)])
def test_whatever_happens_each_answered_change_is_reported(
    receiver: Receiver, request: pytest.FixtureRequest, tmp_path: Path, database: str, long: bool
) -> None:
    """A receiver fails half the time and is away for a while. Workers and everything are killed, the index is lost."""
    turns = 720 if long else 12  # of each client, with 3.5 changes each
    index = {} if database == "sqlite" else {"INDEX_URL": request.getfixturevalue("postgres").database()}
    fails = random.Random(database)
    receiver.answer = lambda _: 500 if fails.random() < 0.5 else 204
    service = RunningService(tmp_path / "store", DURABILITY="fsync", **receiver.settings, **index)
    with service, httpx.Client(base_url=service.url, headers=bearer(), limits=ONE_REQUEST_EACH, timeout=30) as http:
        http.post("/buckets", json={"name": "photos"}).raise_for_status()
        clients = [Uploader(number, http, turns) for number in range(PROOF_CLIENTS)]
        with ThreadPoolExecutor(PROOF_CLIENTS) as pool:
            running = [pool.submit(client.run) for client in clients]
            disturb(service, receiver, clients, turns, loses_index=database == "sqlite")
            for each in running:
                each.result()
        receiver.answer = lambda _: 204
        expected = {change for client in clients for change in client.answered}
        assert len(expected) > turns * PROOF_CLIENTS * 2
        receiver.wait_until(lambda: expected <= {reported(event) for event in receiver.received}, seconds=300)
    for events in receiver.by_key().values():
        sequences = [event.sequence for event in events]
        assert sequences == sorted(set(sequences)), events
        # What got no answer was asked for again, and a change that was not answered may be lost with the index.
        order = ["bucket.created", "file.created", "file.replaced", "file.updated", "file.deleted"]
        numbers = [order.index(event.type) for event in events]
        assert numbers == sorted(numbers), events


def disturb(
    service: RunningService, receiver: Receiver, clients: Sequence[Uploader], turns: int, *, loses_index: bool
) -> None:
    """Kill workers, then everything, also with the index gone; meanwhile the receiver answers nothing for a while."""
    answers = receiver.answer
    requests = turns * PROOF_CLIENTS * 4

    def wait_for(part: float) -> None:
        deadline = time.monotonic() + 300
        while sum(client.requests for client in clients) < part * requests:
            assert time.monotonic() < deadline
            wait_briefly()

    for number, part in enumerate((0.1, 0.2, 0.3, 0.5)):
        wait_for(part)
        receiver.answer = (lambda _: 503) if number == 1 else answers
        os.kill(service.worker_pids()[number % 2], signal.SIGKILL)
        wait_until(lambda: len(service.worker_pids()) == 2)
    for part in (0.6, 0.8):
        wait_for(part)
        service.kill()
        if loses_index:
            for path in (service.storage_path / ".system").glob("index.sqlite3*"):
                path.unlink()
        service.start()


def reported(event: Received) -> tuple[str, str, str]:
    key = event.data.get("id", "")
    return event.type, key, "" if event.type == "file.deleted" else event.data["updated_at"]


def test_receiver_that_hangs_holds_up_nobody(receiver: Receiver, tmp_path: Path) -> None:
    hanging = threading.Event()
    receiver.answer = lambda _: 204 if hanging.wait(30) else 500
    with (
        RunningService(tmp_path / "store", **receiver.settings) as service,
        httpx.Client(base_url=service.url, headers=bearer()) as client,
    ):
        client.post("/buckets", json={"name": "photos"}).raise_for_status()
        for number in range(50):
            client.put(f"/files/upload-direct/photos/{number}", content=b"hello", timeout=5).raise_for_status()
        hanging.set()
        receiver.wait_for(51)


def test_signer_is_told_with_the_upload(receiver: Receiver, tmp_path: Path) -> None:
    with (
        RunningService(tmp_path / "store", **receiver.settings) as service,
        httpx.Client(base_url=service.url, headers=bearer()) as client,
    ):
        client.post("/buckets", json={"name": "photos"}).raise_for_status()
        asked = {"bucket_id": "photos", "filename": "a.txt", "notify": "upload 4711, «ü»"}
        url = client.post("/files/initiate-upload", json=asked).json()["upload_url"]
        httpx.put(url, content=b"hello").raise_for_status()
        client.put("/files/upload-direct/photos/b.txt", content=b"hello").raise_for_status()
        events = {event.data["id"]: event.data for event in receiver.wait_for(3)}
    assert events["a.txt"]["notify"] == "upload 4711, «ü»"
    assert "notify" not in events["b.txt"]


def test_without_a_receiver_nothing_of_it_is_loaded_or_made(tmp_path: Path) -> None:
    with RunningService(tmp_path / "store") as service:
        httpx.post(f"{service.url}/buckets", json={"name": "photos"}, headers=bearer()).raise_for_status()
        files = {path.name for path in (tmp_path / "store" / ".system").iterdir()}
    assert not any(name.startswith(("events", "deliver")) for name in files)
    assert "index.sqlite3" in files
    code = "import sys, storage_app, wsgi; sys.exit('urllib3' in sys.modules)"
    environment = clean_environment({"SECRET_KEY": SECRET_KEY, "STORAGE_PATH": str(tmp_path / "store")})
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=False).returncode == 0
