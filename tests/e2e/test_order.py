"""What a power cut could take is on the disk, in the order that recovery relies on, before a client is answered."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from storage_app.blobstore import key_hash
from tests.support.service import RunningService, bearer
from tests.support.strace import Call, traced

SENDS = ("sendto", "sendmsg", "writev", "write", "sendfile")
SYNCS = ("fsync", "fdatasync")
TRACED = (*SENDS, *SYNCS, "link", "rename", "mkdir")

# What lies in the store, by its path there. What is staged has random names, and is numbered as it comes.
PLACES = (
    (r"\.", "root"),
    (r"\.system/index\..*", "index"),
    (r"\.system/trash", "trash"),
    (r"\.system/trash/[^/]+", "bucket in trash"),
    (r"\.system/staging/\w+/(\w+)", "staged {}"),
    (r"\.system/staging/\w+/(\w+)/\.bucket\.json", "record in staged {}"),
    (r"[^./]+", "bucket"),
    (r"[^./]+/\.bucket\.json", "record"),
    (r"[^./]+/[0-9a-f]{2}", "subdirectory"),
    (r"[^./]+/[0-9a-f]{2}/[0-9a-f]{32}\.json", "sidecar"),
    (r"[^./]+/[0-9a-f]{2}/[0-9a-f]{32}-.+", "bytes"),
)
_STAGED = re.compile(r"rename (staged \d+) to")


@dataclass(frozen=True, slots=True)
class Site:
    """Where an operation takes place: a key, in a bucket of its own, of the store at `root`."""

    client: httpx.Client
    root: Path
    bucket: str
    key: str = "a"

    @property
    def subdirectory(self) -> Path:
        return self.root / self.bucket / key_hash(self.key)[:2]

    def neighbour(self) -> str:
        """Find another key whose files lie in the same subdirectory."""
        return next(key for key in map(str, range(100_000)) if key_hash(key)[:2] == self.subdirectory.name)


# Each makes what must be there, and returns the request that is looked at.


def upload(site: Site) -> httpx.Request:
    return site.client.build_request("PUT", f"/files/upload-direct/{site.bucket}/{site.key}", content=b"new")


def upload_beside_another(site: Site) -> httpx.Request:
    site.client.send(upload(replace(site, key=site.neighbour()))).raise_for_status()
    return upload(site)


def upload_where_another_process_was(site: Site) -> httpx.Request:
    # It made the subdirectory, and may not have come to syncing it.
    site.subdirectory.mkdir()
    return upload(site)


def upload_form(site: Site) -> httpx.Request:
    fields = {"file_id": site.key}
    return site.client.build_request(
        "POST", f"/files/upload/{site.bucket}", data=fields, files={"file": ("name", b"new")}
    )


def upload_signed(site: Site) -> httpx.Request:
    link = site.client.post(f"/files/presigned-url/upload/{site.bucket}/{site.key}", json={}).raise_for_status()
    return site.client.build_request("PUT", link.json()["upload_url"], content=b"new")


def overwrite(site: Site) -> httpx.Request:
    site.client.send(upload(site)).raise_for_status()
    return upload(site)


def edit(site: Site) -> httpx.Request:
    site.client.send(upload(site)).raise_for_status()
    return site.client.build_request("PUT", f"/files/metadata/{site.bucket}/{site.key}", json={"metadata": {"n": 1}})


def delete(site: Site) -> httpx.Request:
    site.client.send(upload(site)).raise_for_status()
    return site.client.build_request("DELETE", f"/files/{site.bucket}/{site.key}")


def delete_many(site: Site) -> httpx.Request:
    for key in (site.key, "other"):
        site.client.send(upload(replace(site, key=key))).raise_for_status()
    return site.client.build_request("POST", f"/files/delete/{site.bucket}", json={"file_ids": [site.key, "other"]})


def copy(site: Site) -> httpx.Request:
    site.client.send(upload(replace(site, key="source"))).raise_for_status()
    places = {"source": "source", "destination": site.key}
    body = {name: {"bucket_id": site.bucket, "file_id": key} for name, key in places.items()}
    return site.client.build_request("POST", "/files/copy", json=body)


def move(site: Site) -> httpx.Request:
    request = copy(site)
    return site.client.build_request("POST", "/files/move", content=request.content, headers=request.headers)


def create_bucket(site: Site) -> httpx.Request:
    return site.client.build_request("POST", "/buckets", json={"name": f"{site.bucket}-too"})


def change_bucket(site: Site) -> httpx.Request:
    return site.client.build_request("PUT", f"/buckets/{site.bucket}", json={"description": "changed"})


def delete_bucket(site: Site) -> httpx.Request:
    return site.client.build_request("DELETE", f"/buckets/{site.bucket}")


WRITTEN = ["fsync staged 1", "fsync staged 2"]
PLACED = ["rename staged 1 to bytes", "rename staged 2 to sidecar", "fsync subdirectory"]

# What is asked, and what must be done, in this order and whatever else comes between, before the answer's first byte.
ORDERS: Mapping[str, tuple[Callable[[Site], httpx.Request], Sequence[str]]] = {
    "upload": (upload, [*WRITTEN, *PLACED]),
    "upload into a new subdirectory": (upload, ["mkdir subdirectory", "fsync bucket", *PLACED]),
    "upload into the subdirectory of another process": (upload_where_another_process_was, ["fsync bucket", *PLACED]),
    "upload beside another file": (upload_beside_another, [*WRITTEN, *PLACED]),
    "upload by form": (upload_form, [*WRITTEN, *PLACED]),
    "upload by signed URL": (upload_signed, [*WRITTEN, *PLACED]),
    "overwrite": (overwrite, [*WRITTEN, *PLACED]),
    "edit": (edit, ["fsync staged 1", "rename staged 1 to sidecar", "fsync subdirectory"]),
    "copy": (copy, [*WRITTEN, *PLACED]),
    "move": (move, [*WRITTEN, *PLACED, "rename sidecar to staged 3", "fsync subdirectory"]),
    "delete": (delete, ["rename sidecar to staged 1", "fsync subdirectory"]),
    "delete many": (delete_many, ["rename sidecar to staged 1", "fsync subdirectory"]),
    "create bucket": (
        create_bucket,
        ["mkdir staged 1", "fsync record in staged 1", "fsync staged 1", "rename staged 1 to bucket", "fsync root"],
    ),
    "change bucket": (change_bucket, ["fsync staged 1", "rename staged 1 to record", "fsync bucket"]),
    "delete bucket": (delete_bucket, ["rename bucket to bucket in trash", "fsync root"]),
    "delete bucket, the other directory": (delete_bucket, ["rename bucket to bucket in trash", "fsync trash"]),
}


@pytest.fixture(scope="module")
def durable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    path = tmp_path_factory.mktemp("durable") / "store"
    with RunningService(path, WEB_CONCURRENCY="1", DURABILITY="fsync") as service:
        yield service


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    path = tmp_path_factory.mktemp("fast") / "store"
    with RunningService(path, WEB_CONCURRENCY="1", DURABILITY="none") as service:
        yield service


@pytest.mark.parametrize("operation", ORDERS)
def test_write_is_on_the_disk_in_order_before_the_answer(
    durable: RunningService, operation: str, tmp_path: Path
) -> None:
    request, order = ORDERS[operation]
    steps = steps_before_the_answer(durable, request, tmp_path / "trace")
    assert_in_order(order, steps)
    for step in steps:
        if renamed := _STAGED.match(step):
            assert last_on(renamed[1], steps[: steps.index(step)]) == f"fsync {renamed[1]}", steps


@pytest.mark.parametrize("operation", ORDERS)
def test_write_keeps_its_order_but_waits_for_no_disk_where_durability_is_none(
    fast: RunningService, operation: str, tmp_path: Path
) -> None:
    request, order = ORDERS[operation]
    steps = steps_before_the_answer(fast, request, tmp_path / "trace")
    assert_in_order([step for step in order if not is_sync(step)], steps)
    assert not [step for step in steps if is_sync(step)]


def steps_before_the_answer(service: RunningService, request: Callable[[Site], httpx.Request], log: Path) -> list[str]:
    """Return what the request's thread does to the store until it begins to send the answer, which is a success."""
    with httpx.Client(base_url=service.url, headers=bearer(), timeout=30) as client:
        site = Site(client, service.storage_path, f"for-{os.urandom(6).hex()}")
        client.send(bucket_of(site)).raise_for_status()
        prepared = request(site)
        with traced(service.worker_pids()[0], log, names=TRACED) as calls:
            client.send(prepared).raise_for_status()
    answered = next(number for number, call in enumerate(calls) if is_sent(call))
    own = [call for call in calls[:answered] if call.thread == calls[answered].thread and not call.error]
    return list(described(own, service.storage_path))


def bucket_of(site: Site) -> httpx.Request:
    return site.client.build_request("POST", "/buckets", json={"name": site.bucket})


def is_sent(call: Call) -> bool:
    return call.name in SENDS and call.path.startswith("socket:")


def is_sync(step: str) -> bool:
    """Whether a file of the store is synced; SQLite syncs the index now and then, as it sees fit."""
    return step.startswith(SYNCS) and not step.endswith(" index")


def described(calls: Sequence[Call], root: Path) -> Iterator[str]:
    """Say what each of the calls on the store does, in the words of the table."""
    staged: dict[str, int] = {}
    for call in calls:
        if call.path.startswith(str(root)):
            target = f" to {place(call.target, root, staged)}" if call.target else ""
            yield f"{call.name} {place(call.path, root, staged)}{target}"


def place(path: str, root: Path, staged: dict[str, int]) -> str:
    below = os.path.relpath(path, root)
    for pattern, name in PLACES:
        if found := re.fullmatch(pattern, below):
            return name.format(*(staged.setdefault(one, len(staged) + 1) for one in found.groups()))
    return below


def assert_in_order(order: Sequence[str], steps: Sequence[str]) -> None:
    rest = iter(steps)
    for step in order:
        assert step in rest, (f"{step!r} is missing, or too early", steps)


def last_on(name: str, steps: Sequence[str]) -> str:
    """Return the last of `steps` that changes or syncs this very file or directory."""
    return next(step for step in reversed(steps) if step.split(" ", 1)[1] == name)
