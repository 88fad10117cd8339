"""Several processes on one store: one dies or is declared dead, the others recover and go on."""

import multiprocessing
import shutil
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from storage_app.domain.files import UNCONDITIONAL
from storage_app.domain.intents import IntentKind
from storage_app.errors import TooManyUploads, Unavailable
from storage_app.host.layout import Layout
from storage_app.journal.liveness import FileLocks, Processes, ProcessLock
from storage_app.maintenance.recover import recover
from storage_app.services.upload_bodies import Write
from tests.support.core import ALICE, Core, open_core, open_storage, shown

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


def upload_for_ever(root: Path, connection: Connection) -> None:
    """Begin an upload, say so, and finish it when told to."""
    core = Core(open_storage(root, MAX_UPLOADS="1"))

    def wait(write: Write) -> None:
        connection.send("half")
        connection.recv()
        write(bytes(50))

    connection.send(core.send("big.bin", bytes(50), size=100, meanwhile=wait)[0].size)
    core.storage.stop()


class Uploader:
    """Another process, in the middle of an upload of 100 bytes."""

    def __init__(self, root: Path) -> None:
        self.connection, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=upload_for_ever, args=(root, theirs), daemon=True)
        self.process.start()
        assert self.connection.poll(30)
        assert self.connection.recv() == "half"

    def kill(self) -> None:
        self.process.kill()
        self.process.join(30)

    def finish(self) -> int:
        self.connection.send("go on")
        assert self.connection.poll(30)
        self.process.join(30)
        return int(self.connection.recv())


@pytest.fixture
def uploader(root: Path) -> Iterator[Uploader]:
    """An upload into a bucket that has room for one such."""
    with open_core(root) as core:
        core.bucket(quota=150)
        core.put("old.txt", b"old")
    other = Uploader(root)
    yield other
    other.kill()


def test_killed_upload_leaves_nothing_after_the_next_start(root: Path, uploader: Uploader) -> None:
    layout = Layout(root)
    (staged,) = (path for directory in layout.staging.iterdir() for path in directory.iterdir())
    assert staged.stat().st_size == 50
    uploader.kill()
    recovery = recover(root, durable=False)
    assert (recovery.resolved, recovery.files) == (1, None)
    assert list(layout.staging.iterdir()) == []
    assert list(layout.alive.iterdir()) == []
    with open_core(root, MAX_UPLOADS="1") as core:
        core.check()
        core.put("new.bin", bytes(100))
        core.check()


def test_killed_upload_is_put_right_by_the_living(root: Path, uploader: Uploader) -> None:
    with Living(root) as core:
        uploader.kill()
        core.services.background.look()
        core.check()
        assert Processes(FileLocks(core.layout.alive), core.layout.staging).dead_with_leftovers() == []
        core.put("new.bin", bytes(100))  # the quota that it had reserved is free again
        core.check()


def test_writer_puts_right_what_a_gone_one_left_at_its_key(root: Path, uploader: Uploader) -> None:
    """Before it decides, and without waiting for the background."""
    with Living(root) as core:
        uploader.kill()
        core.put("big.bin", b"small")
        core.check()


def test_upload_of_a_living_process_is_left_alone(root: Path, uploader: Uploader) -> None:
    recovery = recover(root, durable=False)
    assert (recovery.resolved, recovery.files) == (0, None)
    with Living(root, MAX_UPLOADS="1") as core:
        core.services.background.look()
        assert [intent.key for intent in core.intents()] == ["big.bin"]
        assert [path.stat().st_size for path in core.staged()] == [50]
        with pytest.raises(TooManyUploads):
            core.put("new.bin")


def test_rebuild_beside_a_living_process_leaves_its_upload_alone(root: Path, uploader: Uploader) -> None:
    recovery = recover(root, durable=False, rebuild_anyway=True)
    assert (recovery.files, recovery.damaged) == (1, ())
    assert uploader.finish() == 100
    with open_core(root) as core:
        assert core.file("big.bin") is not None
        core.check()


class Living(Core):
    """A process that has not started the service, only joined it: what another left is still there."""

    def __init__(self, root: Path, **environment: str) -> None:
        super().__init__(open_storage(root, recovered=True, **environment))

    def __enter__(self) -> Core:
        return self

    def __exit__(self, *_: object) -> None:
        self.storage.stop()


def test_index_removed_under_a_living_process_is_noticed_and_made_again(root: Path) -> None:
    with open_core(root) as core:
        core.bucket()
        core.put("a.txt", b"kept")
        for path in core.layout.system.glob("index.sqlite3*"):
            path.unlink()
        with pytest.raises(Unavailable, match="replaced"):
            core.put("a.txt", b"too early")
        with pytest.raises(Unavailable, match="not ready"):
            _ = core.storage.services
        assert recover(root, durable=False).files == 1
        again = Core(core.storage)
        again.put("b.txt", b"new")
        assert sorted(file.key for file in shown(again)["photos"][1]) == ["a.txt", "b.txt"]
        again.check()


def test_write_on_an_index_that_was_replaced_meanwhile_is_given_up(root: Path) -> None:
    """It would decide by rows, and leave a row, that nobody else sees."""
    with open_core(root) as core:
        core.bucket()
        core.put("a.txt", b"kept")

        def replace(_: object) -> None:
            for path in core.layout.system.glob("index.sqlite3*"):
                path.unlink()
            recover(root, durable=False)

        with pytest.raises(Unavailable, match="replaced"):
            core.send("a.txt", b"new", meanwhile=replace, size=3, overwrite=True)
        again = Core(core.storage)
        file = again.file("a.txt")
        assert file is not None
        assert again.read(file) == b"kept"
        again.services.background.look()  # its intent stood in the intent log of its former name
        again.check()


@pytest.mark.parametrize("taken", ["alive", "staging"])
def test_process_taken_for_gone_comes_back_under_another_name(root: Path, taken: str) -> None:
    with open_core(root) as core:
        core.bucket()
        mine = core.commits.process

        def fence(_: object) -> None:
            shutil.rmtree(core.layout.staging / mine)
            if taken == "alive":
                (core.layout.alive / mine).unlink()

        with pytest.raises(Unavailable):
            core.send("a.txt", b"abc", meanwhile=fence, size=3)
        again = Core(core.storage)
        assert again.commits.process != mine
        again.services.background.look()
        again.put("a.txt")
        again.check()


def test_process_that_starts_during_a_recovery_keeps_its_staging(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is replaced takes no start lock: it may come at any moment."""
    recover(root, durable=False)
    layout = Layout(root)
    locks: list[ProcessLock] = []
    real = Processes.is_dead

    def start_and_look(self: Processes, process: str) -> bool:
        if not locks:
            locks.append(ProcessLock(layout.alive))
            (layout.staging / locks[0].id).mkdir()
        return real(self, process)

    (layout.staging / "dead").mkdir()
    monkeypatch.setattr(Processes, "is_dead", start_and_look)
    recover(root, durable=False)
    assert [path.name for path in layout.staging.iterdir()] == [locks[0].id]
    locks[0].release()


def test_delete_that_died_after_another_version_came_leaves_no_bytes(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its intent names the version that it saw; the one that it took away is the row's."""
    with open_core(root) as core:
        core.bucket()
        old, _ = core.put("a.txt", b"old")
        core.put("a.txt", b"newer")
        intent = core.intent(IntentKind.DELETE, "a.txt", old.blob)
        bucket = core.buckets.get(ALICE, "photos")[0]
        core.store.remove(bucket, "a.txt")
        core.store.tidy()
        core.recovery.resolve(intent)
        core.check()


def test_debt_is_settled_when_the_index_can_be_written_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_core(root) as core:
        core.bucket()
        core.put("a.txt")
        with monkeypatch.context() as patched:
            patched.setattr("storage_app.journal.recovery.reconcile_intent", refuse)
            patched.setattr(core.store, "remove", refuse)
            with pytest.raises(Unavailable):
                core.files.delete(ALICE, "photos", "a.txt", conditions=UNCONDITIONAL)
            assert len(core.intents()) == 1
        core.services.background.look()
        core.check()


def refuse(*_: Any) -> None:
    raise Unavailable("the disk is away")


def test_damaged_index_is_reported_and_made_again_by_the_next_start(root: Path) -> None:
    with open_core(root) as core:
        core.bucket()
        for number in range(200):
            core.put(f"{number}.txt")
        before = shown(core)
    index = root / ".system" / "index.sqlite3"
    size = index.stat().st_size
    with open(index, "r+b") as file:  # all but the first pages, which say what tables there are
        file.seek(20 * 4096)
        file.write(b"\xff" * (size - 20 * 4096))
    with Living(root) as core, pytest.raises(Unavailable, match="damaged"):
        shown(core)
    assert recover(root, durable=False).files == 200
    with open_core(root) as core:
        assert shown(core) == before
        core.check()
    assert recover(root, durable=False).files is None


def test_lock_is_let_go_by_a_store_that_does_not_open(root: Path) -> None:
    with open_core(root) as core:
        settings = core.storage.settings
    (root / ".system" / "index.sqlite3").unlink()
    with pytest.raises(Unavailable, match="storage recover"):
        Core(type(core.storage)(settings))
    assert list((root / ".system" / "alive").iterdir()) == []
