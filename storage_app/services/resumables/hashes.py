"""Hashes of resumable uploads in progress. `hashlib` cannot save one, so it goes on only in the process that has it."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator

from ...host.hashing import Sha256

_MOST = 256
_PIECE_BYTES = 256 * 1024

# Yields the bytes from an offset on, in pieces of up to so many bytes.
Pieces = Callable[[int, int], Iterator[bytes]]


class RunningHash:
    """The SHA-256 of the first `offset` bytes of an upload, as they were after so many `cuts`."""

    def __init__(self, cuts: int) -> None:
        self.cuts = cuts
        self.offset = 0
        self._hash = Sha256()

    def update(self, data: bytes) -> None:
        """Add the bytes that follow."""
        self._hash.update(data)
        self.offset += len(data)

    def of_whole(self, pieces: Pieces) -> str:
        """Return the digest in hex, with the rest of the bytes, which may be all of them, read from `pieces`."""
        for piece in pieces(self.offset, _PIECE_BYTES):
            self.update(piece)
        return self._hash.hexdigest()


class RunningHashes:
    """The hashes that this process has, up to a number. Whoever holds an upload takes its hash, and puts it back."""

    def __init__(self) -> None:
        self._hashes: OrderedDict[str, RunningHash] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, upload_id: str, *, cuts: int) -> RunningHash:
        """Return the hash of an upload, or that of no bytes if there is none, or if bytes were cut off since."""
        with self._lock:
            found = self._hashes.pop(upload_id, None)
        return found if found is not None and found.cuts == cuts else RunningHash(cuts)

    def put(self, upload_id: str, running: RunningHash) -> None:
        """Keep a hash. It takes the place of the one that was kept first, if there are too many."""
        with self._lock:
            self._hashes[upload_id] = running
            if len(self._hashes) > _MOST:
                self._hashes.popitem(last=False)
