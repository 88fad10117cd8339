"""Moves that failed half way: they are finished before anything else happens to their keys, and never undone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from storage_app.domain.copies import CopyRequest, Place
from storage_app.domain.files import UNCONDITIONAL
from storage_app.domain.intents import Intent, IntentKind
from storage_app.errors import FileNotFound, Unavailable
from tests.support.core import ALICE, Core

SOURCE, TARGET = Place("photos", "source"), Place("other", "target")


@pytest.fixture
def core(core: Core) -> Core:
    """Two buckets; the first one has a file. On each database."""
    core.bucket("other")
    core.put("source", b"moved")
    return core


@contextmanager
def failing_removals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no sidecar be renamed away: the disk refuses."""
    real = os.rename

    def rename(source: str, target: str) -> None:
        if source.endswith(".json"):
            raise OSError(5, "Input/output error")
        real(source, target)

    with monkeypatch.context() as patched:
        patched.setattr("os.rename", rename)
        yield


@pytest.fixture
def half_done(core: Core, monkeypatch: pytest.MonkeyPatch) -> Core:
    """The move has placed its file, could not remove the source, and was answered 503; its process lives on."""
    with failing_removals(monkeypatch), pytest.raises(Unavailable):
        core.services.copies.move(ALICE, CopyRequest(SOURCE, TARGET))
    (intent,) = core.intents()
    assert (intent.kind, held(core)) == (IntentKind.MOVE, (b"moved", b"moved"))
    return core


def held(core: Core) -> tuple[bytes | None, bytes | None]:
    """What lies on the disk at the source and at the destination."""
    return on_disk(core, SOURCE), on_disk(core, TARGET)


def on_disk(core: Core, place: Place) -> bytes | None:
    bucket = core.buckets.get(ALICE, place.bucket_name)[0]
    file = core.store.read(bucket, place.key)
    if file is None:
        return None
    with core.store.open(bucket, file.blob) as blob:
        return blob.read()


def test_it_is_finished_when_it_is_tried_again(half_done: Core) -> None:
    half_done.recovery.retry()
    assert held(half_done) == (None, b"moved")
    half_done.check()


def test_it_is_finished_before_the_source_is_written_anew(half_done: Core) -> None:
    assert half_done.put("source", b"new")[1]
    assert held(half_done) == (b"new", b"moved")
    half_done.recovery.retry()
    assert held(half_done) == (b"new", b"moved")
    half_done.check()


def test_source_that_was_moved_cannot_be_edited(half_done: Core) -> None:
    """Or the edit would be lost when the move is finished."""
    with pytest.raises(FileNotFound):
        half_done.files.edit(ALICE, "photos", "source", changes={"metadata": {"n": 1}}, conditions=UNCONDITIONAL)
    assert held(half_done) == (None, b"moved")
    half_done.check()


def test_it_is_finished_before_its_destination_is_deleted(half_done: Core) -> None:
    """Or the file would be at its source again."""
    half_done.put("target", b"over", to="other")
    half_done.files.delete(ALICE, "other", "target", conditions=UNCONDITIONAL)
    assert held(half_done) == (None, None)
    half_done.check()


def test_it_is_finished_by_another_process_when_its_own_is_dead(half_done: Core) -> None:
    (intent,) = half_done.intents()
    with half_done.index.write() as transaction:
        transaction.clear_intent(intent)
        transaction.add_intent(Intent(**fields_of(intent) | {"process": "dead", "id": intent.id}))
    assert half_done.recovery.recover_dead() == 1
    assert held(half_done) == (None, b"moved")
    half_done.check()


def test_other_version_at_the_source_stays(core: Core) -> None:
    """Whoever wrote it was answered."""
    file, _ = core.services.copies.copy(ALICE, CopyRequest(SOURCE, TARGET))
    resolve(core, blob=file.blob, source_blob="the-blob-of-an-older-version")
    assert held(core) == (b"moved", b"moved")
    core.check()


def test_move_whose_destination_has_another_file_is_only_struck(core: Core) -> None:
    core.put("target", b"another", to="other")
    source = core.file("source")
    assert source is not None
    resolve(core, blob="blob-that-never-came", source_blob=source.blob)
    assert held(core) == (b"moved", b"another")
    core.check()


@pytest.mark.parametrize("deleted", ["photos", "other"])
def test_move_from_or_to_a_deleted_bucket_is_finished_where_it_can_be(half_done: Core, deleted: str) -> None:
    half_done.buckets.delete(ALICE, deleted, force=True)
    half_done.recovery.retry()
    assert half_done.intents() == []
    left = on_disk(half_done, TARGET if deleted == "photos" else SOURCE)
    assert left == b"moved"
    half_done.check()


def resolve(core: Core, **fields: Any) -> None:
    """Resolve a move of a dead process from `SOURCE` to `TARGET`."""
    source, target = (core.buckets.get(ALICE, place.bucket_name)[0].uid for place in (SOURCE, TARGET))
    intent = Intent("dead", IntentKind.MOVE, target, TARGET.key, source_uid=source, source_key=SOURCE.key, **fields)
    with core.index.write() as transaction:
        transaction.add_intent(intent)
    core.recovery.recover_dead()
    assert core.intents() == []


def fields_of(intent: Intent) -> dict[str, Any]:
    return {name: getattr(intent, name) for name in Intent.__dataclass_fields__}
