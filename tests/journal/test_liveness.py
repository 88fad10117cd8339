"""Liveness: who is alive, who notices that it was declared dead, and what fencing removes."""

import os
from multiprocessing.connection import Connection
from pathlib import Path

from storage_app.journal.liveness import FileLocks, Processes, ProcessLock
from tests.host.children import Child
from tests.support.disk import failing_closes, read_only

STAGING = Path("/no such directory")


def hold_process_lock(directory: Path, connection: Connection) -> None:
    connection.send(ProcessLock(directory).id)
    connection.recv()


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
    assert lock._descriptor is not None
    assert not os.get_inheritable(lock._descriptor)
    lock.release()


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


def test_presence_ends_once_even_if_its_file_cannot_be_closed(tmp_path: Path) -> None:
    lock = ProcessLock(tmp_path)
    with failing_closes(tmp_path) as closed:
        lock.release()
        lock.release()
    assert len(closed) == 1
    assert FileLocks(tmp_path).known() == []


def test_presence_ends_even_if_its_file_cannot_be_removed(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    lock = ProcessLock(alive)
    with read_only(alive):
        lock.release()
    processes = Processes(FileLocks(alive), tmp_path / "staging")
    assert processes.dead_with_leftovers() == [lock.id]


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


def test_fenced_process_is_forgotten(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    lock = ProcessLock(alive)
    assert lock._descriptor is not None
    os.close(lock._descriptor)  # the kernel does so when a process ends
    processes = Processes(FileLocks(alive), tmp_path / "staging")
    assert processes.dead_with_leftovers() == [lock.id]
    processes.fence(lock.id)
    assert processes.dead_with_leftovers() == FileLocks(alive).known() == []
    assert list(alive.iterdir()) == []
