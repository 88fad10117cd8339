"""SHA-256 beside the reading and writing of what is hashed: `hashlib` lets go of the interpreter's lock."""

import hashlib
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

# Less than this is hashed sooner than another thread has woken.
_WORTH_A_THREAD = 64 * 1024


class Sha256:
    """The SHA-256 of bytes that come in pieces. One piece at most is being hashed while the next one comes."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._is_idle = threading.Lock()
        self._error: Exception | None = None

    def update(self, data: bytes) -> None:
        """Go on with `data`, which must not change any more."""
        if len(data) < _WORTH_A_THREAD:
            self.update_now(data)
        else:
            self._is_idle.acquire()
            _threads.run(self._hash_beside, data)

    def update_now(self, data: bytes) -> None:
        """The same where nothing can be done meanwhile, and another thread would only have to be told of it."""
        with self._is_idle:
            self._hash.update(data)

    def hexdigest(self) -> str:
        """Return the digest of all pieces; raises what hashing one of them in another thread did."""
        with self._is_idle:
            if self._error is not None:
                raise self._error
            return self._hash.hexdigest()

    def _hash_beside(self, data: bytes) -> None:
        try:
            self._hash.update(data)
        except Exception as error:  # noqa: BLE001  `hexdigest` raises it
            self._error = error
        finally:
            self._is_idle.release()


class _Threads:
    """As many threads as there are processors, which hash for all. An executor takes as long to hand a piece over as
    the piece takes to be written.
    """

    def __init__(self) -> None:
        self._pieces: SimpleQueue[tuple[Callable[[bytes], None], bytes]] = SimpleQueue()
        self._starting = threading.Lock()
        self._has_started = False

    def run(self, call: Callable[[bytes], None], data: bytes) -> None:
        """Have a thread `call` what never raises with `data`."""
        if not self._has_started:
            self._start()
        self._pieces.put((call, data))

    def _start(self) -> None:
        """Start the threads; when they are first needed, so after any fork."""
        with self._starting:
            if not self._has_started:
                for _ in range(os.cpu_count() or 1):
                    threading.Thread(target=self._run, name="sha256", daemon=True).start()
                self._has_started = True

    def _run(self) -> None:
        while True:
            call, data = self._pieces.get()
            call(data)
            del call, data  # or they would be kept until the next piece comes


_threads = _Threads()
