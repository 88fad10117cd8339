"""Many clients that move the same files back and forth, over two processes and on both databases."""

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.postgres import PostgresServer
from tests.support.service import RunningService, bearer

CLIENTS, KEYS, ROUNDS = 16, 8, 12
BUCKETS = ("left", "right")
# Every file fits into either, beside what the moves in progress reserve.
QUOTA = 1_000_000


def content(key: str) -> bytes:
    return f"the bytes of {key} ".encode() * (int(key) + 1)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_no_file_is_lost_or_doubled(
    database: str, request: pytest.FixtureRequest, start_service: Callable[..., RunningService], long: bool
) -> None:
    environment = {}
    if database == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        environment["INDEX_URL"] = server.database()
    service = start_service(**environment)
    keys = [str(number) for number in range(KEYS)]
    with httpx.Client(base_url=service.url, headers=bearer(), timeout=60) as http:
        for name in BUCKETS:
            http.post("/buckets", json={"name": name, "quota": QUOTA}).raise_for_status()
        for key in keys:
            http.put(f"/files/upload-direct/left/{key}", content=content(key)).raise_for_status()

        def move(client: int) -> Counter[int]:
            chosen = random.Random(client)
            answers: Counter[int] = Counter()
            with httpx.Client(base_url=service.url, headers=bearer(), timeout=60) as own:
                for _ in range(ROUNDS * (10 if long else 1)):
                    key, places = chosen.choice(keys), chosen.sample(BUCKETS, 2)
                    named = zip(("source", "destination"), places, strict=True)
                    body = {name: {"bucket_id": bucket, "file_id": key} for name, bucket in named}
                    answers[own.post("/files/move", json=body).status_code] += 1
            return answers

        with ThreadPoolExecutor(CLIENTS) as pool:
            answers = sum(pool.map(move, range(CLIENTS)), Counter())

        # Somebody else was first: the file is not there any more (404), or has arrived already (409).
        assert answers.keys() <= {201, 404, 409}, answers
        assert answers[201] >= KEYS
        found = {bucket: http.get(f"/files/list/{bucket}").json() for bucket in BUCKETS}
        assert sorted(file["id"] for files in found.values() for file in files) == keys
        for bucket, files in found.items():
            for file in files:
                assert http.get(f"/files/download/{bucket}/{file['id']}").content == content(file["id"])
            totals = http.get(f"/buckets/{bucket}").json()
            assert totals["file_count"] == len(files)
            assert totals["total_size"] == sum(file["size"] for file in files)
