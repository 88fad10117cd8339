"""SHA-256 beside the reading and writing of what is hashed: `hashlib` lets go of the interpreter's lock."""

import hashlib
import os
import threading
from queue import SimpleQueue
from typing import Any

# Less than this is hashed sooner than another thread has woken.
_WORTH_A_THREAD = 64 * 1024


class Sha256:
    """The SHA-256 of bytes that come in pieces. One piece at most is being hashed while the next one comes."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._is_idle = threading.Lock()

    def update(self, data: bytes) -> None:
        """Go on with `data`, which must not change any more."""
        if len(data) < _WORTH_A_THREAD:
            self.update_now(data)
        else:
            self._is_idle.acquire()
            _threads.hash(self._hash, data, self._is_idle)

    def update_now(self, data: bytes) -> None:
        """The same where nothing can be done meanwhile, and another thread would only have to be told of it."""
        with self._is_idle:
            self._hash.update(data)

    def hexdigest(self) -> str:
        with self._is_idle:
            return self._hash.hexdigest()


class _Threads:
    """As many threads as there are processors, which hash for all. An executor takes as long to hand a piece over as
    the piece takes to be written.
    """

    def __init__(self) -> None:
        self._pieces: SimpleQueue[tuple[Any, bytes, threading.Lock]] = SimpleQueue()
        self._starting = threading.Lock()
        self._has_started = False

    def hash(self, into: Any, data: bytes, is_idle: threading.Lock) -> None:
        """Have `data` hashed, and `is_idle` released then."""
        if not self._has_started:
            self._start()
        self._pieces.put((into, data, is_idle))

    def _start(self) -> None:
        """Start the threads; when they are first needed, so after any fork."""
        with self._starting:
            if not self._has_started:
                for _ in range(os.cpu_count() or 1):
                    threading.Thread(target=self._run, name="sha256", daemon=True).start()
                self._has_started = True

    def _run(self) -> None:
        while True:
            into, data, is_idle = self._pieces.get()
            into.update(data)
            del data  # or it would be kept until the next piece comes
            is_idle.release()


_threads = _Threads()
