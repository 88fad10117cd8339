"""Intents: each has an id of its own, which it keeps while it says more and more."""

from dataclasses import replace

from storage_app.domain.intents import Intent, IntentKind


def test_intents_that_say_the_same_are_told_apart_by_their_ids() -> None:
    ids = {Intent("process", IntentKind.WRITE, "uid", "key").id for _ in range(100)}
    assert len(ids) == 100
    assert all(len(bytes.fromhex(intent_id)) == 12 for intent_id in ids)


def test_intent_that_says_more_is_the_same_one() -> None:
    intent = Intent("process", IntentKind.WRITE, "uid", None)
    assert replace(intent, key="key", blob="blob", size=3).id == intent.id


def test_delete_and_move_take_a_file_away_and_nothing_else_does() -> None:
    move = Intent("me", IntentKind.MOVE, "to", "b", source_uid="from", source_key="a")
    assert move.takes_away("from", "a")
    assert not move.takes_away("to", "b")
    assert Intent("me", IntentKind.DELETE, "from", "a").takes_away("from", "a")
    assert not Intent("me", IntentKind.DELETE, "from", "a").takes_away("to", "a")
    assert not Intent("me", IntentKind.WRITE, "from", "a").takes_away("from", "a")


def test_move_is_about_both_of_its_keys() -> None:
    move = Intent("me", IntentKind.MOVE, "to", "b", source_uid="from", source_key="a")
    assert move.places == {("to", "b"), ("from", "a")}
    assert Intent("me", IntentKind.WRITE, "to", "b").places == {("to", "b")}
