"""Intent logs: what each of them does for the port, and which of them takes which intent."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from storage_app.domain.intents import Intent, IntentKind
from storage_app.errors import QuotaExceeded, Unavailable
from storage_app.index import Index, Transaction
from storage_app.journal.file_log import FileLogs
from storage_app.journal.log import IntentLog, IntentLogs
from storage_app.journal.table_log import TableLog
from tests.journal.conftest import made
from tests.support.core import Core
from tests.support.postgres import PostgresServer


class Log:
    """A log of the process `me`, with an index beside it, or around it; and how another process reads it."""

    def __init__(self, log: IntentLog, index: Index, read: Callable[[], list[Intent]]) -> None:
        self.log = log
        self.index = index
        self._read = read

    def opened(self) -> list[Intent]:
        """The open intents, by key, about which the log and other processes must agree."""
        own, seen = self.log.open_intents(), self._read()
        assert sorted(own, key=str) == sorted(seen, key=str)
        return sorted(own, key=lambda intent: intent.key or "")

    def current(self, intent: Intent) -> Intent | None:
        with self.index.write() as transaction:
            return self.log.current(transaction, intent)


@pytest.fixture(params=["file", "table in SQLite", "table in PostgreSQL"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    where: Path | str = tmp_path / "index.sqlite3"
    if request.param == "table in PostgreSQL":
        server: PostgresServer = request.getfixturevalue("postgres")
        where = server.database()
    with closing(made(where)) as index:
        if request.param == "file":
            logs = FileLogs(tmp_path / "intents")
            yield Log(logs.of("me"), index, lambda: list(logs.read("me")))
        else:
            with closing(Index(where)) as another:
                yield Log(TableLog(index, "me"), index, lambda: another.intents_of("me"))


def an_intent(key: str | None = "a.txt", kind: IntentKind = IntentKind.WRITE, blob: str | None = "blob") -> Intent:
    return Intent("me", kind, "uid", key, blob)


def test_notes_stand_until_they_are_struck(log: Log) -> None:
    first, second = an_intent("a.txt"), an_intent('ä\u2028"\\.txt', blob=None)
    log.log.record(first, None)
    log.log.record(second, None)
    assert log.opened() == [first, second]
    log.log.clear(first)
    assert log.opened() == [second]
    assert log.current(first) is None
    assert log.current(second) == second


def test_note_says_what_was_written_last(log: Log) -> None:
    intent = an_intent(None, blob=None)
    log.log.record(intent, None)
    complete = replace(intent, key="a.txt", blob="blob")
    log.log.update(complete, None)
    assert log.current(intent) == complete
    assert log.opened() == [complete]


def test_striking_what_does_not_stand_does_nothing(log: Log) -> None:
    standing = an_intent()
    log.log.record(standing, None)
    log.log.clear(an_intent())
    assert log.opened() == [standing]


def clear_and_fail(log: IntentLog, transaction: Transaction, intent: Intent) -> None:
    log.clear_in(transaction, intent)
    raise ZeroDivisionError


def test_intent_is_open_until_its_change_is_durable(log: Log) -> None:
    intent = an_intent()
    log.log.record(intent, None)
    with pytest.raises(ZeroDivisionError), log.index.write() as transaction:
        clear_and_fail(log.log, transaction, intent)
    assert log.opened() == [intent]
    with log.index.write() as transaction:
        log.log.clear_in(transaction, intent)
    log.log.finish(intent)
    assert log.opened() == []


@pytest.fixture
def logs(index: Index, tmp_path: Path) -> IntentLogs:
    return IntentLogs(index, tmp_path / "intents", process="me")


def no_check(_: Transaction) -> None:
    """Refuse nothing."""


# A column for each database: the log that takes the intent there.
@pytest.mark.parametrize(
    ("kind", "check", "sqlite", "postgresql"),
    [
        (IntentKind.WRITE, None, "file", "table"),
        (IntentKind.WRITE, no_check, "table", "table"),
        (IntentKind.DELETE, None, "table", "table"),
        (IntentKind.DELETE, no_check, "table", "table"),
        (IntentKind.MOVE, None, "table", "table"),
        (IntentKind.BUCKET, None, "table", "table"),
    ],
)
def test_log_that_takes_an_intent(
    logs: IntentLogs,
    index: Index,
    kind: IntentKind,
    check: Callable[[Transaction], None] | None,
    sqlite: str,
    postgresql: str,
) -> None:
    intent = an_intent(kind=kind)
    logs.record(intent, check)
    found = {"file": list(logs.files.open_intents()), "table": index.intents_of("me")}
    takes = postgresql if index.is_shared else sqlite
    assert found == {"file": [], "table": []} | {takes: [intent]}
    assert logs.of(intent).open_intents() == [intent]


def test_intent_that_its_check_refuses_is_not_recorded(logs: IntentLogs, index: Index) -> None:
    def refuse(_: Transaction) -> None:
        raise QuotaExceeded("Too much.")

    intent = an_intent()
    with pytest.raises(QuotaExceeded):
        logs.record(intent, refuse)
    logs.release(intent)
    assert logs.processes() == set()
    assert list(logs.abandoned()) == []


def test_intent_is_abandoned_once_no_thread_holds_it(logs: IntentLogs) -> None:
    in_file, in_table = an_intent("a"), an_intent("b", IntentKind.DELETE)
    for intent in (in_file, in_table):
        logs.record(intent, None)
        assert logs.is_held(intent)
    assert list(logs.abandoned()) == []
    for intent in (in_file, in_table):
        logs.release(intent)
        assert not logs.is_held(intent)
    assert sorted((intent.key or "", log.open_intents() != []) for log, intent in logs.abandoned()) == [
        ("a", True),
        ("b", True),
    ]


def test_claim_of_a_note_that_is_there_passes(core: Core) -> None:
    intent = core.intent(IntentKind.WRITE, "old.txt", "blob-that-never-came", process="dead")
    with core.index.write() as transaction:
        core.logs.claim(transaction, intent)
        transaction.clear_intent(intent)
        with pytest.raises(Unavailable, match="declared dead"):
            core.logs.claim(transaction, intent)


@pytest.mark.parametrize("kind", [IntentKind.WRITE, IntentKind.DELETE])
def test_bytes_are_explained_while_an_intent_names_them(logs: IntentLogs, kind: IntentKind) -> None:
    intent = an_intent(kind=kind, blob="blob")
    logs.record(intent, None)
    assert logs.processes() == {"me"}
    assert logs.explains("uid", "blob")
    assert not logs.explains("uid", "another blob")
    assert not logs.explains("another uid", "blob")
    logs.of(intent).clear(intent)
    assert not logs.explains("uid", "blob")


@pytest.mark.parametrize("left", [False, True], ids=["nothing left", "an intent left"])
def test_closed_log_is_removed_unless_an_intent_is_left_in_it(index: Index, tmp_path: Path, left: bool) -> None:
    logs = IntentLogs(index, tmp_path / "intents", process="me")
    intent = an_intent()
    logs.files.of("another").record(an_intent())
    own = logs.record(intent, None)
    in_file = not index.is_shared
    if not left:
        own.clear(intent)
    logs.close()
    assert sorted(logs.files.processes()) == (["another", "me"] if left and in_file else ["another"])
