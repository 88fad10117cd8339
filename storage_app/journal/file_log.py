"""Intents of one process in a file of its own, where a transaction for each would take longer than the write it is for.

Others read them when the process is dead. A kill leaves in the page cache what was written, and so nothing is synced.
A power cut may take it, but after that the index is made again, unless it was stopped in order with no intent standing.
"""

import itertools
import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..domain.intents import Intent, IntentKind
from ..errors import StorageError
from ..host.files import scan, translated

# An intent has its page as long as it stands. The longest key takes half of one, with every character escaped.
PAGE_BYTES = 4096

_CLEARED = b"\0"
_JSON = json.JSONEncoder(ensure_ascii=False)
_FIELDS = Intent.__dataclass_fields__


class FileLog:
    """The intents of this process at `path`, which is made with the first one. Threads may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._notes: dict[str, tuple[Intent, int]] = {}
        self._new_pages = itertools.count()
        self._free_pages: list[int] = []
        self._descriptor: int | None = None
        self._is_closed = False
        self._using = threading.Lock()  # a write must not meet a descriptor that was closed and is another's by now

    def close(self) -> bool:
        """Refuse whatever comes later, with `Unavailable`. Tell whether nothing stands that would be left to others."""
        with self._using:
            self._is_closed = True
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
            return not self._notes

    def write(self, intent: Intent) -> None:
        """Write `intent` down, over what it said before. Raises `InsufficientStorage` and `Unavailable`."""
        text = _JSON.encode({name: getattr(intent, name) for name in _FIELDS}).encode() + b"\n"
        assert len(text) <= PAGE_BYTES, "an intent is longer than its page"
        with self._using:
            _, page = self._notes.get(intent.id) or (intent, self._free_page())
            try:
                self._put(page, text)
            except StorageError:
                if intent.id not in self._notes:
                    self._free_pages.append(page)
                raise
            self._notes[intent.id] = intent, page

    def clear(self, intent: Intent) -> None:
        """Strike an intent that stands here; does nothing with others. Raises as `write` does."""
        with self._using:
            if intent.id in self._notes:
                _, page = self._notes[intent.id]
                self._put(page, _CLEARED)
                del self._notes[intent.id]
                self._free_pages.append(page)

    def probe(self) -> None:
        """Write an intent of nothing and clear it; raises as `write` does."""
        intent = Intent("", IntentKind.WRITE, "", None)
        self.write(intent)
        self.clear(intent)

    def __contains__(self, intent: Intent) -> bool:
        return intent.id in self._notes

    def current(self, intent: Intent) -> Intent:
        """Return what `intent`, which stands here, says by now."""
        return self._notes[intent.id][0]

    def intents(self) -> list[Intent]:
        return [intent for intent, _ in list(self._notes.values())]

    def _put(self, page: int, text: bytes) -> None:
        with translated():
            if os.pwrite(self._opened(), text, page * PAGE_BYTES) < len(text):
                raise OSError("an intent was written in part")

    def _free_page(self) -> int:
        try:
            return self._free_pages.pop()
        except IndexError:
            return next(self._new_pages)

    def _opened(self) -> int:
        if self._is_closed:
            raise OSError("the file_log was closed")
        if self._descriptor is None:
            self._path.parent.mkdir(exist_ok=True)
            self._descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        return self._descriptor


class FileLogs:
    """The intent logs of all processes, in `directory`, each under the id of its process."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def of(self, process: str) -> FileLog:
        """Return a new intent log for this `process`."""
        return FileLog(self._directory / process)

    def processes(self) -> list[str]:
        """Return the ids of the processes that have one."""
        entries = (entry for entry in scan(self._directory) if not entry.name.startswith("."))
        return [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]

    def standing(self) -> Iterator[Intent]:
        """Yield the intents that stand in the intent logs of all processes."""
        for process in self.processes():
            yield from self.read(process)

    def read(self, process: str) -> Iterator[Intent]:
        """Yield the intents that stand in the intent log of `process`; raises `Unavailable` when it cannot be read."""
        with translated(), suppress(FileNotFoundError), open(self._directory / process, "rb") as file:
            while page := file.read(PAGE_BYTES):
                intent = _intent_from(page)
                if intent is not None:
                    yield intent

    def remove(self, process: str) -> None:
        """Remove an intent log in which nothing stands. What the disk refuses is done by who looks next."""
        with suppress(OSError):
            (self._directory / process).unlink()


def _intent_from(page: bytes) -> Intent | None:
    """Return the intent on `page`, if one stands there: not where it was cleared, or was not written to its end."""
    try:
        fields = json.loads(page[: page.index(b"\n")])
        return Intent(**fields | {"kind": IntentKind(fields["kind"])})
    except (ValueError, TypeError, KeyError):
        return None
