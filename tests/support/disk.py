"""Disks that fail: full ones, read-only ones, and calls that the operating system refuses; and what is done on them."""

import hashlib
import itertools
import json
import os
import resource
import secrets
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from storage_app.blobstore import key_hash
from tests.support.raw_http import left_behind
from tests.support.service import RunningService, wait_briefly


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes: the kernel refuses the write, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def refuse(monkeypatch: pytest.MonkeyPatch, call: str, number: int) -> None:
    """Make `os.<call>` fail with the errno `number`."""

    def failing(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(f"os.{call}", failing)


@contextmanager
def syncs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Collect the paths that are synced, as they are called at that moment."""
    synced: list[Path] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        real(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", fsync)
        yield synced


PAGE = 4096
_TRIES = 100


class SmallDisk:
    """A disk of its own at `path`, on which room can be taken away to the page, or to the file, and given back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"
        self._crowd = path / "crowd"

    def leave_pages(self, count: int) -> None:
        """Take all room but `count` pages, of which a file takes whole ones."""
        for _ in range(_TRIES):
            with suppress(OSError):  # a service that is at work may have taken some just now
                self._move_ballast(self._free_bytes() - count * PAGE)
            if self._free_bytes() == count * PAGE:
                return
        raise AssertionError(f"{self._free_bytes()} bytes are free, not {count} pages")

    def leave_files(self, count: int) -> None:
        """Take all room for new files and directories but for `count` of them."""
        self._crowd.mkdir()
        for _ in range(_TRIES):
            with suppress(OSError):
                self._move_crowd(os.statvfs(self.path).f_favail - count)
            if os.statvfs(self.path).f_favail == count:
                return
        raise AssertionError(f"there is room for {os.statvfs(self.path).f_favail} files, not for {count}")

    def _move_ballast(self, change: int) -> None:
        with self._ballast.open("ab") as ballast:
            size = ballast.tell() + change
            os.truncate(ballast.fileno(), max(0, min(size, ballast.tell())))
            if change > 0:
                os.posix_fallocate(ballast.fileno(), 0, size)

    def _move_crowd(self, change: int) -> None:
        for _ in range(change):
            (self._crowd / secrets.token_hex(8)).touch()
        for path in list(self._crowd.iterdir())[: max(0, -change)]:
            path.unlink()

    def give_back(self) -> None:
        self._ballast.unlink(missing_ok=True)
        if self._crowd.exists():
            shutil.rmtree(self._crowd)

    def _free_bytes(self) -> int:
        disk = os.statvfs(self.path)
        return disk.f_bavail * disk.f_frsize


@contextmanager
def small_disk(path: Path, *, size: str, files: int = 0) -> Iterator[SmallDisk]:
    """Mount a disk in memory at `path`, for at most `files` files if any number is given; skips where it may not."""
    path.mkdir()
    with _mounted(path, ("-t", "tmpfs", "-o", f"size={size},nr_inodes={files}", "tmpfs", str(path))):
        yield SmallDisk(path)


@contextmanager
def read_only(path: Path) -> Iterator[None]:
    """Let nothing below `path` be written by its path; what is open stays as it is. Skips where it may not."""
    with _mounted(path, ("--bind", str(path), str(path))):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(path)], check=True)
        yield


@contextmanager
def _mounted(path: Path, arguments: tuple[str, ...]) -> Iterator[None]:
    mounted = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"this needs root, to mount a disk: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


# What clients do to a store on such a disk

OLD, NEW = b"o" * 5000, b"n" * 10_000
PUT_RIGHT_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Target:
    """A key of a bucket, or, for what is done to buckets, a bucket called after both."""

    client: httpx.Client
    bucket: str
    key: str

    @property
    def other_bucket(self) -> str:
        return f"{self.bucket}-{self.key}"


# None of them says how long the bytes are: for want of room they would be refused before the first one.


def upload(target: Target, content: bytes = NEW) -> httpx.Response:
    return target.client.put(f"/files/upload-direct/{target.bucket}/{target.key}", content=iter([content]))


def upload_form(target: Target) -> httpx.Response:
    fields = {"file_id": target.key, "overwrite": "true"}
    return target.client.post(f"/files/upload/{target.bucket}", data=fields, files={"file": ("name", NEW)})


def upload_signed(target: Target) -> httpx.Response:
    link = target.client.post(f"/files/presigned-url/upload/{target.bucket}/{target.key}", json={})
    return target.client.put(link.raise_for_status().json()["upload_url"], content=iter([NEW]))


def edit(target: Target) -> httpx.Response:
    return target.client.put(f"/files/metadata/{target.bucket}/{target.key}", json={"metadata": {"seen": True}})


def delete(target: Target) -> httpx.Response:
    return target.client.delete(f"/files/{target.bucket}/{target.key}")


def create_bucket(target: Target) -> httpx.Response:
    return target.client.post("/buckets", json={"name": target.other_bucket})


def change_bucket(target: Target) -> httpx.Response:
    return target.client.put(f"/buckets/{target.other_bucket}", json={"description": "changed"})


def delete_bucket(target: Target) -> httpx.Response:
    return target.client.delete(f"/buckets/{target.other_bucket}")


def nothing(_: Target) -> None:
    pass


def an_old_file(target: Target) -> None:
    upload(target, OLD).raise_for_status()


def a_bucket(target: Target) -> None:
    create_bucket(target).raise_for_status()


def file_there(target: Target) -> object:
    """Return the bytes and the metadata that a client gets, None where there is no file."""
    answer = target.client.get(f"/files/download/{target.bucket}/{target.key}")
    if answer.status_code == 404:
        return None
    described = target.client.get(f"/files/info/{target.bucket}/{target.key}").raise_for_status()
    return answer.raise_for_status().content, described.json()["metadata"]


def bucket_there(target: Target) -> object:
    """Return the description of the bucket, False where there is no bucket."""
    answer = target.client.get(f"/buckets/{target.other_bucket}")
    return answer.status_code == 200 and answer.json()["description"]


@dataclass(frozen=True, slots=True)
class Operation:
    """What a client does; `staged` is how many files it writes on the way."""

    name: str
    prepare: Callable[[Target], None]
    act: Callable[[Target], httpx.Response]
    before: object
    after: object
    look: Callable[[Target], object] = file_there
    staged: int = 0


UPLOAD = Operation("upload", nothing, upload, before=None, after=(NEW, {}), staged=2)
OVERWRITE = Operation("overwrite", an_old_file, upload, before=(OLD, {}), after=(NEW, {}), staged=2)
WRITES = [
    UPLOAD,
    OVERWRITE,
    Operation("edit", an_old_file, edit, before=(OLD, {}), after=(OLD, {"seen": True}), staged=1),
    Operation("create-bucket", nothing, create_bucket, before=False, after=None, look=bucket_there, staged=1),
]
MORE_WRITES = [
    Operation("upload-by-form", nothing, upload_form, before=None, after=(NEW, {}), staged=2),
    Operation("upload-by-signed-url", nothing, upload_signed, before=None, after=(NEW, {}), staged=2),
    Operation("change-bucket", a_bucket, change_bucket, before=None, after="changed", look=bucket_there, staged=1),
]
DELETE = Operation("delete", an_old_file, delete, before=(OLD, {}), after=None)
DELETE_BUCKET = Operation("delete-bucket", a_bucket, delete_bucket, before=None, after=False, look=bucket_there)
EVERYTHING = [*WRITES, *MORE_WRITES, DELETE, DELETE_BUCKET]

_buckets = itertools.count(1)


def fresh_targets(client: httpx.Client, operation: Operation) -> Iterator[Target]:
    """Make a bucket, and targets in it whose keys have subdirectories of their own: making one is a step, too."""
    bucket = f"for-{operation.name}-{next(_buckets)}"
    client.post("/buckets", json={"name": bucket}).raise_for_status()
    keys = {key_hash(key)[:2]: key for key in map(str, range(5000))}
    return (Target(client, bucket, key) for key in keys.values())


def assert_sound(service: RunningService, client: httpx.Client) -> None:
    """Assert that nothing is left, and that clients see, byte for byte, what lies on the disk."""
    deadline = time.monotonic() + PUT_RIGHT_SECONDS
    while left_behind(service) and time.monotonic() < deadline:
        wait_briefly()
    assert left_behind(service) == []
    buckets = {bucket["name"]: bucket for bucket in client.get("/buckets").raise_for_status().json()}
    assert set(buckets) == {path.parent.name for path in service.storage_path.glob("*/.bucket.json")}
    for name, bucket in buckets.items():
        files = client.get(f"/files/list/{name}").raise_for_status().json()
        assert {file["id"]: file["sha256"] for file in files} == files_on_disk(service, name)
        assert (bucket["file_count"], bucket["total_size"]) == (len(files), sum(file["size"] for file in files))


def files_on_disk(service: RunningService, bucket: str) -> dict[str, str]:
    """Return the SHA-256 of the bytes of each key; asserts that no other bytes are there but those to be removed."""
    files, directory = {}, service.storage_path / bucket
    blobs = {path.name: path for path in directory.glob("??/*") if path.suffix != ".json"}
    for path in directory.glob("??/*.json"):
        sidecar = json.loads(path.read_bytes())
        files[sidecar["key"]] = hashlib.sha256(blobs.pop(sidecar["blob"]).read_bytes()).hexdigest()
    with closing(sqlite3.connect(f"file:{service.storage_path}/.system/index.sqlite3?mode=ro", uri=True)) as index:
        assert set(blobs) <= {blob for (blob,) in index.execute("SELECT blob FROM memories")}
    return files
