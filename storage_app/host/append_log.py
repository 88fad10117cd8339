"""A file that several processes append lines to, each by a thread of its own. It is rotated by size."""

import logging
import sys
import threading
from pathlib import Path
from queue import Full, Queue

from concurrent_log_handler import ConcurrentRotatingFileHandler

log = logging.getLogger(__name__)

MAX_BYTES = 100 * 1024 * 1024
KEPT = 10  # older files, beside the one that is written
MAX_WAITING = 20_000  # lines, of about 500 bytes each
_END = None


class AppendLog:
    """Lines on their way into the file at `path`. Whoever appends one never waits for the disk.

    A line that finds MAX_WAITING others before it, or that cannot be written, is lost. The service's log then says how
    many were. So are the lines that wait when the process is killed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: Queue[str | None] = Queue(MAX_WAITING)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._lost = 0

    def append(self, line: str) -> None:
        """Have `line`, which has no line break, written soon."""
        if self._thread is None:  # a process that forks has no thread yet
            self._start()
        try:
            self._waiting.put_nowait(line)
        except Full:
            self._lost += 1

    def close(self) -> None:
        """Write the lines that wait, and end the thread. A later line starts another."""
        with self._starting:
            thread, self._thread = self._thread, None
            if thread is not None:
                self._waiting.put(_END)
                thread.join()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_all, name="append-log", daemon=True)
                self._thread.start()

    def _write_all(self) -> None:
        handler = _Handler(str(self._path), maxBytes=MAX_BYTES, backupCount=KEPT, encoding="utf-8", chmod=0o600)
        while (line := self._waiting.get()) is not _END:
            handler.emit(logging.makeLogRecord({"msg": line}))
            if self._waiting.empty():
                self._tell_losses(handler)
        self._tell_losses(handler)
        handler.close()

    def _tell_losses(self, handler: "_Handler") -> None:
        lost, self._lost, handler.lost = self._lost + handler.lost, 0, 0
        if lost:
            log.error("%d lines of %s are lost", lost, self._path, exc_info=handler.failure)


class _Handler(ConcurrentRotatingFileHandler):
    """Locks the file for each line, because other processes write and rotate it too."""

    lost = 0
    failure: BaseException | None = None

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the name is that of `logging`
        self.lost += 1
        self.failure = sys.exception()
