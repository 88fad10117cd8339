"""Intents in a process's own file: what stands there is read by others, whatever the writer came to."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from storage_app.domain.intents import Intent, IntentKind
from storage_app.errors import Unavailable
from storage_app.index import Index
from storage_app.journal.file_log import PAGE_BYTES, FileLog, FileLogs
from tests.support.disk import failing_closes


@pytest.fixture
def file_logs(tmp_path: Path) -> FileLogs:
    return FileLogs(tmp_path / "intents")


@pytest.fixture
def file_log(file_logs: FileLogs) -> FileLog:
    return file_logs.of("me")


def an_intent(key: str = "a.txt", blob: str | None = "blob") -> Intent:
    return Intent("me", IntentKind.WRITE, "uid", key, blob)


def test_page_of_a_struck_note_is_written_again(file_logs: FileLogs, file_log: FileLog, tmp_path: Path) -> None:
    for number in range(3):
        intent = an_intent(f"{number}" * (30 - 10 * number))
        file_log.record(intent)
        assert list(file_logs.read("me")) == [intent]
        file_log.clear(intent)
    assert (tmp_path / "intents" / "me").stat().st_size <= PAGE_BYTES


def test_file_is_closed_once_even_if_that_fails(file_log: FileLog, tmp_path: Path) -> None:
    file_log.record(an_intent())
    with failing_closes(tmp_path) as closed:
        assert not file_log.close()
        assert not file_log.close()
    assert closed == [str(tmp_path / "intents" / "me")]


def test_longest_note_has_room_on_its_page(file_logs: FileLogs, file_log: FileLog) -> None:
    intents = [Intent("p" * 16, IntentKind.WRITE, "u" * 64, '"' * 1024, "b" * 255) for _ in range(2)]
    for intent in intents:
        file_log.record(intent)
    assert list(file_logs.read("me")) == intents


@pytest.mark.parametrize(
    "damage",
    [
        lambda page: page[: len(page) // 2],
        lambda page: bytes(len(page)),
        lambda page: page.replace(b'"write"', b'"dance"'),
        lambda page: page.replace(b'"blob"', b'"blot"'),
        lambda page: b"[]\n",
    ],
    ids=["cut", "zeros", "kind", "field", "list"],
)
def test_page_that_is_no_note_is_passed_over(
    file_logs: FileLogs, file_log: FileLog, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    broken, whole = an_intent("a.txt"), an_intent("b.txt")
    file_log.record(broken)
    file_log.record(whole)
    path = tmp_path / "intents" / "me"
    content = path.read_bytes()
    end = content.index(b"\n") + 1
    path.write_bytes(damage(content[:end]).ljust(PAGE_BYTES, b"\0") + content[PAGE_BYTES:])
    assert list(file_logs.read("me")) == [whole]


def test_note_that_cannot_be_written_is_refused_and_leaves_its_page(
    file_logs: FileLogs, file_log: FileLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_log.record(an_intent("a.txt"))
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", lambda *_: 1)
        with pytest.raises(Unavailable):
            file_log.record(an_intent("b.txt"))
    assert [intent.key for intent in file_log.open_intents()] == ["a.txt"]
    file_log.record(an_intent("c.txt"))
    assert [intent.key for intent in file_logs.read("me")] == ["a.txt", "c.txt"]


def test_closed_notebook_takes_nothing_more_and_keeps_what_stands(file_logs: FileLogs, file_log: FileLog) -> None:
    standing = an_intent()
    file_log.record(standing)
    for _ in range(2):
        file_log.close()
    with pytest.raises(Unavailable):
        file_log.record(an_intent("b.txt"))
    with pytest.raises(Unavailable):
        file_log.clear(standing)
    assert list(file_logs.read("me")) == file_log.open_intents() == [standing]


def test_removed(file_logs: FileLogs, file_log: FileLog) -> None:
    file_log.record(an_intent())
    assert file_logs.processes() == ["me"]
    file_logs.remove("me")
    file_logs.remove("me")
    assert file_logs.processes() == []
    assert list(file_logs.read("me")) == []


def test_intent_stays_open_after_the_commit_until_it_is_finished(
    file_logs: FileLogs, file_log: FileLog, index: Index
) -> None:
    """No transaction covers the file: a kill between the two leaves the intent to the others."""
    intent = an_intent()
    file_log.record(intent)
    with index.write() as transaction:
        file_log.clear_in(transaction, intent)
    assert list(file_logs.read("me")) == [intent]
    file_log.finish(intent)
    assert list(file_logs.read("me")) == []
