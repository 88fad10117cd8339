"""Starts and stops: whatever became of the index or the last process, the store serves what is on the disk."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from storage_app.domain.reservations import Reservation
from storage_app.domain.times import now
from storage_app.errors import Unavailable
from storage_app.host import boot as boot_module
from storage_app.host.layout import Layout
from storage_app.journal.liveness import FileLocks, Processes
from storage_app.maintenance.recover import mark_clean_stop, open_index, recover
from storage_app.node import Storage
from tests.support.core import open_core, open_storage, shown


@pytest.fixture
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Pretend that the machine booted, each time it is called."""
    boot_id, boots = tmp_path / "boot_id", iter(range(100))
    monkeypatch.setattr(boot_module, "_BOOT_ID", boot_id)

    def boot() -> None:
        boot_id.write_text(f"boot {next(boots)}\n")

    boot()
    return boot


def test_fresh_store_is_made_ready(root: Path) -> None:
    recovery = recover(root / "deep" / "down", durable=True)
    assert (recovery.resolved, recovery.files, recovery.damaged) == (0, 0, ())
    with open_core(root / "deep" / "down") as core:
        core.bucket()
        core.put("a.txt")
        core.check()


def test_second_recovery_finds_nothing_to_do(root: Path, before: Any) -> None:
    for _ in range(2):
        recovery = recover(root, durable=False)
        assert (recovery.resolved, recovery.files) == (0, None)
    with open_core(root) as core:
        assert shown(core) == before
        core.check()


def test_store_that_was_not_recovered_does_not_open(root: Path, before: Any) -> None:
    (root / ".system" / "index.sqlite3").unlink()
    storage = Storage(open_storage(root.with_name("other")).settings)
    object.__setattr__(storage.settings, "storage_path", root)
    storage._layout = Layout(root)
    with pytest.raises(Unavailable, match="storage recover"):
        storage.start()
    assert Processes(FileLocks(Layout(root).alive), Layout(root).staging).alive() == []


def other_version(index: Path) -> None:
    with sqlite3.connect(index) as connection:
        connection.execute("UPDATE properties SET value = '999'")
    connection.close()


def incomplete(index: Path) -> None:
    with sqlite3.connect(index) as connection:
        connection.execute("DELETE FROM properties")
    connection.close()


def another_programs(index: Path) -> None:
    index.unlink()
    with sqlite3.connect(index) as connection:
        connection.execute("CREATE TABLE properties (something)")
    connection.close()


def directory(index: Path) -> None:
    index.unlink()
    index.mkdir()


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "deleted": lambda index: index.unlink(),
    "deleted, its log left": lambda index: index.rename(index.with_name("index.sqlite3-wal")),
    "garbage": lambda index: index.write_bytes(b"garbage" * 10_000),
    "empty": lambda index: index.write_bytes(b""),
    "its header and then garbage": lambda index: index.write_bytes(index.read_bytes()[:100] + b"\xff" * 50_000),
    "truncated": lambda index: index.write_bytes(index.read_bytes()[: index.stat().st_size // 2]),
    "cut short by a page": lambda index: index.write_bytes(index.read_bytes()[:-4096]),
    "of another version": other_version,
    "incomplete": incomplete,
    "another program's": another_programs,
    "a directory": directory,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_index_that_is_damaged_is_made_again_and_says_the_same(root: Path, before: Any, damage: str) -> None:
    DAMAGES[damage](root / ".system" / "index.sqlite3")
    assert recover(root, durable=False).files == 7
    kept = [path.name for path in (root / ".system" / "lost+found").rglob("index.sqlite3*")]
    # An index of ours is only a cache; what is none of ours could be somebody's.
    ours = ("deleted", "deleted, its log left", "empty", "of another version", "incomplete")
    assert kept == ([] if damage in ours else ["index.sqlite3"])
    with open_core(root) as core:
        assert shown(core) == before
        core.check()


@pytest.mark.parametrize(
    ("clean", "booted", "rebuilt"),
    [(True, True, False), (True, False, False), (False, False, False), (False, True, True)],
)
def test_index_is_made_again_after_a_boot_without_a_clean_stop(
    root: Path, boot: Callable[[], None], clean: bool, booted: bool, rebuilt: bool
) -> None:
    recover(root, durable=False)
    with open_core(root) as core:
        core.bucket()
        core.put("a.txt")
    if clean:
        mark_clean_stop(root)
    if booted:
        boot()
    assert recover(root, durable=False).files == (1 if rebuilt else None)
    assert recover(root, durable=False).files is None


def test_clean_stop_counts_for_one_start_alone(root: Path, boot: Callable[[], None]) -> None:
    recover(root, durable=False)
    mark_clean_stop(root)
    recover(root, durable=False)
    boot()
    assert recover(root, durable=False).files == 0


@pytest.mark.parametrize("text", [None, b"", b"{", b"[]", b"{}", b'{"clean": false}'])
def test_mark_that_cannot_be_read_means_rebuild(root: Path, before: Any, text: bytes | None) -> None:
    mark = root / ".system" / "last-start.json"
    mark.unlink()
    if text is not None:
        mark.write_bytes(text)
    assert recover(root, durable=False).files == 7


def test_stop_is_not_clean_while_another_process_lives(root: Path, boot: Callable[[], None]) -> None:
    recover(root, durable=False)
    with open_core(root):
        mark_clean_stop(root)
    boot()
    assert recover(root, durable=False).files == 0


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_start_ends_reservations_unless_another_process_lives(
    root: Path, database: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres").database() if database == "postgres" else None
    with open_core(root, **({} if url is None else {"INDEX_URL": url})) as core:
        with core.index.write() as transaction:
            transaction.add_reservation(Reservation("one", "alice", "u", 5, 5, now() + timedelta(hours=1)))
        recover(root, durable=False, index_url=url)
        assert core.index.reserved_bytes() == 5
    recover(root, durable=False, index_url=url)
    with closing(open_index(Layout(root), url)) as index:
        assert index.reserved_bytes() == 0


def test_stop_before_the_first_start_marks_nothing(root: Path) -> None:
    Layout(root).prepare()
    mark_clean_stop(root)
    assert not Layout(root).last_start.exists()
    assert not Layout(root).index.exists()
