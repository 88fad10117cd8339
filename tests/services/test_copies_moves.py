"""Moves of files: one commit, by the rules for a copy, after which the source is gone."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from storage_app.domain.buckets import Grant, Totals
from storage_app.domain.copies import CopyRequest, Place
from storage_app.domain.files import UNCONDITIONAL, File, WriteConditions
from storage_app.domain.principals import ANONYMOUS, NOBODY, Principal
from storage_app.errors import (
    FileExists,
    FileNotFound,
    FileTooLarge,
    Forbidden,
    PreconditionFailed,
    QuotaExceeded,
    StorageError,
    Unauthenticated,
    Unavailable,
)
from tests.support.core import ALICE, BOB, CAROL, Core


@pytest.fixture
def core(empty: Core) -> Core:
    """Two buckets of Alice's; the first one has a file."""
    empty.bucket()
    empty.bucket("other")
    empty.put("a/b.txt", b"abc")
    return empty


def move(
    core: Core, source: str = "photos/a/b.txt", to: str = "photos/new.txt", *, by: Principal = ALICE, **fields: Any
) -> tuple[File, bool]:
    return core.services.copies.move(by, CopyRequest(place(source), place(to), **fields))


def place(path: str) -> Place:
    return Place(*path.split("/", 1))


def read(core: Core, path: str) -> bytes | None:
    bucket, key = path.split("/", 1)
    file = core.file(key, bucket=bucket)
    return None if file is None else core.read(file, bucket=bucket)


@pytest.mark.parametrize("to", ["photos/new.txt", "other/a/b.txt"])
def test_moved_file_is_at_its_destination_alone(core: Core, to: str) -> None:
    moved, created = move(core, to=to)
    assert created
    assert core.file(moved.key, bucket=to.split("/", maxsplit=1)[0]) == moved
    assert (read(core, to), read(core, "photos/a/b.txt")) == (b"abc", None)
    core.check()
    assert read(core, to) == b"abc"


def test_file_that_stays_in_its_bucket_keeps_owner_and_creation_time(core: Core) -> None:
    source, _ = core.put("old.txt")
    moved, _ = move(core, "photos/old.txt", "photos/renamed.txt")
    assert (moved.owner_id, moved.created_at) == (source.owner_id, source.created_at)
    assert moved.updated_at > source.updated_at
    across, _ = move(core, "photos/renamed.txt", "other/renamed.txt")
    assert across.created_at == across.updated_at > moved.updated_at


def test_file_of_another_owner_is_the_callers_in_another_bucket_alone(core: Core) -> None:
    core.buckets.change(ALICE, "photos", {"grants": {"bob": Grant.WRITE}})
    core.buckets.change(ALICE, "other", {"grants": {"bob": Grant.WRITE}})
    assert move(core, by=BOB)[0].owner_id == "alice"
    assert move(core, "photos/new.txt", "other/new.txt", by=BOB)[0].owner_id == "bob"


def test_move_over_a_file_replaces_it_if_that_is_asked_for(core: Core) -> None:
    old, _ = core.put("new.txt", b"old one")
    with pytest.raises(FileExists):
        move(core)
    moved, created = move(core, overwrite=True)
    assert (created, moved.created_at) == (False, old.created_at)
    assert (read(core, "photos/new.txt"), core.totals()) == (b"abc", Totals(1, 3))
    core.check()


@pytest.mark.parametrize("quota", [3, 2], ids=["full", "over its quota"])
def test_rename_in_a_bucket_that_is_full_works(core: Core, quota: int) -> None:
    core.buckets.change(ALICE, "photos", {"quota": quota})
    move(core)
    assert (read(core, "photos/new.txt"), core.totals()) == (b"abc", Totals(1, 3))
    core.check()


@pytest.mark.parametrize(
    ("settings", "raised"), [({"quota": 2}, QuotaExceeded), ({"max_file_size": 2}, FileTooLarge), ({"quota": 3}, None)]
)
def test_limits_of_another_bucket_hold(
    core: Core, settings: Mapping[str, Any], raised: type[StorageError] | None
) -> None:
    core.buckets.change(ALICE, "other", settings)
    if raised is None:
        move(core, to="other/new.txt")
    else:
        with pytest.raises(raised):
            move(core, to="other/new.txt")
    assert read(core, "photos/a/b.txt") == (None if raised is None else b"abc")
    core.check()


@pytest.mark.parametrize(
    ("by", "source", "to", "raised"),
    [
        (ALICE, "photos/a/b.txt", "other/c", None),
        (BOB, "photos/a/b.txt", "public/c", Forbidden),
        (BOB, "photos/bobs.txt", "public/c", None),
        (BOB, "public/a.txt", "public/c", Forbidden),
        (BOB, "photos/bobs.txt", "other/c", Forbidden),
        (CAROL, "photos/a/b.txt", "public/c", Forbidden),
        (ANONYMOUS, "public/a.txt", "public/c", Forbidden),
        (NOBODY, "public/a.txt", "public/c", Unauthenticated),
        (ALICE, "photos/none", "other/c", FileNotFound),
    ],
)
def test_move_needs_the_right_to_delete_and_the_right_to_upload(
    core: Core, by: Principal, source: str, to: str, raised: type[StorageError] | None
) -> None:
    core.buckets.change(ALICE, "photos", {"grants": {"bob": Grant.WRITE}})
    core.put("bobs.txt", by=BOB)
    core.buckets.change(ALICE, "photos", {"grants": {"carol": Grant.READ}})
    core.bucket("public", is_public=True)
    core.put("a.txt", to="public")
    if raised is None:
        move(core, source, to, by=by)
    else:
        with pytest.raises(raised):
            move(core, source, to, by=by)
    core.check()


@pytest.mark.parametrize(
    "fields", [{"source_etag": '"other"'}, {"conditions": WriteConditions(if_match=frozenset({"*"}))}], ids=str
)
def test_refused_move_changes_nothing(core: Core, fields: Mapping[str, Any]) -> None:
    with pytest.raises(PreconditionFailed):
        move(core, **fields)
    assert (read(core, "photos/a/b.txt"), read(core, "photos/new.txt")) == (b"abc", None)
    core.check()


Meanwhile = Callable[[Core], object]


def meanwhile(core: Core, monkeypatch: pytest.MonkeyPatch, change: Meanwhile, *, times: int = 1) -> None:
    """Let `change` happen when a move has staged its file, and before it takes its locks."""
    real, left = core.store.stage_sidecar, [change] * times

    def stage(*arguments: Any) -> Any:
        staged = real(*arguments)
        if left:
            next_change = left.pop()
            others, left[:] = list(left), []
            next_change(core)
            left[:] = others
        return staged

    monkeypatch.setattr(core.store, "stage_sidecar", stage)


def test_source_that_is_edited_meanwhile_is_moved_as_it_is_then(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    def edit(core: Core) -> None:
        core.files.edit(ALICE, "photos", "a/b.txt", changes={"metadata": {"n": 1}}, conditions=UNCONDITIONAL)

    meanwhile(core, monkeypatch, edit)
    assert move(core)[0].metadata == {"n": 1}
    assert core.file("a/b.txt") is None
    core.check()


def test_source_that_is_replaced_meanwhile_is_moved_with_its_new_bytes(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(core, monkeypatch, lambda core: core.put("a/b.txt", b"replaced"))
    move(core)
    assert (read(core, "photos/new.txt"), read(core, "photos/a/b.txt")) == (b"replaced", None)
    core.check()


def test_source_that_is_replaced_again_and_again_is_not_moved(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile(core, monkeypatch, lambda core: core.put("a/b.txt", b"replaced"), times=10)
    with pytest.raises(Unavailable, match="replaced while it was moved"):
        move(core)
    monkeypatch.undo()
    assert (read(core, "photos/new.txt"), read(core, "photos/a/b.txt")) == (None, b"replaced")
    core.check()


def test_source_that_is_deleted_meanwhile_is_not_found(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile(core, monkeypatch, lambda core: core.files.delete(ALICE, "photos", "a/b.txt", conditions=UNCONDITIONAL))
    with pytest.raises(FileNotFound):
        move(core)
    assert read(core, "photos/new.txt") is None
    core.check()


def test_owner_of_a_file_that_became_anothers_meanwhile_may_not_move_it(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    core.buckets.change(ALICE, "photos", {"grants": {"bob": Grant.WRITE}})
    meanwhile(core, monkeypatch, lambda core: core.buckets.change(ALICE, "photos", {"grants": {}}))
    with pytest.raises(Forbidden):
        move(core, by=BOB)
    assert read(core, "photos/a/b.txt") == b"abc"
    core.check()
