"""A large resumable upload in pieces on alternating workers: its last answer is quick, and memory stays.

`--long`: 1 GiB, and then four of half that at once.
"""

import hashlib
import http.client
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import httpx
import pytest

from tests.support.disruptions import wait_until
from tests.support.memory import Watch
from tests.support.service import RunningService, bearer
from tests.support.tus import PIECE, VERSION, OverHttp, Tus, metadata

MIB = 1024 * 1024
PIECE_BYTES = 8 * MIB
AT_ONCE = 4
LAST_SECONDS = 2.5
MAX_GROWTH = 30 * MIB


def worker_of(service: RunningService, connection: http.client.HTTPConnection) -> int | None:
    """Return the process that has taken a connection, None before one has."""
    # The service's end is the one whose peer is the client's port (proc(5), /proc/net/tcp).
    peer = f"0100007F:{connection.sock.getsockname()[1]:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    wanted = {f"socket:[{line[9]}]" for line in lines if line[2] == peer}
    return next((pid for pid in service.worker_pids() if wanted & opened_by(pid)), None)


def opened_by(pid: int) -> set[str]:
    opened = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            opened.add(str(path.readlink()))
    return opened


def connection_to_each_worker(service: RunningService, stack: ExitStack) -> list[http.client.HTTPConnection]:
    connections: dict[int, http.client.HTTPConnection] = {}

    def all_have_one() -> bool:
        connection = stack.enter_context(closing(service.connection(timeout=60)))
        connection.connect()
        wait_until(lambda: worker_of(service, connection) is not None)
        worker = worker_of(service, connection)
        assert worker is not None
        if connections.setdefault(worker, connection) is not connection:
            connection.close()
        return len(connections) == 2

    wait_until(all_have_one)
    return list(connections.values())


def upload(service: RunningService, key: str, size: int) -> float:
    """Upload a file, and return for how many seconds the last piece waited for its answer."""
    tus = Tus(OverHttp(service.url))
    path = tus.created(size, Upload_Metadata=metadata(bucket_id="films", file_id=key)["Upload-Metadata"])
    block, digest, seconds = os.urandom(PIECE_BYTES - 8), hashlib.sha256(), 0.0
    with ExitStack() as stack:
        connections = connection_to_each_worker(service, stack)
        for number, offset in enumerate(range(0, size, PIECE_BYTES)):
            piece = number.to_bytes(8, "big") + block
            digest.update(piece)
            seconds = patch_seconds(connections[number % 2], path, offset, piece)
    file = httpx.get(f"{service.url}/files/info/films/{key}", headers=bearer()).json()
    assert (file["size"], file["sha256"]) == (size, digest.hexdigest())
    return seconds


def patch_seconds(connection: http.client.HTTPConnection, path: str, offset: int, piece: bytes) -> float:
    began = time.monotonic()
    connection.request("PATCH", path, body=piece, headers={**VERSION, **PIECE, "Upload-Offset": str(offset)})
    with connection.getresponse() as answer:
        assert (answer.status, answer.headers["Upload-Offset"]) == (204, str(offset + len(piece))), answer.read()
    return time.monotonic() - began


@pytest.mark.slow
def test_large_upload_in_pieces_on_alternating_workers(
    tmp_path: Path, long: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    size = (1024 if long else 64) * MIB
    with RunningService(tmp_path / "store", DURABILITY="fsync") as service:
        httpx.post(f"{service.url}/buckets", json={"name": "films"}, headers=bearer()).raise_for_status()
        seconds = upload(service, "one", size)
        with Watch(service) as watch, ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda number: upload(service, str(number), size // 2), range(AT_ONCE)))
    if long:
        with capsys.disabled():
            sys.stdout.write(f"\nthe last piece took {seconds:.2f} s; memory grew by {watch.growth / MIB:.0f} MiB\n")
    assert not long or seconds < LAST_SECONDS
    assert watch.growth < MAX_GROWTH, f"memory grew by {watch.growth / MIB:.0f} MiB"
