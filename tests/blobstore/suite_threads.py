"""What every store must do for several threads at once."""

import hashlib
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from storage_app.blobstore import Inventory, key_hash
from storage_app.domain.files import File
from tests.blobstore.suite_part import PATIENCE, SuitePart
from tests.support.core import a_file
from tests.support.stores import BUCKET, collect, content, edit, listed, put


def version(number: int) -> dict[str, Any]:
    """Return what `put` is given for a version of a file: record and bytes that fit no other version."""
    data = f"{number} ".encode() * (number % 50 + 1)
    return {
        "data": data,
        "blob": f"{key_hash('cat.jpg')}-{number:020x}-",
        "sha256": hashlib.sha256(data).hexdigest(),
        "metadata": {"number": number, "padding": "x" * (number % 7 * 500)},
    }


def read_versions(store: Inventory, changes: int, *, may_be_absent: bool) -> None:
    """Read one file until so many versions of it were seen: each must be whole, and none older than one before."""
    seen, deadline = {-1}, time.monotonic() + PATIENCE
    while len(seen) <= changes:
        assert time.monotonic() < deadline, f"{len(seen)} versions seen"
        file = store.read(BUCKET, "cat.jpg")
        if file is None:
            assert may_be_absent
            continue
        number = file.metadata["number"]
        expected = version(number)
        assert content(store, file) == expected.pop("data")
        assert file == a_file("cat.jpg", size=file.size, **expected)
        assert number >= max(seen)
        if number not in seen:
            seen.add(number)
            deadline = time.monotonic() + PATIENCE


def list_beside_writers(store: Inventory, changes: int, standing: list[File]) -> None:
    """List the bucket until so many states of it were seen; what stands must be in each list, once."""
    seen: set[tuple[str, ...]] = set()
    deadline = time.monotonic() + PATIENCE
    while len(seen) < changes:
        assert time.monotonic() < deadline, f"{len(seen)} states seen"
        files = listed(store)
        assert [file for file in files if file.key.startswith("standing")] == standing
        state = tuple(file.blob for file in files)
        if state not in seen:
            seen.add(state)
            deadline = time.monotonic() + PATIENCE


@contextmanager
def switching_often() -> Iterator[None]:
    """Let threads take turns after a few steps instead of after many, so that they meet in narrow places, too."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


class OfThreads(SuitePart):
    @pytest.mark.parametrize("removing", [False, True])
    def test_readers_see_the_old_or_the_new_and_never_a_part(
        self, store: Inventory, ci: bool, long: bool, removing: bool
    ) -> None:
        last = put(store, **version(0))
        with switching_often(), ThreadPoolExecutor(2) as pool:
            changes = 500 if long else 100 if ci else 40
            readers = [pool.submit(read_versions, store, changes, may_be_absent=removing) for _ in range(2)]
            for number in count(1):
                if removing and number % 2:
                    store.remove(BUCKET, "cat.jpg")
                last = put(store, **version(number))
                if all(reader.done() for reader in readers):
                    break
            for reader in readers:
                reader.result()
        collect(store)
        self.assert_holds(store, last)

    def test_lists_are_whole_while_others_write(self, store: Inventory, long: bool) -> None:
        standing = [put(store, f"standing-{number}") for number in range(10)]
        moving = [f"moving-{number}" for number in range(5)]
        with switching_often(), ThreadPoolExecutor(1) as pool:
            lister = pool.submit(list_beside_writers, store, 500 if long else 50, standing)
            for number in count():
                store.remove(BUCKET, moving[number % 5])
                put(store, moving[number % 5])
                put(store, moving[number % 3])
                if lister.done():
                    break
            lister.result()
        last = [put(store, key) for key in moving]
        collect(store)
        self.assert_holds(store, *standing, *last)

    def test_writers_of_different_keys_do_not_disturb_each_other(self, store: Inventory) -> None:
        def write(writer: int) -> tuple[list[File], list[File]]:
            old = [put(store, f"{writer}/{number}", b"old") for number in range(10)]
            files = [put(store, f"{writer}/{number}", f"{writer} {number}".encode()) for number in range(10)]
            for file in files[::2]:
                store.remove(BUCKET, file.key)
            return [edit(store, replace(file, metadata={"writer": writer})) for file in files[1::2]], [
                *old,
                *files[::2],
            ]

        with switching_often(), ThreadPoolExecutor(8) as pool:
            written = list(pool.map(write, range(8), timeout=PATIENCE))
        kept = [file for files, _ in written for file in files]
        for file in kept:
            assert content(store, file).decode() == file.key.replace("/", " ")
        collect(store, *(file for _, removed in written for file in removed))
        self.assert_holds(store, *kept)
