"""File locks: who lives, how many uploads there are, one at a time; and that each ends with its holder."""

import multiprocessing
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from storage_app.errors import TooManyUploads
from storage_app.host.locks import UploadSlots, exclusive, if_free
from storage_app.journal.liveness import FileLocks, Processes, ProcessLock

# A new interpreter, so that nothing is inherited but what is said.
SPAWN = multiprocessing.get_context("spawn")
STAGING = Path("/no such directory")


def hold_process_lock(directory: Path, connection: Connection) -> None:
    connection.send(ProcessLock(directory).id)
    connection.recv()


def hold_slot(directory: Path, connection: Connection) -> None:
    with UploadSlots(directory, 1).hold():
        connection.send("held")
        connection.recv()


class Child:
    """Another process that runs `target` until it is killed."""

    def __init__(self, target: object, directory: Path) -> None:
        self.connection, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=target, args=(directory, theirs), daemon=True)  # type: ignore[arg-type]
        self.process.start()
        assert self.connection.poll(30), "the child did not begin"
        self.said = self.connection.recv()

    def kill(self) -> None:
        self.process.kill()
        self.process.join(30)


def test_process_lives_until_it_releases(tmp_path: Path) -> None:
    first, second = ProcessLock(tmp_path), ProcessLock(tmp_path)
    assert sorted(Processes(FileLocks(tmp_path), STAGING).alive()) == sorted([first.id, second.id])
    assert Processes(FileLocks(tmp_path), STAGING).dead_with_leftovers() == []
    first.release()
    assert Processes(FileLocks(tmp_path), STAGING).alive() == [second.id]
    assert Processes(FileLocks(tmp_path), STAGING).dead_with_leftovers() == []
    second.release()
    assert list(tmp_path.iterdir()) == []


def test_killed_process_is_gone(tmp_path: Path) -> None:
    child = Child(hold_process_lock, tmp_path)
    assert Processes(FileLocks(tmp_path), STAGING).alive() == [child.said]
    child.kill()
    assert Processes(FileLocks(tmp_path), STAGING).alive() == []
    assert Processes(FileLocks(tmp_path), STAGING).dead_with_leftovers() == [child.said]


def test_looking_does_not_make_a_process_gone(tmp_path: Path) -> None:
    lock = ProcessLock(tmp_path)
    for _ in range(3):
        assert Processes(FileLocks(tmp_path), STAGING).alive() == [lock.id]
        assert Processes(FileLocks(tmp_path), STAGING).dead_with_leftovers() == []
    lock.release()


def test_there_is_nobody_where_there_is_no_directory(tmp_path: Path) -> None:
    nobody = Processes(FileLocks(tmp_path / "none"), tmp_path / "nothing")
    assert nobody.alive() == nobody.dead_with_leftovers() == []
    assert nobody.is_dead("somebody")


def test_lock_is_not_inherited_by_programs(tmp_path: Path) -> None:
    lock = ProcessLock(tmp_path)
    assert not os.get_inheritable(lock._descriptor)
    lock.release()


def test_slots_bound_the_uploads(tmp_path: Path) -> None:
    slots = UploadSlots(tmp_path, 3)
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(slots.hold())
        with pytest.raises(TooManyUploads, match=r"allows \(3\)") as refused, slots.hold():
            pass
        assert refused.value.headers == {"Retry-After": "5"}
    with slots.hold():
        pass


def test_failed_upload_gives_its_slot_back(tmp_path: Path) -> None:
    slots = UploadSlots(tmp_path, 1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), slots.hold():
            raise ZeroDivisionError


def test_slots_are_shared_by_processes_and_end_with_them(tmp_path: Path) -> None:
    child = Child(hold_slot, tmp_path)
    with pytest.raises(TooManyUploads), UploadSlots(tmp_path, 1).hold():
        pass
    child.kill()
    with UploadSlots(tmp_path, 1).hold():
        pass


def test_slots_are_never_held_by_more_than_there_are(tmp_path: Path) -> None:
    slots, held, most = UploadSlots(tmp_path, 2), 0, 0
    counting = threading.Lock()

    def upload(_: int) -> bool:
        nonlocal held, most
        try:
            with slots.hold():
                with counting:
                    held += 1
                    most = max(most, held)
                with counting:
                    held -= 1
        except TooManyUploads:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert any(pool.map(upload, range(400)))
    assert most <= 2


def test_exclusive_lets_one_in_at_a_time(tmp_path: Path) -> None:
    inside = 0

    def enter(_: int) -> int:
        nonlocal inside
        with exclusive(tmp_path / "lock"):
            inside += 1
            seen = inside
            inside -= 1
        return seen

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(enter, range(200))) == {1}


def test_exclusive_ends_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), exclusive(tmp_path / "lock"):
        raise ZeroDivisionError
    with exclusive(tmp_path / "lock"):
        pass


def test_lock_that_is_taken_is_not_waited_for(tmp_path: Path) -> None:
    with if_free(tmp_path / "lock") as first, if_free(tmp_path / "lock") as second:
        assert (first, second) == (True, False)
    with if_free(tmp_path / "lock") as again:
        assert again


def test_process_notices_that_its_lock_was_taken_away(tmp_path: Path) -> None:
    lock, other = ProcessLock(tmp_path), ProcessLock(tmp_path)
    assert lock.is_held()
    (tmp_path / lock.id).unlink()
    assert not lock.is_held()
    os.rename(tmp_path / other.id, tmp_path / lock.id)
    assert not lock.is_held()
    lock.release()
    assert (tmp_path / lock.id).exists()  # the other's
    other.release()


def test_fenced_process_has_nothing_left(tmp_path: Path) -> None:
    alive, staging = tmp_path / "alive", tmp_path / "staging"
    (staging / "dead").mkdir(parents=True)
    (staging / "dead" / "bytes").touch()
    (staging / "no directory").touch()
    lock = ProcessLock(alive)
    (staging / lock.id).mkdir()
    processes = Processes(FileLocks(alive), staging)
    assert processes.dead_with_leftovers() == ["dead", "no directory"]
    for process in processes.dead_with_leftovers():
        processes.fence(process)
        processes.fence(process)  # others may have been faster
    assert [path.name for path in staging.iterdir()] == [lock.id]
    assert processes.alive() == [lock.id]
    lock.release()
