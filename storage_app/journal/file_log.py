"""The intent log of a process as a file, because a transaction for each intent would cost more than its write.

Other processes read the file once its process is dead. It is never synced: a kill leaves the page cache intact. A power
cut may lose entries, but after one the index is rebuilt from the sidecars alone, unless the last stop was clean, and
then no intent was open.
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
from ..host.files import close, scan, translated
from ..index import Transaction, Work
from .table_log import declared_dead

# An open intent has a page of its own. The longest key and the longest `notify`, with every character escaped, take
# half of it.
PAGE_BYTES = 8192
# The pages of older versions. No other text begins here: what is escaped in the middle of an intent is none.
_STEP_BYTES = 4096

_CLEARED = b"\0"
_JSON = json.JSONEncoder(ensure_ascii=False)
_FIELDS = Intent.__dataclass_fields__


class FileLog:
    """The `IntentLog` of this process, in a file at `path` that the first intent creates. Threads may share it.

    Another process resolves these intents only if it declared this one dead, and then fencing keeps the change from
    landing. So an intent cannot be missing at its commit, and is cleared only once the commit is durable.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: dict[str, tuple[Intent, int]] = {}
        self._new_pages = itertools.count()
        self._free_pages: list[int] = []
        self._descriptor: int | None = None
        self._is_closed = False
        self._using = threading.Lock()  # a write must not meet a descriptor that was closed and reused

    def close(self) -> bool:
        """Refuse later writes with `Unavailable`. Return whether no intent is left open for others to resolve."""
        with self._using:
            self._is_closed = True
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None:
                close(descriptor)
            return not self._open

    def record(self, intent: Intent, check: Work | None = None) -> None:
        """Record `intent`, or replace the open one with its id. Raises `InsufficientStorage` and `Unavailable`."""
        assert check is None, "only a transaction can check"
        text = _JSON.encode({name: getattr(intent, name) for name in _FIELDS}).encode() + b"\n"
        assert len(text) <= PAGE_BYTES, "an intent is longer than its page"
        with self._using:
            _, page = self._open.get(intent.id) or (intent, self._free_page())
            try:
                self._put(page, text)
            except StorageError:
                if intent.id not in self._open:
                    self._free_pages.append(page)
                raise
            self._open[intent.id] = intent, page

    def update(self, intent: Intent, check: Work | None = None) -> None:
        """Replace the open intent with this id. Raises `Unavailable` if it is not open, and as `record` does."""
        if intent.id not in self._open:
            raise declared_dead()
        self.record(intent, check)

    def current(self, _transaction: Transaction, intent: Intent) -> Intent | None:
        found = self._open.get(intent.id)
        return None if found is None else found[0]

    def clear_in(self, transaction: Transaction, intent: Intent) -> None:
        """Do nothing: no transaction of the index covers this file. `finish` clears it."""

    def clear(self, intent: Intent) -> None:
        """Clear `intent`. Do nothing if it is not open. Raises as `record` does."""
        with self._using:
            if intent.id in self._open:
                _, page = self._open[intent.id]
                self._put(page, _CLEARED)
                del self._open[intent.id]
                self._free_pages.append(page)

    finish = clear

    def open_intents(self) -> list[Intent]:
        return [intent for intent, _ in list(self._open.values())]

    def probe(self) -> None:
        """Record an empty intent and clear it. Raises as `record` does."""
        intent = Intent("", IntentKind.WRITE, "", None)
        self.record(intent)
        self.clear(intent)

    def _put(self, page: int, text: bytes) -> None:
        try:
            if os.pwrite(self._opened(), text, page * PAGE_BYTES) < len(text):
                raise OSError("an intent was written in part")
        except OSError as error:
            raise translated(error) from error

    def _free_page(self) -> int:
        try:
            return self._free_pages.pop()
        except IndexError:
            return next(self._new_pages)

    def _opened(self) -> int:
        if self._is_closed:
            raise OSError("the intent log was closed")
        if self._descriptor is None:
            self._path.parent.mkdir(exist_ok=True)
            self._descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        return self._descriptor


class FileLogs:
    """The file logs of all processes, in `directory`, each under the id of its process."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def of(self, process: str) -> FileLog:
        """Return a new log for this `process`."""
        return FileLog(self._directory / process)

    def processes(self) -> list[str]:
        """Return the ids of the processes that have a log."""
        entries = (entry for entry in scan(self._directory) if not entry.name.startswith("."))
        return [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]

    def open_intents(self) -> Iterator[Intent]:
        """Yield the open intents of all processes."""
        for process in self.processes():
            yield from self.read(process)

    def read(self, process: str) -> Iterator[Intent]:
        """Yield the open intents of `process`. Raises `Unavailable` if its log cannot be read."""
        try:
            content = (self._directory / process).read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise translated(error) from error
        for start in range(0, len(content), _STEP_BYTES):
            intent = _intent_from(content[start : start + PAGE_BYTES])
            if intent is not None:
                yield intent

    def remove(self, process: str) -> None:
        """Remove the log of `process`, which has no open intents. If the disk refuses, the next recovery removes it."""
        with suppress(OSError):
            (self._directory / process).unlink()


def _intent_from(page: bytes) -> Intent | None:
    """Return the open intent on `page`, or None if it was cleared or written only in part."""
    try:
        fields = json.loads(page[: page.index(b"\n")])
        return Intent(**fields | {"kind": IntentKind(fields["kind"])})
    except (ValueError, TypeError, KeyError):
        return None
