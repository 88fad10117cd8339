"""Intents in a table of the index: a check decides in their transaction, and the COMMIT of the change clears them."""

from dataclasses import replace

import pytest

from storage_app.domain.intents import Intent, IntentKind
from storage_app.errors import QuotaExceeded, Unavailable
from storage_app.index import Index, Transaction, Work
from storage_app.journal.table_log import TableLog

INTENT = Intent("me", IntentKind.WRITE, "uid", "a.txt", "blob", size=60)


@pytest.fixture
def log(index: Index) -> TableLog:
    return TableLog(index, "me")


def within(quota: int, intent: Intent) -> Work:
    """Return a check that refuses `intent` unless it fits beside what others have reserved."""

    def check(transaction: Transaction) -> None:
        if transaction.reserved("uid", but=intent) + intent.size > quota:
            raise QuotaExceeded("Too much.")

    return check


def test_commit_of_the_change_clears_its_intent(index: Index, log: TableLog) -> None:
    log.record(INTENT, None)
    with index.write() as transaction:
        log.clear_in(transaction, INTENT)
    assert log.open_intents() == []


def test_finish_has_nothing_left_to_do(log: TableLog) -> None:
    log.record(INTENT, None)
    log.finish(INTENT)
    assert log.open_intents() == [INTENT]


@pytest.mark.parametrize(("quota", "fits"), [(120, True), (119, False)])
def test_check_sees_what_others_have_recorded(index: Index, log: TableLog, quota: int, fits: bool) -> None:
    others = replace(INTENT, process="another", id="another id")
    TableLog(index, "another").record(others, None)
    if fits:
        log.record(INTENT, within(quota, INTENT))
    else:
        with pytest.raises(QuotaExceeded):
            log.record(INTENT, within(quota, INTENT))
    assert log.open_intents() == ([INTENT] if fits else [])


@pytest.mark.parametrize(("quota", "fits"), [(70, True), (69, False)])
def test_update_that_its_check_refuses_leaves_the_intent_as_it_was(log: TableLog, quota: int, fits: bool) -> None:
    log.record(INTENT, None)
    larger = replace(INTENT, size=70)
    if fits:
        log.update(larger, within(quota, larger))
    else:
        with pytest.raises(QuotaExceeded):
            log.update(larger, within(quota, larger))
    assert log.open_intents() == [larger if fits else INTENT]


def test_intent_that_another_process_resolved_cannot_be_updated(log: TableLog) -> None:
    log.record(INTENT, None)
    log.clear(INTENT)
    with pytest.raises(Unavailable, match="declared dead"):
        log.update(INTENT, None)
    assert log.open_intents() == []


def test_intents_of_other_processes_are_not_its_own(index: Index, log: TableLog) -> None:
    log.record(INTENT, None)
    assert TableLog(index, "another").open_intents() == []
