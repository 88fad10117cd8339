"""Processes killed in the middle of everything: what was answered is there, what was not is whole or absent.

Eight clients change the files of two buckets, each its own keys, while one worker or every process is killed. What
each key may hold then is known: what the last answer said, or what a request after it, without an answer, asked for.

Six rounds; `--ci`: 20; `--long`: 200. `KILLS_SEED` makes the choices of a run again, though not its moments.
"""

import hashlib
import json
import os
import random
import signal
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx
import pytest

from tests.support.clients import BUCKETS, Client, Version, version_of
from tests.support.core import blobs
from tests.support.disruptions import forget_the_index, leftovers, wait_until
from tests.support.service import RunningService, bearer

CLIENTS = 8
REQUESTS_BEFORE_A_KILL = (5, 50)
REQUESTS_AFTER_A_KILL = 20
ROUNDS_BETWEEN_LOST_INDEXES = 10


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
        """Name the bytes that no sidecar names, and that nothing schedules for deletion."""
        scheduled = set(rows(self.service, "SELECT blob FROM pending_deletions"))
        named, there = self._named(), set(blobs(self.service.storage_path))
        assert named <= there
        return there - named - scheduled - self.known_to_nobody

    def lose_the_index(self) -> None:
        before = self.observe()
        self.service.stop()
        named = self._named()
        keys = {blob.partition("-")[0] for blob in named}
        there = blobs(self.service.storage_path)
        self.known_to_nobody = {blob for blob in there if blob.partition("-")[0] not in keys}
        forget_the_index(self.service)
        self.start()
        assert self.observe() == before
        self.check()

    def _named(self) -> set[str]:
        sidecars = [path for bucket in BUCKETS for path in (self.service.storage_path / bucket).glob("??/*.json")]
        return {json.loads(path.read_bytes())["blob"] for path in sidecars}


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


@pytest.fixture
def rounds(ci: bool, long: bool) -> int:
    return 200 if long else 20 if ci else 6


def test_kills_lose_nothing_that_was_answered(proof: Proof, rounds: int, capsys: pytest.CaptureFixture[str]) -> None:
    tell(capsys, f"KILLS_SEED={proof.seed}")
    kills = [Proof.kill_one, Proof.kill_all] * (rounds // 2)
    proof.random.shuffle(kills)
    between = min(ROUNDS_BETWEEN_LOST_INDEXES, rounds - 1)  # at least one round goes on with an index made again

    for number, kill in enumerate(kills, 1):
        proof.play(kill)
        if number % between == 0:
            proof.lose_the_index()

    counts = sum((client.counts for client in proof.clients), Counter[str]())
    tell(capsys, f"{len(kills)} rounds, {counts['answered']} requests answered, {counts['unanswered']} unanswered")
    tell(capsys, f"kills: {kills.count(Proof.kill_one)} of a worker, {kills.count(Proof.kill_all)} of every process")
    assert counts["unanswered"] > len(kills)  # or the kills did not find anybody at work
    assert "Traceback" not in proof.service.log()


def tell(capsys: pytest.CaptureFixture[str], line: str) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n{line}")
