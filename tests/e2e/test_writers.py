"""Many writers and readers of one key, over two processes."""

import hashlib
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.support.service import RunningService, bearer

WRITERS = 16
ROUNDS = 8
SIZE = 300_000


def version(writer: int, turn: int) -> bytes:
    """A file whose every byte follows from its first ones, so that a mix of two shows."""
    return hashlib.shake_256(f"{writer}-{turn}".encode()).digest(SIZE)


def test_reader_never_gets_a_mix(service: RunningService, bucket: str) -> None:
    url = f"{service.url}/files/upload-direct/{bucket}/shared.bin"
    whole = {hashlib.sha256(version(w, t)).hexdigest() for w in range(WRITERS) for t in range(ROUNDS)}
    httpx.put(url, content=version(0, 0), headers=bearer()).raise_for_status()
    written = threading.Event()
    wrong: list[str] = []

    def read() -> int:
        count = 0
        with httpx.Client(headers=bearer(), timeout=30) as client:
            while not written.is_set() or count == 0:
                response = client.get(f"{service.url}/files/download/{bucket}/shared.bin")
                digest = hashlib.sha256(response.content).hexdigest()
                if response.status_code != 200 or digest not in whole or response.headers["ETag"] != f'"{digest}"':
                    wrong.append(f"{response.status_code} {digest}")
                count += 1
        return count

    def write(writer: int) -> list[int]:
        with httpx.Client(headers=bearer(), timeout=30) as client:
            return [client.put(url, content=version(writer, turn)).status_code for turn in range(ROUNDS)]

    with ThreadPoolExecutor(WRITERS + 4) as pool:
        readers = [pool.submit(read) for _ in range(4)]
        statuses = [status for of_writer in pool.map(write, range(WRITERS)) for status in of_writer]
        written.set()
        reads = sum(reader.result() for reader in readers)

    assert wrong == []
    assert reads >= len(readers)
    assert set(statuses) == {200}
    bucket_now = httpx.get(f"{service.url}/buckets/{bucket}", headers=bearer()).json()
    assert (bucket_now["file_count"], bucket_now["total_size"]) == (1, SIZE)


def test_exactly_one_of_many_creators_wins(service: RunningService, bucket: str) -> None:
    barrier = threading.Barrier(WRITERS)

    def create(writer: int) -> tuple[int, str]:
        with httpx.Client(headers=bearer(), timeout=30) as client:
            barrier.wait()
            response = client.post(
                f"{service.url}/files/upload/{bucket}", files={"file": ("new.bin", version(writer, 0))}
            )
        return response.status_code, response.json().get("code", response.json().get("sha256"))

    with ThreadPoolExecutor(WRITERS) as pool:
        answers = list(pool.map(create, range(WRITERS)))

    assert Counter(status for status, _ in answers) == {201: 1, 409: WRITERS - 1}
    assert {said for status, said in answers if status == 409} == {"file_exists"}
    (winner,) = (sha256 for status, sha256 in answers if status == 201)
    content = httpx.get(f"{service.url}/files/download/{bucket}/new.bin", headers=bearer()).content
    assert hashlib.sha256(content).hexdigest() == winner
