"""SHA-256 beside the reading and writing of what is hashed: `hashlib` lets go of the interpreter's lock."""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

# Less than this is hashed sooner than another thread has woken.
_WORTH_A_THREAD = 64 * 1024
_MOST_PIECES = 2


class Sha256:
    """The SHA-256 of bytes that come in pieces, from one thread. Two pieces at most are hashed, or wait, beside it.

    With one, whoever reads and whoever hashes would wait for each other in turn: neither takes the same time for all.
    So up to three pieces of an upload are in memory: one is being hashed, one waits, one is being written.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._pieces: deque[bytes] = deque()  # the first one is being hashed
        self._one_is_done = threading.Condition()
        self._error: Exception | None = None

    def update(self, data: bytes) -> None:
        """Go on with `data`, which must not change any more."""
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
        """Return the digest of all pieces; raises what hashing one of them in another thread did."""
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
                _threads.run(self._hash_beside)  # after the others
                return


class _Threads:
    """As many threads as there are processors, which hash for all. An executor takes as long to hand a piece over as
    the piece takes to be written.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._starting = threading.Lock()
        self._has_started = False

    def run(self, call: Callable[[], None]) -> None:
        """Have a thread `call` what never raises."""
        if not self._has_started:
            self._start()
        self._calls.put(call)

    def are_wanted(self) -> bool:
        """Whether somebody waits for one of them."""
        return not self._calls.empty()

    def _start(self) -> None:
        """Start the threads; when they are first needed, so after any fork."""
        with self._starting:
            if not self._has_started:
                for _ in range(os.cpu_count() or 1):
                    threading.Thread(target=self._run, name="sha256", daemon=True).start()
                self._has_started = True

    def _run(self) -> None:
        while True:
            call = self._calls.get()
            call()
            del call  # or what it belongs to would be kept until the next one comes


_threads = _Threads()
