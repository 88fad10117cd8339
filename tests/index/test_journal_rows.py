"""Intents and pending deletions in the index: how they are recorded, found and cleared."""

from dataclasses import replace
from datetime import timedelta

from storage_app.domain.intents import Intent, IntentKind
from storage_app.index import Index
from tests.support.core import A_TIME, a_file


def test_notes_are_kept_changed_and_struck(index: Index) -> None:
    recorded = Intent("process", IntentKind.WRITE, "uid", None)
    changed = replace(recorded, key="key", blob="blob", size=7)
    other = Intent("other", IntentKind.BUCKET, "uid-2", "name", size=100)
    assert recorded.id != other.id
    with index.write() as transaction:
        transaction.add_intent(recorded)
        assert transaction.intent(recorded.id) == recorded
        transaction.change_intent(changed)
        transaction.add_intent(other)
    assert sorted(index.processes_with_intents()) == ["other", "process"]
    assert index.intents_of("other") == [other]
    with index.write() as transaction:
        assert sorted(transaction.intents(), key=lambda each: each.size) == [changed, other]
        assert transaction.reserved("uid") == 7
        assert transaction.reserved("uid", but=changed) == 0
        transaction.clear_intent(changed)
        assert transaction.intent(recorded.id) is None
        assert transaction.intents() == [other]
        assert transaction.reserved("uid") == 0


def test_notes_are_found_by_what_they_are_on(index: Index) -> None:
    on_key = Intent("a", IntentKind.WRITE, "uid", "name")
    deletes = Intent("b", IntentKind.DELETE, "uid", "name")
    elsewhere = [Intent("c", IntentKind.WRITE, "uid-2", "name"), Intent("c", IntentKind.WRITE, "uid", "other")]
    on_bucket = Intent("d", IntentKind.BUCKET, "uid", "name")
    with index.write() as transaction:
        for intent in (on_key, deletes, on_bucket, *elsewhere):
            transaction.add_intent(intent)
        assert {intent.id for intent in transaction.intents_on("uid", "name")} == {on_key.id, deletes.id}
        assert transaction.intents_on_bucket("name") == [on_bucket]


def test_memories_come_when_they_are_due_in_the_order_they_were_made(index: Index) -> None:
    with index.write() as transaction:
        transaction.schedule_deletion("uid", "key", "young", A_TIME + timedelta(microseconds=1))
        transaction.schedule_bucket_deletion("uid", A_TIME)
        transaction.schedule_deletion("uid", "key", "old", A_TIME - timedelta(seconds=1))
    due = index.pending_deletions(A_TIME, after=0, limit=9)
    assert [(deletion.key, deletion.blob) for deletion in due] == [(None, None), ("key", "old")]
    assert index.pending_deletions(A_TIME, after=0, limit=1) == due[:1]
    assert index.pending_deletions(A_TIME, after=due[0].id, limit=9) == due[1:]
    with index.write() as transaction:
        transaction.clear_deletions(due[:1])
    assert index.pending_deletions(A_TIME, after=0, limit=9) == due[1:]


def test_many_intents_are_recorded_found_and_cleared_at_once(index: Index) -> None:
    intents = [Intent("me", IntentKind.DELETE, "uid", key) for key in ("a", "b", "c")]
    others = [Intent("me", IntentKind.DELETE, "other", "a"), Intent("me", IntentKind.BUCKET, "uid", "a")]
    with index.write() as transaction:
        transaction.add_intents([*intents, *others])
        found = transaction.intents_on("uid", "a", "c", "none")
        assert {intent.id for intent in found} == {intents[0].id, intents[2].id}
        transaction.clear_intents(intents)
        assert {intent.id for intent in transaction.intents()} == {intent.id for intent in others}


def test_blobs_of_many_files_are_scheduled_at_once(index: Index) -> None:
    with index.write() as transaction:
        transaction.schedule_deletions([a_file("a", blob="x"), a_file("b", blob="y")], A_TIME)
    due = index.pending_deletions(A_TIME, after=0, limit=9)
    assert [(deletion.key, deletion.blob) for deletion in due] == [("a", "x"), ("b", "y")]
    with index.write() as transaction:
        transaction.clear_deletions(due)
    assert index.pending_deletions(A_TIME, after=0, limit=9) == []
