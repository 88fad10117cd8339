"""Notes in a process's own file: what stands there is read by others, whatever the writer came to."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from storage_app.domain.intents import Note, NoteKind
from storage_app.errors import Unavailable
from storage_app.journal.file_log import PAGE_BYTES, FileLog, FileLogs


@pytest.fixture
def file_logs(tmp_path: Path) -> FileLogs:
    return FileLogs(tmp_path / "notes")


@pytest.fixture
def file_log(file_logs: FileLogs) -> FileLog:
    return file_logs.of("me")


def a_note(key: str = "a.txt", blob: str | None = "blob") -> Note:
    return Note("me", NoteKind.WRITE, "uid", key, blob)


def test_notes_stand_until_they_are_struck(file_logs: FileLogs, file_log: FileLog) -> None:
    first, second = a_note("a.txt"), a_note('ä\u2028"\\.txt', None)
    file_log.write(first)
    file_log.write(second)
    assert list(file_logs.read("me")) == file_log.notes() == [first, second]
    file_log.strike(first)
    assert list(file_logs.read("me")) == file_log.notes() == [second]
    assert first not in file_log
    assert second in file_log


def test_page_of_a_struck_note_is_written_again(file_logs: FileLogs, file_log: FileLog, tmp_path: Path) -> None:
    for number in range(3):
        note = a_note(f"{number}" * (30 - 10 * number))
        file_log.write(note)
        assert list(file_logs.read("me")) == [note]
        file_log.strike(note)
    assert (tmp_path / "notes" / "me").stat().st_size <= PAGE_BYTES


def test_note_says_what_was_written_last(file_logs: FileLogs, file_log: FileLog) -> None:
    note = Note("me", NoteKind.WRITE, "uid", None)
    file_log.write(note)
    complete = Note("me", NoteKind.WRITE, "uid", "a.txt", "blob", id=note.id)
    file_log.write(complete)
    assert file_log.current(note) == complete
    assert list(file_logs.read("me")) == [complete]


def test_striking_what_does_not_stand_does_nothing(file_logs: FileLogs, file_log: FileLog) -> None:
    file_log.strike(a_note())
    assert file_logs.processes() == []


def test_longest_note_has_room_on_its_page(file_logs: FileLogs, file_log: FileLog) -> None:
    notes = [Note("p" * 16, NoteKind.WRITE, "u" * 64, '"' * 1024, "b" * 255) for _ in range(2)]
    for note in notes:
        file_log.write(note)
    assert list(file_logs.read("me")) == notes


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
    broken, whole = a_note("a.txt"), a_note("b.txt")
    file_log.write(broken)
    file_log.write(whole)
    path = tmp_path / "notes" / "me"
    content = path.read_bytes()
    end = content.index(b"\n") + 1
    path.write_bytes(damage(content[:end]).ljust(PAGE_BYTES, b"\0") + content[PAGE_BYTES:])
    assert list(file_logs.read("me")) == [whole]


def test_note_that_cannot_be_written_is_refused_and_leaves_its_page(
    file_logs: FileLogs, file_log: FileLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_log.write(a_note("a.txt"))
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", lambda *_: 1)
        with pytest.raises(Unavailable):
            file_log.write(a_note("b.txt"))
    assert [note.key for note in file_log.notes()] == ["a.txt"]
    file_log.write(a_note("c.txt"))
    assert [note.key for note in file_logs.read("me")] == ["a.txt", "c.txt"]


def test_closed_notebook_takes_nothing_more_and_keeps_what_stands(file_logs: FileLogs, file_log: FileLog) -> None:
    standing = a_note()
    file_log.write(standing)
    for _ in range(2):
        file_log.close()
    with pytest.raises(Unavailable):
        file_log.write(a_note("b.txt"))
    with pytest.raises(Unavailable):
        file_log.strike(standing)
    assert list(file_logs.read("me")) == file_log.notes() == [standing]


def test_removed(file_logs: FileLogs, file_log: FileLog) -> None:
    file_log.write(a_note())
    assert file_logs.processes() == ["me"]
    file_logs.remove("me")
    file_logs.remove("me")
    assert file_logs.processes() == []
    assert list(file_logs.read("me")) == []
