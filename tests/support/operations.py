"""What clients do to a store on a disk that fails, and what they must find then and afterwards."""

import hashlib
import itertools
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import httpx

from storage_app.blobstore import key_hash
from tests.support.raw_http import MEMBERS, assert_sentence, left_behind
from tests.support.service import RunningService, wait_briefly

OLD, NEW = b"o" * 5000, b"n" * 10_000
RECOVERY_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Target:
    """A key of a bucket, or, for what is done to buckets, a bucket called after both."""

    client: httpx.Client
    bucket: str
    key: str

    @property
    def other_bucket(self) -> str:
        return f"{self.bucket}-{self.key}"

    @property
    def source(self) -> str:
        """The key of what is copied or moved to this one."""
        return f"source-{self.key}"


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


def delete_many(target: Target) -> httpx.Response:
    keys = [target.key, "never-there"]
    return target.client.post(f"/files/delete/{target.bucket}", json={"file_ids": keys})


def take_to(target: Target, route: str) -> httpx.Response:
    places = {"source": target.source, "destination": target.key}
    named = {name: {"bucket_id": target.bucket, "file_id": key} for name, key in places.items()}
    return target.client.post(f"/files/{route}", json=named | {"overwrite": True})


def copy(target: Target) -> httpx.Response:
    return take_to(target, "copy")


def move(target: Target) -> httpx.Response:
    return take_to(target, "move")


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


def a_source(target: Target) -> None:
    upload(replace(target, key=target.source), OLD).raise_for_status()


def a_bucket(target: Target) -> None:
    create_bucket(target).raise_for_status()


def file_there(target: Target) -> object:
    """Return the bytes and the metadata that a client gets, None where there is no file."""
    answer = target.client.get(f"/files/download/{target.bucket}/{target.key}")
    if answer.status_code == 404:
        return None
    described = target.client.get(f"/files/info/{target.bucket}/{target.key}").raise_for_status()
    return answer.raise_for_status().content, described.json()["metadata"]


def file_and_source(target: Target) -> object:
    return file_there(target), file_there(replace(target, key=target.source))


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
MOVE = Operation(
    "move", a_source, move, before=(None, (OLD, {})), after=((OLD, {}), None), look=file_and_source, staged=1
)
WRITES = [
    UPLOAD,
    OVERWRITE,
    Operation("edit", an_old_file, edit, before=(OLD, {}), after=(OLD, {"seen": True}), staged=1),
    Operation("create-bucket", nothing, create_bucket, before=False, after=None, look=bucket_there, staged=1),
]
MORE_WRITES = [
    Operation("upload-by-form", nothing, upload_form, before=None, after=(NEW, {}), staged=2),
    Operation("upload-by-signed-url", nothing, upload_signed, before=None, after=(NEW, {}), staged=2),
    Operation("copy", a_source, copy, before=None, after=(OLD, {}), staged=1),
    MOVE,
    Operation("change-bucket", a_bucket, change_bucket, before=None, after="changed", look=bucket_there, staged=1),
]
DELETE = Operation("delete", an_old_file, delete, before=(OLD, {}), after=None)
DELETE_MANY = Operation("delete-many", an_old_file, delete_many, before=(OLD, {}), after=None)
DELETE_BUCKET = Operation("delete-bucket", a_bucket, delete_bucket, before=None, after=False, look=bucket_there)
EVERYTHING = [*WRITES, *MORE_WRITES, DELETE, DELETE_MANY, DELETE_BUCKET]

_buckets = itertools.count(1)


def fresh_targets(client: httpx.Client, operation: Operation) -> Iterator[Target]:
    """Make a bucket, and targets in it whose keys have subdirectories of their own: making one is a step, too."""
    bucket = f"for-{operation.name}-{next(_buckets)}"
    client.post("/buckets", json={"name": bucket}).raise_for_status()
    keys = {key_hash(key)[:2]: key for key in map(str, range(5000))}
    return (Target(client, bucket, key) for key in keys.values())


def attempt(operation: Operation, target: Target, where: str) -> bool:
    """Do it on the failing disk and say whether it was done: whole or, in one sentence, not; reading always works."""
    answer = operation.act(target)
    if answer.is_success:
        assert operation.look(target) == operation.after, where
    else:
        assert_refused(answer, where)
        assert operation.look(target) in (operation.before, operation.after), where
    return answer.is_success


def repeat(operation: Operation, target: Target, where: str) -> None:
    """Do it again on the mended disk. What had happened before the refusal may now be nothing, or a conflict."""
    answer = operation.act(target)
    assert answer.is_success or answer.status_code in (404, 409), (where, answer.text)
    assert operation.look(target) == operation.after, where


def assert_refused(answer: httpx.Response, where: str) -> None:
    assert answer.status_code in (503, 507), (where, answer.text)
    assert answer.headers["Content-Type"] == "application/problem+json", where
    problem = answer.json()
    assert set(problem) == MEMBERS, where
    assert problem["code"] == {503: "unavailable", 507: "insufficient_storage"}[answer.status_code], where
    assert ("Retry-After" in answer.headers) == (answer.status_code == 503), where
    assert_sentence(problem["detail"])


def assert_sound(service: RunningService, client: httpx.Client) -> None:
    """Assert that nothing is left, and that clients see, byte for byte, what lies on the disk."""
    deadline = time.monotonic() + RECOVERY_SECONDS
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
        assert set(blobs) <= {blob for (blob,) in index.execute("SELECT blob FROM pending_deletions")}
    return files
