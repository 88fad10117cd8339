"""Processes killed in the middle of everything: what was answered is there, what was not is whole or absent.

Eight clients change the files of two buckets, each its own keys, while one worker or every process is killed. What
each key may hold then is known: what the last answer said, or what a request after it, without an answer, asked for.

`--long`: 200 rounds. `KILLS_SEED` makes the choices of a run again, though not its moments.
"""

import hashlib
import json
import os
import random
import signal
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest

from tests.support.core import blobs
from tests.support.raw_http import left_behind
from tests.support.service import RunningService, bearer, wait_briefly

CLIENTS = 8
KEYS_EACH = 3
# A bucket's name, and its quota: the second one has no room for all that is sent to it.
BUCKETS = {"roomy": None, "tight": 1_000_000}
LARGEST = 300_000
REQUESTS_BEFORE_A_KILL = (5, 50)
REQUESTS_AFTER_A_KILL = 20
ROUNDS_BETWEEN_REBUILDS = 10
SECONDS_TO_PUT_RIGHT = 30


@dataclass(frozen=True)
class Version:
    """A file that a key may hold; None stands for no file."""

    size: int
    sha256: str
    metadata: dict[str, Any]


Content = Version | None


@dataclass
class Key:
    """A key of one client, and everything that it may hold now."""

    bucket: str
    name: str
    possible: list[Content] = field(default_factory=lambda: [None])


@dataclass(frozen=True)
class Change:
    """A request, and what it makes of what is there. `wants`: only of a file, or only of none."""

    key: Key
    method: str
    path: str
    arguments: dict[str, Any]
    then: Callable[[Content], Content]
    wants: bool | None = None

    def outcomes(self) -> list[Content]:
        """What the key holds when this has been done, for everything that it may hold before."""
        return [self.then(held) for held in self.key.possible if self.wants in (None, held is not None)]

    def judge(self, response: httpx.Response) -> bool:
        """Hold the answer against what may be there; returns whether it says what happened."""
        if response.status_code == 503:
            self.unanswered()
            return False
        if response.is_success:
            self._done(response)
        elif response.status_code == 413:
            assert (self.key.bucket, response.json()["code"]) == ("tight", "quota_exceeded"), self
        else:
            # It is refused for what is there, or is not.
            assert response.status_code == (404 if self.wants else 412), (self, response.text)
            assert len(self.outcomes()) < len(self.key.possible), (self, response.text)
        return True

    def unanswered(self) -> None:
        self.key.possible += [held for held in self.outcomes() if held not in self.key.possible]

    def _done(self, response: httpx.Response) -> None:
        said = version_of(response.json()) if response.content else None
        assert said in self.outcomes(), (self, response.status_code, response.text)
        self.key.possible = [said]


def version_of(record: dict[str, Any]) -> Version:
    return Version(record["size"], record["sha256"], record["metadata"])


class Client:
    """One who changes keys that are nobody else's, one request at a time."""

    def __init__(self, number: int, seed: str, http: httpx.Client) -> None:
        self.random = random.Random(seed)
        self.http = http
        self.keys = [Key(bucket, f"{bucket}/{number}/{turn}.bin") for bucket in BUCKETS for turn in range(KEYS_EACH)]
        self.counts: Counter[str] = Counter()
        self.turn = 0

    def run(self, over: threading.Event) -> None:
        while not over.is_set():
            self.turn += 1
            self._request(self._change(over))

    def _request(self, change: Change) -> None:
        try:
            answered = change.judge(self.http.request(change.method, change.path, **change.arguments))
        except httpx.ConnectError:
            return  # nobody heard it
        except httpx.TransportError:
            change.unanswered()
            answered = False
        self.counts["answered" if answered else "unanswered"] += 1

    def _change(self, over: threading.Event) -> Change:
        kinds = (self._raw, self._slow, self._form, self._edit, self._delete)
        (make,) = self.random.choices(kinds, weights=(4, 2, 3, 3, 2))
        return make(self.random.choice(self.keys), over)

    def _raw(self, key: Key, _: threading.Event) -> Change:
        data = self._bytes()
        return self._put(key, data, data, {})

    def _slow(self, key: Key, over: threading.Event) -> Change:
        """Make a PUT whose body comes in pieces: with a length that was declared, or without."""
        data = self._bytes()
        declared = {"Content-Length": str(len(data))} if self.random.random() < 0.5 else {}
        return self._put(key, data, pieces(data, over), declared)

    def _put(self, key: Key, data: bytes, content: bytes | Iterator[bytes], headers: dict[str, str]) -> Change:
        only_new = self.random.random() < 0.25
        condition = {"If-None-Match": "*"} if only_new else {}
        version = Version(len(data), hashlib.sha256(data).hexdigest(), {})
        path = f"/files/upload-direct/{key.bucket}/{key.name}"
        sent = {"content": content, "headers": headers | condition}
        return Change(key, "PUT", path, sent, then=lambda _: version, wants=False if only_new else None)

    def _form(self, key: Key, _: threading.Event) -> Change:
        data = self._bytes()
        version = Version(len(data), hashlib.sha256(data).hexdigest(), {"sent": self.turn})
        fields = {"file_id": key.name, "metadata": json.dumps(version.metadata), "overwrite": "true"}
        sent = {"data": fields, "files": {"file": ("a.bin", data)}}
        return Change(key, "POST", f"/files/upload/{key.bucket}", sent, then=lambda _: version)

    def _edit(self, key: Key, _: threading.Event) -> Change:
        edited = {"edited": self.turn}
        path = f"/files/metadata/{key.bucket}/{key.name}"
        return Change(
            key,
            "PUT",
            path,
            {"json": {"metadata": edited}},
            then=lambda held: held and replace(held, metadata=edited),
            wants=True,
        )

    def _delete(self, key: Key, _: threading.Event) -> Change:
        return Change(key, "DELETE", f"/files/{key.bucket}/{key.name}", {}, then=lambda _: None, wants=True)

    def _bytes(self) -> bytes:
        return self.random.randbytes(self.random.choice((0, 1, self.random.randrange(5_000), LARGEST // 3, LARGEST)))


def pieces(data: bytes, over: threading.Event) -> Iterator[bytes]:
    for start in range(0, len(data), 30_000):
        over.wait(0.005)  # so that a kill finds bodies on their way
        yield data[start : start + 30_000]


class Proof:
    """A service under its clients, killed again and again."""

    def __init__(self, service: RunningService, http: httpx.Client, seed: str) -> None:
        self.service = service
        self.http = http
        self.seed = seed
        self.random = random.Random(seed)
        self.clients = [Client(number, f"{seed}-{number}", http) for number in range(CLIENTS)]
        # Bytes of deleted files that only a lost index knew of. They are left for a person to judge.
        self.known_to_nobody: set[str] = set()

    def play(self, kill: Callable[["Proof"], None]) -> None:
        """Let the clients at it, kill after some of their requests, and look at what is there then."""
        over = threading.Event()
        moment = self.requests() + self.random.randint(*REQUESTS_BEFORE_A_KILL)
        with ThreadPoolExecutor(CLIENTS) as pool:
            running = [pool.submit(client.run, over) for client in self.clients]
            try:
                wait_until(lambda: self.requests() >= moment)
                kill(self)
            finally:
                over.set()
        for client in running:
            client.result()
        if self.service.process is None or self.service.process.poll() is not None:
            self.start()
        self.check()

    def requests(self) -> int:
        return sum(client.turn for client in self.clients)

    def kill_one(self) -> None:
        """Kill a worker, and go on until another one has taken its place and more requests have come."""
        victim = self.random.choice(self.service.worker_pids())
        os.kill(victim, signal.SIGKILL)
        enough = self.requests() + REQUESTS_AFTER_A_KILL
        wait_until(lambda: victim not in self.service.worker_pids() and self.is_complete())
        wait_until(lambda: self.requests() >= enough)

    def kill_all(self) -> None:
        self.service.kill()

    def start(self) -> None:
        self.service.environment["DURABILITY"] = self.random.choice(("none", "fsync"))
        self.service.start()
        wait_until(self.is_complete)

    def is_complete(self) -> bool:
        """Whether as many workers are there as were asked for."""
        return len(self.service.worker_pids()) == int(self.service.environment["WEB_CONCURRENCY"])

    def check(self) -> None:
        wait_until(lambda: not leftovers(self.service), lambda: leftovers(self.service))
        assert self.unexplained_bytes() == set()
        for bucket, (shown, listed) in self.observe().items():
            assert (shown["file_count"], shown["total_size"]) == (len(listed), sum(file["size"] for file in listed))
            assert shown["total_size"] <= (BUCKETS[bucket] or sys.maxsize)
            self._check_files(bucket, {record["id"]: version_of(record) for record in listed})

    def _check_files(self, bucket: str, listed: dict[str, Version]) -> None:
        keys = [key for client in self.clients for key in client.keys if key.bucket == bucket]
        assert set(listed) <= {key.name for key in keys}
        for key in keys:
            held = listed.get(key.name)
            assert held in key.possible, (key, held)
            key.possible = [held]
            response = self.http.get(f"/files/download/{bucket}/{key.name}")
            assert response.status_code == (404 if held is None else 200), (key, response.status_code)
            assert held is None or hashlib.sha256(response.content).hexdigest() == held.sha256, key

    def observe(self) -> dict[str, Any]:
        """Every bucket with its totals, and its list of files."""
        get = self.http.get
        return {b: (get(f"/buckets/{b}").json(), get(f"/files/list/{b}").json()) for b in BUCKETS}

    def unexplained_bytes(self) -> set[str]:
        """Name the bytes that no sidecar names, and that nothing remembers to remove."""
        remembered = set(rows(self.service, "SELECT blob FROM memories"))
        named, there = self._named(), set(blobs(self.service.storage_path))
        assert named <= there
        return there - named - remembered - self.known_to_nobody

    def lose_the_index(self) -> None:
        before = self.observe()
        self.service.stop()
        named = self._named()
        keys = {blob.partition("-")[0] for blob in named}
        there = blobs(self.service.storage_path)
        self.known_to_nobody = {blob for blob in there if blob.partition("-")[0] not in keys}
        for path in (self.service.storage_path / ".system").glob("index.sqlite3*"):
            path.unlink()
        self.start()
        assert self.observe() == before
        self.check()

    def _named(self) -> set[str]:
        sidecars = [path for bucket in BUCKETS for path in (self.service.storage_path / bucket).glob("??/*.json")]
        return {json.loads(path.read_bytes())["blob"] for path in sidecars}


def wait_until(holds: Callable[[], bool], otherwise: Callable[[], object] = lambda: None) -> None:
    deadline = time.monotonic() + SECONDS_TO_PUT_RIGHT
    while not holds():
        assert time.monotonic() < deadline, otherwise()
        wait_briefly()


def leftovers(service: RunningService) -> list[str]:
    try:
        return left_behind(service)
    except FileNotFoundError:
        return ["a directory that is being removed"]


def rows(service: RunningService, query: str) -> list[Any]:
    """Return the first column of what the index says."""
    path = service.storage_path / ".system" / "index.sqlite3"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as index:
        return [row[0] for row in index.execute(query)]


@pytest.fixture
def proof(start_service: Callable[..., RunningService]) -> Iterator[Proof]:
    seed = os.environ.get("KILLS_SEED") or str(random.SystemRandom().getrandbits(32))
    service = start_service()
    with httpx.Client(base_url=service.url, headers=bearer(), timeout=30) as http:
        for bucket, quota in BUCKETS.items():
            http.post("/buckets", json={"name": bucket, "quota": quota}).raise_for_status()
        yield Proof(service, http, seed)


def test_kills_lose_nothing_that_was_answered(proof: Proof, long: bool, capsys: pytest.CaptureFixture[str]) -> None:
    tell(capsys, f"KILLS_SEED={proof.seed}")
    kills = [Proof.kill_one, Proof.kill_all] * (100 if long else 10)
    proof.random.shuffle(kills)

    for number, kill in enumerate(kills, 1):
        proof.play(kill)
        if number % ROUNDS_BETWEEN_REBUILDS == 0:
            proof.lose_the_index()

    counts = sum((client.counts for client in proof.clients), Counter[str]())
    tell(capsys, f"{len(kills)} rounds, {counts['answered']} requests answered, {counts['unanswered']} unanswered")
    tell(capsys, f"kills: {kills.count(Proof.kill_one)} of a worker, {kills.count(Proof.kill_all)} of every process")
    assert counts["unanswered"] > len(kills)  # or the kills did not find anybody at work
    assert "Traceback" not in proof.service.log()


def tell(capsys: pytest.CaptureFixture[str], line: str) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n{line}")
