"""Stores to break: prepared once, copied for each fault, and cut as a power cut does."""

import json
import os
import shutil
import signal
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from storage_app.host.layout import Layout
from storage_app.node import Storage
from storage_app.settings import load_settings
from tests.faults import databases
from tests.faults.operations import complete, prepare
from tests.faults.victims import Victim
from tests.support.core import SECRET_KEY, Core, open_core

# https://www.sqlite.org/fileformat.html#the_write_ahead_log
WAL_HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24


@dataclass(frozen=True, slots=True)
class Place:
    """A store at `root` with its index; `environment` adds settings, such as where the index is."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def opened(self, **environment: str) -> Iterator[Core]:
        """Open it as one process more, without the recovery of a start, and stop in order."""
        storage = self.storage(**environment)
        try:
            yield Core(storage)
        finally:
            storage.stop()

    @contextmanager
    def restarted(self) -> Iterator[Core]:
        """Open it as a start does, recovered."""
        with open_core(self.root, **self.environment) as core:
            yield core

    def storage(self, **environment: str) -> Storage:
        settings = {"SECRET_KEY": SECRET_KEY, "STORAGE_PATH": str(self.root), "MIN_FREE_BYTES": "0"}
        return Storage(load_settings({**settings, "DURABILITY": "none", **self.environment, **environment}))

    def copied(self, root: Path) -> "Place":
        """Copy it as it is now; no transaction may be open."""
        shutil.copytree(self.root, root)
        index = {"INDEX_URL": databases.copy(self.url)} if self.url else {}
        return Place(root, {**self.environment, **index})

    def remove(self) -> None:
        shutil.rmtree(self.root)
        if self.url:
            databases.drop(self.url)

    @property
    def url(self) -> str:
        """Where the index is, if it is no file."""
        return self.environment.get("INDEX_URL", "")

    def lose_index(self) -> None:
        if self.url:
            databases.empty(self.url)
        for path in Layout(self.root).system.glob("index.sqlite3*"):
            path.unlink()

    def transactions(self) -> int:
        """How many of the index's last transactions a power cut can take back: none of a database server's."""
        return 0 if self.url else len(_commits(self._log)) - 1

    def cut_power(self, taken_back: int) -> None:
        """Take back that many of the index's last transactions, and let the machine boot again."""
        if not self.url:
            ends = _commits(self._log)
            os.truncate(self._log, ends[len(ends) - 1 - taken_back])
            self._log.with_name("index.sqlite3-shm").unlink(missing_ok=True)
        for directory in Layout(self.root).resumable.iterdir():
            _cut_upload(directory)
        last_start = Layout(self.root).last_start
        last_start.write_text(json.dumps(json.loads(last_start.read_text()) | {"boot_id": "the boot before"}))

    @property
    def _log(self) -> Path:
        return Layout(self.root).index.with_name("index.sqlite3-wal")


def _cut_upload(directory: Path) -> None:
    """Lose the bytes of a resumable upload that were not synced, as a file system may: zeros take their place."""
    path, data = directory / "upload.json", directory / "data"
    record = json.loads(path.read_text())
    if data.exists() and data.stat().st_size > record["synced"]:
        size = data.stat().st_size
        os.truncate(data, record["synced"])
        os.truncate(data, size)
    path.write_text(json.dumps(record | {"boot_id": "the boot before"}))


def prepared(root: Path, **environment: str) -> Place:
    """Prepare a store that was killed when nothing was in progress: its last transactions are in SQLite's log yet."""
    place = Place(root, environment)
    with place.restarted() as core:
        prepare(core)
    with Victim(lambda: lambda _: _complete_and_die(place)) as victim:
        victim.wait_until_ready()
        assert not victim.run()
        ended, complaints = victim.end()
        assert (ended, complaints) == (-signal.SIGKILL, []), complaints
    return place


def _complete_and_die(place: Place) -> Callable[[], list[str]]:
    complete(Core(place.storage()))
    os.kill(os.getpid(), signal.SIGKILL)
    return list


def _commits(log: Path) -> list[int]:
    """Where in SQLite's log its transactions end; the first is its beginning, where none is in it yet."""
    content = log.read_bytes()
    page_size, salt = struct.unpack_from(">8xI4x8s", content)
    ends = [WAL_HEADER_BYTES]
    for start in range(WAL_HEADER_BYTES, len(content), FRAME_HEADER_BYTES + page_size):
        end = start + FRAME_HEADER_BYTES + page_size
        if end > len(content):
            break
        pages, frame_salt = struct.unpack_from(">4xI8s", content, start)
        assert frame_salt == salt, "the log began again, so that transactions are in it no more"
        if pages:
            ends.append(end)
    return ends
