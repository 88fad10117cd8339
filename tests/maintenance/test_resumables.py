"""The upkeep of resumable uploads: expired ones go, and the rows follow the disk."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from storage_app.domain.times import now
from storage_app.maintenance.resumables import ResumableUpkeep
from storage_app.maintenance.scan import Check
from tests.support.core import ALICE, Core, open_core
from tests.support.resumables import HELLO, a_resumable, append, create, reserved

LATER = timedelta(days=2)


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    with open_core(tmp_path / "store") as opened:
        opened.bucket()
        yield opened


@pytest.fixture
def upkeep(core: Core) -> ResumableUpkeep:
    return ResumableUpkeep(core.index, core.store, core.resumables)


def rows(core: Core) -> list[str]:
    return [row.id for row in core.index.resumables(after="", limit=100)]


def test_expired_uploads_are_removed_with_their_rows(core: Core, upkeep: ResumableUpkeep) -> None:
    finished = create(core, data=HELLO).upload.id
    halfway = create(core, data=b"hello", key="other.txt").upload.id
    assert (upkeep.collect(now()), sorted(rows(core))) == (0, sorted([finished, halfway]))
    assert upkeep.collect(now() + LATER) == 2
    assert (list(core.resumables.ids()), rows(core)) == ([], [])
    core.check()


def test_upload_that_receives_bytes_does_not_expire(core: Core, upkeep: ResumableUpkeep) -> None:
    upload = create(core, data=b"hello").upload.id
    with core.resumables.held(upload):
        assert upkeep.collect(now() + LATER) == 0
    assert (append(core, upload, 5).offset, upkeep.collect(now() + LATER)) == (5, 1)


def test_lost_rows_are_made_from_the_disk(core: Core, upkeep: ResumableUpkeep) -> None:
    create(core, data=b"hello")
    create(core, None, b"hell", key="deferred.txt")
    create(core, data=HELLO, key="finished.txt")
    before = core.index.resumables(after="", limit=9)
    with core.index.write() as transaction:
        transaction.end_resumables([row.id for row in before])
    upkeep.reconcile()
    assert core.index.resumables(after="", limit=9) == before


def test_rebuild_makes_the_rows(core: Core) -> None:
    create(core, data=b"hello")
    before = core.index.resumables(after="", limit=9)
    root = core.root
    core.storage.stop()
    for path in core.layout.system.glob("index.sqlite3*"):
        path.unlink()
    with open_core(root) as opened:
        assert opened.index.resumables(after="", limit=9) == before


def test_row_of_an_upload_that_was_never_made_ends(core: Core, upkeep: ResumableUpkeep) -> None:
    uid = core.buckets.get(ALICE, "photos")[0].uid
    for created, stays in ((now() - timedelta(minutes=2), False), (now(), True)):
        row = a_resumable(bucket_uid=uid, created_at=created).reservation(received=0, replaced_bytes=0)
        with core.index.write() as transaction:
            transaction.put_resumable(row)
        upkeep.reconcile()
        assert bool(rows(core)) is stays


def test_upload_that_became_a_file_before_a_kill_reserves_nothing(core: Core, upkeep: ResumableUpkeep) -> None:
    upload = create(core, data=HELLO).upload
    path = core.layout.resumable / upload.id / "upload.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"is_finished": False}))
    (path.parent / "data").write_bytes(HELLO)
    with core.index.write() as transaction:
        transaction.end_resumables([upload.id])
    upkeep.reconcile()
    assert (reserved(core), json.loads(path.read_text())["is_finished"]) == ((0, 0), True)
    assert not (path.parent / "data").exists()


def test_uploads_to_deleted_buckets_are_removed(core: Core, upkeep: ResumableUpkeep) -> None:
    create(core, data=b"hello")
    core.buckets.delete(ALICE, "photos", force=True)
    upkeep.reconcile()
    assert (list(core.resumables.ids()), upkeep.collect(now() + LATER)) == ([], 1)


@pytest.mark.parametrize("content", ["", None])
def test_damaged_record_is_found_and_set_aside(core: Core, upkeep: ResumableUpkeep, content: str | None) -> None:
    upload = create(core, data=b"hello").upload.id
    path = core.layout.resumable / upload / "upload.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    upkeep.reconcile()

    def found(*, repair: bool) -> list[str]:
        check = Check(core.index, core.store, core.resumables, core.commits, core.logs, repair=repair)
        return [str(finding) for finding in check.findings()]

    said = f"resumable/{upload}: a resumable upload whose record cannot be read"
    assert found(repair=False) == [said]
    assert found(repair=True) == [f"{said}; it was moved to lost+found"]
    assert (found(repair=True), list(core.resumables.ids())) == ([], [])
    assert (core.layout.lost_and_found / "resumable" / upload / "data").read_bytes() == b"hello"
    upkeep.collect(now() + LATER)
    assert rows(core) == []
