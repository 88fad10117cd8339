"""SHA-256 on other threads, while the bytes are read and written: `hashlib` releases the interpreter's lock."""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

# A smaller piece takes less time to hash than a thread takes to wake.
_WORTH_A_THREAD = 64 * 1024
_MOST_PIECES = 2


class Sha256:
    """The SHA-256 of pieces that one thread adds. Another thread hashes the large ones, of which two may be pending.

    With one pending piece, the two threads would keep waiting for each other, because neither needs the same time for
    each piece. So an upload has up to three pieces in memory: one being hashed, one waiting, one being written.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._pieces: deque[bytes] = deque()  # the first one is being hashed
        self._one_is_done = threading.Condition()
        self._error: Exception | None = None

    def update(self, data: bytes) -> None:
        """Add `data`, which must not change afterwards. Waits while two pieces are pending."""
        if len(data) < _WORTH_A_THREAD:
            self._wait()
            self._hash.update(data)
            return
        with self._one_is_done:
            self._one_is_done.wait_for(lambda: len(self._pieces) < _MOST_PIECES)
            self._pieces.append(data)
            if len(self._pieces) == 1:
                _threads.run(self._hash_beside)

    def hexdigest(self) -> str:
        """Return the digest of all pieces in hex. Raises the error of the other thread, if hashing failed there."""
        self._wait()
        if self._error is not None:
            raise self._error
        return self._hash.hexdigest()

    def _wait(self) -> None:
        if self._pieces:
            with self._one_is_done:
                self._one_is_done.wait_for(lambda: not self._pieces)

    def _hash_beside(self) -> None:
        while True:
            try:
                self._hash.update(self._pieces[0])
            except Exception as error:  # noqa: BLE001  `hexdigest` raises it
                self._error = error
            with self._one_is_done:
                self._pieces.popleft()
                is_done = not self._pieces
                self._one_is_done.notify()
            if is_done:
                return
            if _threads.are_wanted():
                _threads.run(self._hash_beside)  # behind the other uploads
                return


class _Threads:
    """One thread for each processor, shared by all uploads.

    An executor would take as long to hand over a piece as the piece takes to be written.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._starting = threading.Lock()
        self._has_started = False

    def run(self, call: Callable[[], None]) -> None:
        """Run `call`, which must never raise, on one of the threads."""
        if not self._has_started:
            self._start()
        self._calls.put(call)

    def are_wanted(self) -> bool:
        """Return whether a call waits for a thread."""
        return not self._calls.empty()

    def _start(self) -> None:
        """Start the threads. This happens on first use, and so after any fork."""
        with self._starting:
            if not self._has_started:
                for _ in range(os.cpu_count() or 1):
                    threading.Thread(target=self._run, name="sha256", daemon=True).start()
                self._has_started = True

    def _run(self) -> None:
        while True:
            call = self._calls.get()
            call()
            del call  # it would keep its hash and the pieces alive until the next call


_threads = _Threads()
