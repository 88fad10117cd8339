"""File locks: how many uploads there are, one at a time; and that each ends with its holder."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from storage_app.errors import TooManyUploads
from storage_app.host.locks import UploadSlots, exclusive, if_free, is_free
from tests.host.children import Child
from tests.support.disk import failing_closes


def hold_slot(directory: Path, connection: Connection) -> None:
    with UploadSlots(directory, 1).hold():
        connection.send("held")
        connection.recv()


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


def test_lock_whose_file_cannot_be_closed_is_given_back(tmp_path: Path) -> None:
    path, slots = tmp_path / "lock", UploadSlots(tmp_path / "slots", 2)
    with failing_closes(tmp_path) as closed:
        for _ in range(2):
            with slots.hold(), slots.hold(), pytest.raises(TooManyUploads), slots.hold():
                pass
            with exclusive(path):
                assert not is_free(path)
            with if_free(path) as ours:
                assert ours
            assert is_free(path)
    assert len(closed) >= 2 * (4 + 4)


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


def test_slots_know_how_many_this_process_holds(tmp_path: Path) -> None:
    slots = UploadSlots(tmp_path, 3)
    with slots.hold():
        with slots.hold():
            assert slots.held() == 2
        assert slots.held() == 1
    with pytest.raises(ZeroDivisionError), slots.hold():
        raise ZeroDivisionError
    assert slots.held() == 0
