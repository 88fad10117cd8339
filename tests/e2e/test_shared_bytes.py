"""Copies that share their bytes: no blob changes once it is placed, backups keep them whole, and they take no time."""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.service import RunningService, bearer
from tests.support.strace import traced

# Calls that change the bytes, the size or the mode of a file.
CHANGING = (
    *("write", "writev", "pwrite64", "pwritev", "pwritev2", "copy_file_range", "sendfile", "splice"),
    *("truncate", "ftruncate", "fallocate", "chmod", "fchmod", "fchmodat", "utimensat", "fsetxattr"),
)
# That give a file another name, or a second one.
NAMING = ("rename", "renameat", "renameat2", "link", "linkat")
PLACED = re.compile(r"/[^/]+/[0-9a-f]{2}/[0-9a-f]{32}-[^/]+$")
GIB = 1024**3
MOST_SECONDS = 0.05


def places(*keys: str) -> dict[str, dict[str, str]]:
    named = zip(("source", "destination"), keys, strict=True)
    return {name: {"bucket_id": "photos", "file_id": key} for name, key in named}


@pytest.fixture
def client(start_service: Callable[..., RunningService]) -> Iterator[tuple[RunningService, httpx.Client]]:
    service = start_service(WEB_CONCURRENCY="1", DURABILITY="fsync")
    with httpx.Client(base_url=service.url, headers=bearer(), timeout=60) as client:
        client.post("/buckets", json={"name": "photos"}).raise_for_status()
        yield service, client


def test_placed_blob_never_changes(client: tuple[RunningService, httpx.Client], tmp_path: Path) -> None:
    """Whatever is done to the file, or to a copy that shares its bytes: the service only gives and takes names."""
    service, http = client
    with traced(service.worker_pids()[0], tmp_path / "trace", names=(*CHANGING, *NAMING)) as calls:
        for key in ("a", "b", "a"):
            http.put(f"/files/upload-direct/photos/{key}", content=os.urandom(5000)).raise_for_status()
        for source, target in (("a", "c"), ("b", "a"), ("c", "b")):
            body = places(source, target) | {"overwrite": True, "metadata": {"n": 1}}
            http.post("/files/copy", json=body).raise_for_status()
        http.put("/files/metadata/photos/c", json={"content_type": "text/x-a"}).raise_for_status()
        http.put("/files/upload-direct/photos/c", content=b"new").raise_for_status()
        http.get("/files/download/photos/a").raise_for_status()
        http.delete("/files/photos/a").raise_for_status()
    shared: set[str] = set()
    for call in calls:
        if call.name in NAMING and PLACED.search(call.path):
            shared.add(call.target)
        assert not (call.name in CHANGING and (PLACED.search(call.path) or call.path in shared)), call
    names = {call.name for call in calls}
    assert {"write", "rename"} <= names
    assert len(shared) == (3 if "link" in names else 0)


@pytest.mark.parametrize(
    ("command", "keeps"),
    [
        ("tar --exclude=./.system -cf ../backup.tar . && mkdir ../backup && tar -C ../backup -xpf ../backup.tar", True),
        pytest.param("rsync -a --exclude=/.system/ ./ ../backup/", False, marks=pytest.mark.ci),
        ("rsync -aH --exclude=/.system/ ./ ../backup/", True),
        pytest.param("cp -a . ../backup && rm -r ../backup/.system", True, marks=pytest.mark.ci),
    ],
    ids=["tar", "rsync -a", "rsync -aH", "cp -a"],
)
def test_backup_has_every_copy_and_may_keep_it_shared(
    client: tuple[RunningService, httpx.Client],
    start_service: Callable[..., RunningService],
    command: str,
    keeps: bool,
) -> None:
    service, http = client
    http.put("/files/upload-direct/photos/a", content=b"the same").raise_for_status()
    http.post("/files/copy", json=places("a", "b")).raise_for_status()
    shares = links_of(service.storage_path) == [2, 2]
    subprocess.run(["bash", "-ec", command], cwd=service.storage_path, check=True)
    backup = service.storage_path.with_name("backup")
    assert links_of(backup) == ([2, 2] if keeps and shares else [1, 1])
    service.stop()
    restored = RunningService(backup)
    with restored, httpx.Client(base_url=restored.url, headers=bearer()) as again:
        again.put("/files/upload-direct/photos/a", content=b"another").raise_for_status()
        assert again.get("/files/download/photos/b").content == b"the same"


def test_copy_of_a_gibibyte_takes_less_than_50_milliseconds(
    client: tuple[RunningService, httpx.Client], start_service: Callable[..., RunningService]
) -> None:
    service, http = client
    http.put("/files/upload-direct/photos/large", content=b"x").raise_for_status()
    service.stop()
    grow(service.storage_path, GIB)
    again = start_service(service.storage_path, DURABILITY="fsync")
    with httpx.Client(base_url=again.url, headers=bearer(), timeout=60) as http:
        taken = [seconds_to_copy(http, f"copy-{number}") for number in range(10)]
        assert http.get("/buckets/photos").json()["total_size"] == 11 * GIB
        assert int(http.head("/files/download/photos/copy-9").headers["Content-Length"]) == GIB
    print(f"{1000 * min(taken):.1f} ms")  # noqa: T201  read it with -rP
    assert min(taken) < MOST_SECONDS  # the fastest one, because this machine may be busy


def grow(root: Path, size: int) -> None:
    """Make the only file of a store `size` bytes large, by hand, without taking room for them."""
    (sidecar,) = root.glob("photos/??/*.json")
    record = json.loads(sidecar.read_text())
    os.truncate(sidecar.with_name(record["blob"]), size)
    sidecar.write_text(json.dumps(record | {"size": size}))
    for path in root.glob(".system/index.sqlite3*"):
        path.unlink()


def seconds_to_copy(http: httpx.Client, key: str) -> float:
    began = time.monotonic()
    http.post("/files/copy", json=places("large", key)).raise_for_status()
    return time.monotonic() - began


def links_of(root: Path) -> list[int]:
    return [path.stat().st_nlink for path in sorted(root.glob("photos/??/*-*"))]
