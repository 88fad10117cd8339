"""Reservations of space for bodies that nginx spools, visible to all workers.

nginx asks before it spools a body. Only when the body is whole, the upload records its intent; until then, this is what
keeps the spool within MAX_UPLOADS, the bucket's quota and MIN_FREE_BYTES.
"""

import logging
import time
from datetime import timedelta

from ..domain.buckets import Bucket
from ..domain.reservations import Reservation
from ..domain.times import now
from ..errors import StorageError, TooManyUploads
from ..host.spool import Spool
from ..index import Index, Transaction
from . import upload_rules as rules
from .upload_rules import UploadLimits

log = logging.getLogger(__name__)

# The reservation of a client that sends more slowly than this on average ends before its body does, and that of any
# client after an hour. It bounds what a client holds by its word alone, and what a killed nginx leaves reserved;
# otherwise nginx says when a client has gone.
_BYTES_PER_SECOND = 1024 * 1024
_LONGEST_SECONDS = 3600
# nginx cuts off a client that is silent for as long.
_SILENCE_SECONDS = 75
# Bodies in the spool hold no thread, so there may be more of them than of those that do.
_SPOOLED_TIMES = 20
# An upload of less than this may go by reservations as they were a second ago.
_SMALL_BYTES = 1024 * 1024
_REMEMBERED_SECONDS = 1


class Reservations:
    """The reservations of all processes. Threads may share it."""

    def __init__(self, index: Index, spool: Spool, limits: UploadLimits, *, max_uploads: int) -> None:
        self._index = index
        self._spool = spool
        self._limits = limits
        self._max_uploads = max_uploads
        self._awaited = (0, -float(_REMEMBERED_SECONDS))

    def reserve(self, name: str, bucket: Bucket, *, size: int, growth: int, free_bytes: int | None) -> None:
        """Reserve space for a body, beside all others. Raises `TooManyUploads`, `QuotaExceeded`, `InsufficientStorage`.

        `free_bytes` are those of the disk.
        """
        lifetime = timedelta(seconds=min(_SILENCE_SECONDS + size / _BYTES_PER_SECOND, _LONGEST_SECONDS))
        reservation = Reservation(name, bucket.uid, size, growth, expires_at=now() + lifetime)

        def work(transaction: Transaction) -> None:
            if bucket.quota is not None and growth > 0:
                transaction.lock_bucket(bucket.name)
                found = transaction.bucket(bucket.uid)
                if found is not None:
                    rules.check_quota(*found, transaction.reserved(bucket.uid, but_spooled=name) + growth)
            transaction.lock_reservations()
            self._check(free_bytes, size, *transaction.reservations())
            transaction.add_reservation(reservation)

        self._index.write_grouped(work)

    def abandon(self, name: str) -> None:
        """End the reservation of an upload that failed. If that fails too, it ends with time."""
        try:
            self.end(name)
        except StorageError as error:
            log.warning("the reservation of an upload could not be ended: %s", error.detail)

    def end(self, name: str) -> None:
        """End a reservation. Does nothing if it has ended."""
        self._index.write_grouped(lambda transaction: transaction.end_reservation(name))

    def awaited_bytes(self, *, beside: int) -> int:
        """Return how many reserved bytes have not arrived yet, for an upload of `beside` bytes that reserves none."""
        awaited, at = self._awaited
        if beside >= _SMALL_BYTES or time.monotonic() - at >= _REMEMBERED_SECONDS:
            awaited = self._missing(self._index.reserved_bytes())
            self._awaited = (awaited, time.monotonic())
        return awaited

    def _check(self, free_bytes: int | None, size: int, count: int, total: int) -> None:
        if count >= _SPOOLED_TIMES * self._max_uploads:
            raise TooManyUploads(
                f"As many bodies are on their way through nginx as may be, {_SPOOLED_TIMES} times MAX_UPLOADS "
                f"({self._max_uploads}); try again in a moment.",
                retry_after=5,
            )
        if free_bytes is not None:
            rules.check_free_space(free_bytes - self._missing(total), size, self._limits)

    def _missing(self, total: int) -> int:
        """Return how many of `total` reserved bytes are not in the spool yet. Those that are use up free space."""
        return max(0, total - self._spool.size()) if total else 0
