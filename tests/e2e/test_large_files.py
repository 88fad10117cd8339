"""A large file up by form and by signed PUT, and down again, in constant memory. `--long`: 1 GiB."""

import hashlib
import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.memory import Watch
from tests.support.service import RunningService, bearer, wait_briefly
from tests.support.strace import traced

MIB = 1024 * 1024
MAX_GROWTH = 50 * MIB


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory, long: bool) -> Path:
    path = tmp_path_factory.mktemp("large") / "large.bin"
    block = hashlib.shake_256(b"seed").digest(MIB)
    with path.open("wb") as file:
        for number in range(1024 if long else 128):
            file.write(number.to_bytes(8, "big") + block[8:])
    return path


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def form_pieces(path: Path, boundary: str) -> Iterator[bytes]:
    yield (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    with path.open("rb") as file:
        while piece := file.read(MIB):
            yield piece
    yield f"\r\n--{boundary}--\r\n".encode()


def download(url: str, headers: dict[str, str]) -> str:
    digest = hashlib.sha256()
    with httpx.stream("GET", url, headers=headers, timeout=60) as response:
        assert response.status_code == 200
        for piece in response.iter_raw(MIB):
            digest.update(piece)
    return digest.hexdigest()


def test_large_file_goes_up_and_down_in_constant_memory(
    start_service: Callable[..., RunningService], large_file: Path
) -> None:
    service = start_service()
    expected, size = sha256_of(large_file), large_file.stat().st_size
    httpx.post(f"{service.url}/buckets", json={"name": "large"}, headers=bearer()).raise_for_status()

    with Watch(service) as watch:
        form = httpx.post(
            f"{service.url}/files/upload/large",
            content=form_pieces(large_file, "boundary"),
            headers={**bearer(), "Content-Type": "multipart/form-data; boundary=boundary"},
            timeout=120,
        )
        link = httpx.post(
            f"{service.url}/files/initiate-upload",
            json={"bucket_id": "large", "filename": "signed.bin", "size": size, "sha256": expected},
            headers=bearer(),
        ).json()
        with large_file.open("rb") as file:
            signed = httpx.put(link["upload_url"], content=file, headers={"Content-Length": str(size)}, timeout=120)
        downloads = [
            download(f"{service.url}/files/download/large/large.bin", bearer()),
            download(f"{service.url}/files/download/large/signed.bin", bearer()),
        ]

    assert (form.status_code, form.json()["sha256"], form.json()["size"]) == (201, expected, size)
    assert (signed.status_code, signed.json()["sha256"]) == (201, expected)
    assert downloads == [expected, expected]
    assert watch.growth < MAX_GROWTH, f"memory grew by {watch.growth / MIB:.0f} MiB"


def test_last_bytes_of_a_large_file_are_a_range(service: RunningService, bucket: str, large_file: Path) -> None:
    with large_file.open("rb") as file:
        httpx.put(
            f"{service.url}/files/upload-direct/{bucket}/large.bin", content=file, headers=bearer(), timeout=120
        ).raise_for_status()
    size = large_file.stat().st_size

    response = httpx.get(
        f"{service.url}/files/download/{bucket}/large.bin", headers={**bearer(), "Range": "bytes=-100"}
    )

    assert response.status_code == 206
    assert response.headers["Content-Range"] == f"bytes {size - 100}-{size - 1}/{size}"
    with large_file.open("rb") as file:
        file.seek(size - 100)
        assert response.content == file.read()


def test_unfinished_body_leaves_nothing(service: RunningService, bucket: str) -> None:
    connection = service.connection()
    connection.putrequest("PUT", f"/files/upload-direct/{bucket}/short.bin")
    for name, value in {**bearer(), "Content-Length": str(10 * MIB)}.items():
        connection.putheader(name, value)
    connection.endheaders(b"x" * MIB)
    staging = service.storage_path / ".system" / "staging"
    wait_until(lambda: any(path.is_file() and path.stat().st_size > 0 for path in staging.rglob("*")))
    connection.close()

    wait_until(lambda: not any(path.is_file() for path in staging.rglob("*")))
    assert httpx.get(f"{service.url}/files/list/{bucket}", headers=bearer()).json() == []
    assert [path.name for path in (service.storage_path / bucket).iterdir()] == [".bucket.json"]


def wait_until(condition: Callable[[], bool], looks: int = 500) -> None:
    for _ in range(looks):
        if condition():
            return
        wait_briefly()
    raise AssertionError("it did not come true in time")


def test_declared_length_is_believed_before_bytes_come(service: RunningService, bucket: str) -> None:
    limit = {"max_file_size": MIB}
    httpx.put(f"{service.url}/buckets/{bucket}", json=limit, headers=bearer()).raise_for_status()
    connection = service.connection()
    connection.putrequest("PUT", f"/files/upload-direct/{bucket}/big.bin")
    for name, value in {**bearer(), "Content-Length": str(1024 * MIB)}.items():
        connection.putheader(name, value)
    connection.endheaders()  # and not one byte of the body

    response: http.client.HTTPResponse = connection.getresponse()

    problem = json.loads(response.read())
    response.close()
    connection.close()
    assert (response.status, problem["code"], problem["limit"]) == (413, "file_too_large", MIB)


def test_bytes_leave_by_sendfile(tmp_path: Path) -> None:
    with RunningService(tmp_path / "store", WEB_CONCURRENCY="1", SENDFILE="no") as service:
        httpx.post(f"{service.url}/buckets", json={"name": "large"}, headers=bearer()).raise_for_status()
        url = f"{service.url}/files/upload-direct/large/a"
        httpx.put(url, content=bytes(MIB), headers=bearer()).raise_for_status()
        with (
            httpx.Client(base_url=service.url, headers=bearer()) as client,
            traced(service.worker_pids()[0], tmp_path / "calls", names=("sendfile", "setsockopt")) as calls,
        ):
            answer = client.get("/files/download/large/a")
            client.get("/health")  # by the same connection, so after the end of that request: its bytes may come before
    assert answer.content == bytes(MIB)
    assert [call.name for call in calls][-2:] == ["sendfile", "setsockopt"]  # which sends what is no full packet
