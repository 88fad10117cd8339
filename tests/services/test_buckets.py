"""Buckets: who is let in, what is refused in which order, and what is on the disk after each step."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from storage_app.domain.buckets import Grant, Totals
from storage_app.domain.files import UNCONDITIONAL
from storage_app.domain.pages import Position
from storage_app.domain.principals import ANONYMOUS, NOBODY, Principal
from storage_app.domain.times import now
from storage_app.errors import (
    BucketExists,
    BucketNotEmpty,
    BucketNotFound,
    Forbidden,
    InvalidName,
    StorageError,
    Unauthenticated,
)
from tests.support.core import ALICE, BOB, CAROL, SERVICE, Core


@pytest.fixture
def core(empty: Core) -> Core:
    return empty  # which has no bucket yet


def test_created_bucket_is_its_creators(core: Core) -> None:
    bucket, totals = core.buckets.create(ALICE, "photos", {"is_public": True, "quota": 5, "description": "d"})
    assert (bucket.owner_id, bucket.is_public, bucket.quota, bucket.description) == ("alice", True, 5, "d")
    assert totals == Totals(0, 0)
    assert bucket.created_at == bucket.updated_at
    assert core.buckets.get(ALICE, "photos") == (bucket, totals)
    assert core.store.read_bucket("photos") == bucket
    core.check()


def test_taken_name_is_refused_whoever_asks(core: Core) -> None:
    bucket = core.bucket("photos")
    for principal in (ALICE, BOB, SERVICE):
        with pytest.raises(BucketExists, match="'photos'"):
            core.buckets.create(principal, "photos", {"is_public": True})
    assert core.buckets.get(ALICE, "photos") == (bucket, Totals(0, 0))
    core.check()


@pytest.mark.parametrize(
    ("principal", "name", "refusal"),
    [
        (NOBODY, "photos", Unauthenticated),
        (ANONYMOUS, "photos", Forbidden),
        (NOBODY, "No Name", Unauthenticated),
        (ALICE, "No Name", InvalidName),
        (ALICE, "upload", InvalidName),
    ],
)
def test_bucket_that_may_not_be_created(
    core: Core, principal: Principal, name: str, refusal: type[StorageError]
) -> None:
    with pytest.raises(refusal):
        core.buckets.create(principal, name, {})
    assert list(core.buckets.list_by_name(SERVICE, position=None, limit=10)) == []
    core.check()


def test_sixteen_creators_of_one_bucket_are_one_winner(core: Core) -> None:
    def create(number: int) -> bool:
        try:
            core.buckets.create(ALICE, "photos", {"description": str(number)})
        except BucketExists:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(create, range(16))) == 1
    core.check()


# 401 for nobody whether or not the bucket exists; for others 404, then 403.
@pytest.mark.parametrize(
    ("principal", "name", "refusal"),
    [
        (NOBODY, "missing", Unauthenticated),
        (NOBODY, "private", Unauthenticated),
        (NOBODY, "public", Unauthenticated),
        (ANONYMOUS, "missing", BucketNotFound),
        (ANONYMOUS, "private", Forbidden),
        (BOB, "missing", BucketNotFound),
        (BOB, "private", Forbidden),
        (BOB, "Not A Name", InvalidName),
        (ALICE, "missing", BucketNotFound),
    ],
)
@pytest.mark.parametrize("action", ["get", "change", "delete"])
def test_order_of_refusals(
    core: Core, action: str, principal: Principal, name: str, refusal: type[StorageError]
) -> None:
    core.bucket("private")
    core.bucket("public", is_public=True)
    do: dict[str, Callable[[], Any]] = {
        "get": lambda: core.buckets.get(principal, name),
        "change": lambda: core.buckets.change(principal, name, {"is_public": True}),
        "delete": lambda: core.buckets.delete(principal, name, force=True),
    }
    with pytest.raises(refusal):
        do[action]()
    core.check()


def test_refusal_names_no_grants_nor_owner(core: Core) -> None:
    core.bucket("private", grants={"carol": Grant.READ})
    with pytest.raises(Forbidden) as refused:
        core.buckets.get(BOB, "private")
    assert "carol" not in refused.value.detail
    assert "alice" not in refused.value.detail


def test_page_shows_those_that_may_be_seen_by_name(core: Core) -> None:
    core.bucket("b-private")
    core.bucket("c-public", is_public=True)
    core.bucket("a-granted", grants={"bob": Grant.READ})
    seen = {
        principal: [bucket.name for bucket, _ in core.buckets.list_by_name(principal, position=None, limit=10)]
        for principal in (ANONYMOUS, BOB, CAROL, ALICE, SERVICE)
    }
    assert seen == {
        ANONYMOUS: ["c-public"],
        BOB: ["a-granted", "c-public"],
        CAROL: ["c-public"],
        ALICE: ["a-granted", "b-private", "c-public"],
        SERVICE: ["a-granted", "b-private", "c-public"],
    }
    with pytest.raises(Unauthenticated):
        core.buckets.list_by_name(NOBODY, position=None, limit=10)


def test_list_is_whole_however_many_rows_a_query_reads(core: Core) -> None:
    names = [f"bucket-{number:02}" for number in range(40)]
    for name in names:
        core.bucket(name)
    for limit in (1, 16, 32, 39, 40, 41):
        listed = core.buckets.list_by_name(ALICE, position=None, limit=limit)
        assert [bucket.name for bucket, _ in listed] == names[:limit]
    for position in (Position("bucket-37"), Position("", skip=38)):
        listed = core.buckets.list_by_name(ALICE, position=position, limit=9)
        assert [bucket.name for bucket, _ in listed] == names[38:]


def test_time_of_a_bucket_does_not_go_back_with_the_clock(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as tomorrow:
        tomorrow.setattr("storage_app.services.buckets.now", lambda: now() + timedelta(days=1))
        before = core.bucket("photos")
    changed, _ = core.buckets.change(ALICE, "photos", {"is_public": True})
    assert changed.updated_at == before.updated_at + timedelta(seconds=1)


def test_change_replaces_what_is_given_and_nothing_else(core: Core) -> None:
    before = core.bucket("photos", quota=100, description="old")
    core.put("a.txt", b"abc")
    changed, totals = core.buckets.change(ALICE, "photos", {"description": None, "is_public": True})
    assert (changed.description, changed.is_public, changed.quota) == (None, True, 100)
    assert (changed.uid, changed.owner_id, changed.created_at) == (before.uid, before.owner_id, before.created_at)
    assert changed.updated_at > before.updated_at
    assert totals == Totals(1, 3)
    assert core.buckets.get(ALICE, "photos") == (changed, totals)
    core.check()


def test_manager_may_change_and_delete_but_loses_it_with_the_grant(core: Core) -> None:
    core.bucket("photos", grants={"bob": Grant.MANAGE, "carol": Grant.WRITE})
    bucket, _ = core.buckets.get(BOB, "photos")
    assert core.buckets.may_change(BOB, bucket)
    assert not core.buckets.may_change(CAROL, bucket)
    core.buckets.change(BOB, "photos", {"grants": {"bob": Grant.READ}})
    with pytest.raises(Forbidden):
        core.buckets.change(BOB, "photos", {"grants": {"bob": Grant.MANAGE}})
    with pytest.raises(Forbidden):
        core.buckets.delete(BOB, "photos", force=False)
    core.check()


def test_right_lost_before_the_lock_is_had_counts(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are read again under the lock: a change between the first look and it decides."""
    core.bucket("photos", grants={"bob": Grant.MANAGE})
    looked = core.services.buckets._lookups.bucket

    def look_and_lose(*arguments: Any) -> Any:
        found = looked(*arguments)
        monkeypatch.undo()
        core.buckets.change(ALICE, "photos", {"grants": {}})
        return found

    monkeypatch.setattr(core.services.buckets._lookups, "bucket", look_and_lose)
    with pytest.raises(Forbidden):
        core.buckets.delete(BOB, "photos", force=True)
    core.check()


def test_bucket_with_files_is_deleted_only_by_force(core: Core) -> None:
    core.bucket("photos")
    core.put("a.txt")
    with pytest.raises(BucketNotEmpty, match="holds 1 file;"):
        core.buckets.delete(ALICE, "photos", force=False)
    core.put("b.txt")
    with pytest.raises(BucketNotEmpty, match="holds 2 files;"):
        core.buckets.delete(ALICE, "photos", force=False)
    core.check()
    core.buckets.delete(ALICE, "photos", force=True)
    with pytest.raises(BucketNotFound):
        core.buckets.get(ALICE, "photos")
    core.check()
    assert not (core.root / "photos").exists()


def test_empty_bucket_is_deleted_without_force(core: Core) -> None:
    core.bucket("photos")
    core.put("a.txt")
    core.files.delete(ALICE, "photos", "a.txt", conditions=UNCONDITIONAL)
    core.buckets.delete(ALICE, "photos", force=False)
    core.check()


def test_bucket_made_again_is_another_and_empty(core: Core) -> None:
    first = core.bucket("photos")
    core.put("a.txt")
    core.buckets.delete(ALICE, "photos", force=True)
    second = core.bucket("photos")
    assert first.uid != second.uid
    assert core.totals() == Totals(0, 0)
    assert core.file("a.txt") is None
    core.check()


def test_folder_that_is_not_ours_is_left_alone(core: Core) -> None:
    (core.root / "backup").mkdir()
    (core.root / "backup" / "precious").write_text("x")
    with pytest.raises(BucketExists, match="in the storage directory already"):
        core.buckets.create(ALICE, "backup", {})
    assert (core.root / "backup" / "precious").read_text() == "x"
    core.check()
