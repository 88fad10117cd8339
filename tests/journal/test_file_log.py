"""Notes in a process's own file: what stands there is read by others, whatever the writer came to."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from storage_app.domain.intents import Note, NoteKind
from storage_app.errors import Unavailable
from storage_app.journal.file_log import PAGE_BYTES, Notebook, Notebooks


@pytest.fixture
def notebooks(tmp_path: Path) -> Notebooks:
    return Notebooks(tmp_path / "notes")


@pytest.fixture
def notebook(notebooks: Notebooks) -> Notebook:
    return notebooks.of("me")


def a_note(key: str = "a.txt", blob: str | None = "blob") -> Note:
    return Note("me", NoteKind.WRITE, "uid", key, blob)


def test_notes_stand_until_they_are_struck(notebooks: Notebooks, notebook: Notebook) -> None:
    first, second = a_note("a.txt"), a_note('ä\u2028"\\.txt', None)
    notebook.write(first)
    notebook.write(second)
    assert list(notebooks.read("me")) == notebook.notes() == [first, second]
    notebook.strike(first)
    assert list(notebooks.read("me")) == notebook.notes() == [second]
    assert first not in notebook
    assert second in notebook


def test_page_of_a_struck_note_is_written_again(notebooks: Notebooks, notebook: Notebook, tmp_path: Path) -> None:
    for number in range(3):
        note = a_note(f"{number}" * (30 - 10 * number))
        notebook.write(note)
        assert list(notebooks.read("me")) == [note]
        notebook.strike(note)
    assert (tmp_path / "notes" / "me").stat().st_size <= PAGE_BYTES


def test_note_says_what_was_written_last(notebooks: Notebooks, notebook: Notebook) -> None:
    note = Note("me", NoteKind.WRITE, "uid", None)
    notebook.write(note)
    complete = Note("me", NoteKind.WRITE, "uid", "a.txt", "blob", id=note.id)
    notebook.write(complete)
    assert notebook.current(note) == complete
    assert list(notebooks.read("me")) == [complete]


def test_striking_what_does_not_stand_does_nothing(notebooks: Notebooks, notebook: Notebook) -> None:
    notebook.strike(a_note())
    assert notebooks.processes() == []


def test_longest_note_has_room_on_its_page(notebooks: Notebooks, notebook: Notebook) -> None:
    notes = [Note("p" * 16, NoteKind.WRITE, "u" * 64, '"' * 1024, "b" * 255) for _ in range(2)]
    for note in notes:
        notebook.write(note)
    assert list(notebooks.read("me")) == notes


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
    notebooks: Notebooks, notebook: Notebook, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    broken, whole = a_note("a.txt"), a_note("b.txt")
    notebook.write(broken)
    notebook.write(whole)
    path = tmp_path / "notes" / "me"
    content = path.read_bytes()
    end = content.index(b"\n") + 1
    path.write_bytes(damage(content[:end]).ljust(PAGE_BYTES, b"\0") + content[PAGE_BYTES:])
    assert list(notebooks.read("me")) == [whole]


def test_note_that_cannot_be_written_is_refused_and_leaves_its_page(
    notebooks: Notebooks, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook.write(a_note("a.txt"))
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", lambda *_: 1)
        with pytest.raises(Unavailable):
            notebook.write(a_note("b.txt"))
    assert [note.key for note in notebook.notes()] == ["a.txt"]
    notebook.write(a_note("c.txt"))
    assert [note.key for note in notebooks.read("me")] == ["a.txt", "c.txt"]


def test_closed_notebook_takes_nothing_more_and_keeps_what_stands(notebooks: Notebooks, notebook: Notebook) -> None:
    standing = a_note()
    notebook.write(standing)
    for _ in range(2):
        notebook.close()
    with pytest.raises(Unavailable):
        notebook.write(a_note("b.txt"))
    with pytest.raises(Unavailable):
        notebook.strike(standing)
    assert list(notebooks.read("me")) == notebook.notes() == [standing]


def test_removed(notebooks: Notebooks, notebook: Notebook) -> None:
    notebook.write(a_note())
    assert notebooks.processes() == ["me"]
    notebooks.remove("me")
    notebooks.remove("me")
    assert notebooks.processes() == []
    assert list(notebooks.read("me")) == []
