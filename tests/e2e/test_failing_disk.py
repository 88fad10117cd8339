"""Under a disk that is full, fails or cannot be written: what is refused leaves nothing, and all goes on afterwards."""

import itertools
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.support.disk import SmallDisk, read_only, small_disk
from tests.support.operations import (
    DELETE,
    DELETE_BUCKET,
    DELETE_MANY,
    EVERYTHING,
    MORE_WRITES,
    MOVE,
    NEW,
    OLD,
    OVERWRITE,
    RECOVERY_SECONDS,
    UPLOAD,
    WRITES,
    Operation,
    Target,
    assert_refused,
    assert_sound,
    attempt,
    fresh_targets,
    repeat,
    upload,
)
from tests.support.raw_http import assert_nothing_left, left_behind
from tests.support.service import RunningService, bearer, wait_briefly
from tests.support.strace import Call, failing_from, failing_once, telling, traced

MANY = 64  # more pages, and more files, than any write here needs


def client_of(service: RunningService) -> httpx.Client:
    return httpx.Client(base_url=service.url, headers=bearer(), timeout=30)


def one_process(path: Path, **environment: str) -> RunningService:
    return RunningService(path, WEB_CONCURRENCY="1", DURABILITY="fsync", LOG_LEVEL="ERROR", **environment)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service of one thread, so that the n-th call of a request is the n-th of its thread."""
    with one_process(tmp_path_factory.mktemp("single") / "store", THREADS="1") as service:
        yield service


@pytest.fixture(scope="module")
def full_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SmallDisk, RunningService]]:
    with (
        small_disk(tmp_path_factory.mktemp("small") / "disk", size="32m", files=3000) as disk,
        one_process(disk.path / "store") as service,
    ):
        yield disk, service


@pytest.fixture
def service(full_disk: tuple[SmallDisk, RunningService]) -> RunningService:
    return full_disk[1]


@pytest.fixture
def disk(full_disk: tuple[SmallDisk, RunningService]) -> Iterator[SmallDisk]:
    yield full_disk[0]
    full_disk[0].give_back()


@pytest.fixture
def client(service: RunningService) -> Iterator[httpx.Client]:
    with client_of(service) as client:
        yield client


def test_disk_that_is_full_at_any_step_refuses_the_write(
    service: RunningService, disk: SmallDisk, client: httpx.Client, tmp_path: Path, long: bool
) -> None:
    recorded: set[str] = set()
    for operation in WRITES + MORE_WRITES:
        steps: list[str] = []
        pages, each_page = 0, long or operation in WRITES
        for target in itertools.islice(fresh_targets(client, operation), MANY):
            where = f"{operation.name} with {pages} pages left"
            operation.prepare(target)
            empty_log(service)
            disk.leave_pages(pages)
            with traced(service.worker_pids()[0], tmp_path / "trace") as calls:
                done = attempt(operation, target, where)
            disk.give_back()
            repeat(operation, target, where)
            if done:
                break
            steps.append(full_at(calls))
            assert_nothing_left(service)  # or recovery would meet the full disk next
            pages += 1 if long or (each_page and "COMMIT" not in steps) else 5
        else:
            raise AssertionError(operation.name)
        files = {f"file {number + 1}" for number in range(operation.staged)}
        assert set(steps) - {"intent"} == {"COMMIT", *files} or not each_page, operation.name
        if "intent" in steps:
            recorded.add(operation.name)
    # The first upload makes the intent log, in which the intents of others have room then; buckets are recorded in the
    # index.
    assert {"upload", "create-bucket"} <= recorded
    assert_sound(service, client)


def empty_log(service: RunningService) -> None:
    """Bring SQLite's log into its database, so that the next write to the index needs room for a new one."""
    with closing(sqlite3.connect(service.storage_path / ".system" / "index.sqlite3")) as index:
        assert index.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)


def full_at(calls: Sequence[Call]) -> str:
    """Name the step of a write for which there was no room."""
    number = next(number for number, call in enumerate(calls) if call.error == "ENOSPC")
    if ".system/intents/" in calls[number].path:
        return "intent"
    if "index.sqlite3" in calls[number].path:
        return "COMMIT" if any(call.name == "rename" for call in calls[:number]) else "intent"
    staged = {call.path for call in calls[: number + 1] if call.name == "write" and ".system/staging/" in call.path}
    return f"file {len(staged)}"


def test_disk_without_room_for_another_file_refuses_the_write(
    service: RunningService, disk: SmallDisk, client: httpx.Client
) -> None:
    for operation in WRITES + MORE_WRITES:
        for files, target in zip(range(MANY), fresh_targets(client, operation), strict=False):
            where = f"{operation.name} with room for {files} files"
            operation.prepare(target)
            disk.leave_files(files)
            done = attempt(operation, target, where)
            disk.give_back()
            repeat(operation, target, where)
            if done:
                break
        else:
            raise AssertionError(operation.name)
        assert files >= operation.staged, operation.name  # a new key makes a subdirectory besides
    assert_sound(service, client)


def test_deletes_work_on_a_full_disk(service: RunningService, disk: SmallDisk, client: httpx.Client) -> None:
    uploads = fresh_targets(client, UPLOAD)
    for pages in (0, 4):
        wait_for_reserve(service)
        doomed = [
            (operation, target)
            for operation, count in ((DELETE, 4), (DELETE_MANY, 4), (DELETE_BUCKET, 2))
            for target in itertools.islice(fresh_targets(client, operation), count)
        ]
        for operation, target in doomed:
            operation.prepare(target)
        empty_log(service)
        disk.leave_pages(pages)
        assert_refused(upload(next(uploads)), f"upload with {pages} pages left")
        for operation, target in doomed:
            assert attempt(operation, target, operation.name), f"{operation.name} with {pages} pages left"
        disk.give_back()
        upload(next(uploads)).raise_for_status()
    assert_sound(service, client)


def wait_for_reserve(service: RunningService) -> None:
    """Wait until room is put aside for deletes, as it is at a start and again some time after it was needed."""
    ballast, deadline = service.storage_path / ".system" / "ballast", time.monotonic() + RECOVERY_SECONDS
    while not (ballast.exists() and ballast.stat().st_blocks) and time.monotonic() < deadline:
        wait_briefly()
    assert ballast.exists()


@pytest.mark.parametrize("lasting", [False, True], ids=["one_call", "every_call_from_there_on"])
def test_call_that_fails_refuses_the_write(single: RunningService, tmp_path: Path, lasting: bool, long: bool) -> None:
    few = (OVERWRITE, MOVE, DELETE) if lasting else (*WRITES, MOVE, DELETE)
    with client_of(single) as client:
        for operation in EVERYTHING if long else few:
            targets = fresh_targets(client, operation)
            recorded = record(single, operation, next(targets), tmp_path / "trace")
            for call in recorded if long else telling(recorded, ends=not lasting):
                target, where = next(targets), f"{operation.name}, {call}"
                operation.prepare(target)
                injections = failing_from(call, recorded) if lasting else failing_once(call)
                with traced(single.worker_pids()[0], tmp_path / "trace", *injections) as calls:
                    attempt(operation, target, where)
                # How many pages of the index a write changes is not the same every time.
                assert any(call.injected for call in calls) or call.name == "pwrite64", where
                repeat(operation, target, where)
        assert_sound(single, client)


def record(service: RunningService, operation: Operation, target: Target, log: Path) -> list[Call]:
    """Return the calls on the store that the operation makes."""
    operation.prepare(target)
    with traced(service.worker_pids()[0], log) as calls:
        assert operation.act(target).is_success
    recorded = [call for call in calls if call.path.startswith(str(service.storage_path))]
    assert {"pwrite64", "fsync", "rename"} <= {call.name for call in recorded}
    return recorded


def test_disk_that_becomes_read_only_refuses_writes_until_it_is_mended(tmp_path: Path) -> None:
    with one_process(tmp_path / "store") as service, client_of(service) as client:
        targets = [(operation, next(fresh_targets(client, operation))) for operation in EVERYTHING]
        for operation, target in targets:
            operation.prepare(target)
        crowd = list(itertools.islice(fresh_targets(client, UPLOAD), 16))

        with read_only(service.storage_path):
            for operation, target in targets:
                assert not attempt(operation, target, operation.name)
                assert operation.look(target) == operation.before, operation.name
            for answer in at_once(upload, crowd):
                assert_refused(answer, "many uploads at once")
            assert_refused(client.get("/health/ready"), "ready")
            assert client.get("/health").status_code == 200
            assert_readable(client)

        # The connections to the index that were opened meanwhile are good again, too.
        for answer in at_once(upload, crowd):
            assert answer.status_code == 201, answer.text
        for operation, target in targets:
            repeat(operation, target, operation.name)
        wait_until_ready(client)
        assert_sound(service, client)


def wait_until_ready(client: httpx.Client) -> None:
    """Wait until readiness, which is looked at once a second, is seen again."""
    deadline = time.monotonic() + RECOVERY_SECONDS
    while (answer := client.get("/health/ready")).status_code != 200 and time.monotonic() < deadline:
        wait_briefly()
    assert answer.status_code == 200, answer.text


def assert_readable(client: httpx.Client) -> None:
    """Assert that lists and what is in them can be had."""
    names = [bucket["name"] for bucket in client.get("/buckets").raise_for_status().json()]
    keys = [
        (name, file["id"]) for name in names for file in client.get(f"/files/list/{name}").raise_for_status().json()
    ]
    assert keys
    for name, key in keys:
        assert client.get(f"/files/download/{name}/{key}").raise_for_status().content in (OLD, NEW)


def at_once(act: Callable[[Target], httpx.Response], targets: Sequence[Target]) -> list[httpx.Response]:
    with ThreadPoolExecutor(len(targets)) as pool:
        return list(pool.map(act, targets))


def test_upload_in_progress_leaves_nothing_on_a_read_only_disk(service: RunningService, client: httpx.Client) -> None:
    may_go_on = threading.Event()

    def slowly() -> Iterator[bytes]:
        yield NEW
        assert may_go_on.wait(30)
        yield NEW

    with ThreadPoolExecutor(1) as pool:
        target = next(fresh_targets(client, UPLOAD))
        answer = pool.submit(client.put, f"/files/upload-direct/{target.bucket}/{target.key}", content=slowly())
        while not any("/staging/" in path for path in left_behind(service)):
            assert not answer.done()
            wait_briefly()
        with read_only(service.storage_path):
            may_go_on.set()
            assert_refused(answer.result(), "upload in progress")
        repeat(UPLOAD, target, "upload in progress")
        assert_sound(service, client)
