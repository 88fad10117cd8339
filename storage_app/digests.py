"""SHA-256 beside the reading and writing of what is hashed: `hashlib` lets go of the interpreter's lock."""

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor

# Less than this is hashed sooner than another thread has woken.
_WORTH_A_THREAD = 64 * 1024

# Starts its threads when they are first needed, so after any fork.
_threads = ThreadPoolExecutor(thread_name_prefix="sha256")


class Sha256:
    """The SHA-256 of bytes that come in pieces. One piece at most is being hashed while the next one comes."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._running: Future[None] | None = None

    def update(self, data: bytes) -> None:
        """Go on with `data`, which must not change any more."""
        self._wait()
        if len(data) < _WORTH_A_THREAD:
            self._hash.update(data)
        else:
            self._running = _threads.submit(self._hash.update, data)

    def hexdigest(self) -> str:
        self._wait()
        return self._hash.hexdigest()

    def _wait(self) -> None:
        if self._running is not None:
            self._running.result()
            self._running = None
