"""Reservations of space for bodies that nginx spools, visible to all workers.

nginx asks before it spools a body. The upload records its intent when the body is complete. Until then, a reservation
keeps the spool within MAX_UPLOADS, the bucket's quota and MIN_FREE_BYTES.

A client reserves by its word alone, so as much as a principal has reserved is always left to others. A body that would
take more is not spooled. The service receives it as it comes: it reserves nothing, and takes one of MAX_UPLOADS.
"""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from ..domain.buckets import Bucket
from ..domain.intents import Intent
from ..domain.reservations import Reservation
from ..domain.times import now
from ..errors import StorageError
from ..host.spool import Spool
from ..index import Index, Transaction, Work
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

    def __init__(
        self,
        index: Index,
        spool: Spool,
        limits: UploadLimits,
        *,
        max_uploads: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._index = index
        self._spool = spool
        self._limits = limits
        self._places = _SPOOLED_TIMES * max_uploads
        self._clock = clock
        self._awaited = (0, -float(_REMEMBERED_SECONDS))

    def reserve(
        self, name: str, uploader: str, bucket: Bucket, *, size: int, growth: int, free_bytes: int | None
    ) -> bool:
        """Reserve space for a body, beside all others, and return whether it is reserved. Raises `QuotaExceeded`.

        Reserves nothing if the uploader would then have more than is left to others. `free_bytes` are the disk's.
        """
        lifetime = timedelta(seconds=min(_SILENCE_SECONDS + size / _BYTES_PER_SECOND, _LONGEST_SECONDS))
        reservation = Reservation(name, uploader, bucket.uid, size, growth, expires_at=now() + lifetime)
        is_reserved = False

        def work(transaction: Transaction) -> None:
            nonlocal is_reserved
            if bucket.quota is not None and growth > 0:
                transaction.lock_bucket(bucket.name)
                found = transaction.bucket(bucket.uid)
                if found is not None:
                    rules.check_quota(*found, transaction.reserved(bucket.uid, but_of=[name]) + growth)
            transaction.lock_reservations()
            is_reserved = self._leaves_enough(transaction, reservation, free_bytes)
            if is_reserved:
                transaction.add_reservation(reservation)

        self._index.write_grouped(work)
        return is_reserved

    def abandon(self, name: str) -> None:
        """End the reservation of an upload that failed. If that fails too, the reservation expires."""
        try:
            self.end(name)
        except StorageError as error:
            log.warning("the reservation of an upload could not be ended: %s", error.detail)

    def end(self, name: str) -> None:
        """End a reservation. Does nothing if it has ended."""
        self._index.write_grouped(lambda transaction: transaction.end_reservation(name))

    def awaited_bytes(self, *, beside: int) -> int:
        """Return how many bytes that others have reserved have not arrived yet, for an upload of `beside` bytes."""
        awaited, at = self._awaited
        if beside >= _SMALL_BYTES or self._clock() - at >= _REMEMBERED_SECONDS:
            awaited = self._missing(self._index.reserved_bytes()) + self._index.open_resumables()[1]
            self._awaited = (awaited, self._clock())
        return awaited

    def spooled_missing(self, transaction: Transaction) -> int:
        """Return how many bytes are reserved for the spool and have not arrived there yet."""
        return self._missing(transaction.reservations()[1])

    def _leaves_enough(self, transaction: Transaction, new: Reservation, free_bytes: int | None) -> bool:
        """Return whether as many places and bytes would be left to others as the uploader would have reserved."""
        count, size = transaction.reservations()
        own_count, own_size = transaction.reservations_of(new.uploader)
        if own_count + 1 > self._places - (count + 1):
            return False
        if free_bytes is None:
            return True
        _, unsent = transaction.open_resumables()
        left = free_bytes - self._missing(size) - unsent - new.size - self._limits.min_free_bytes
        return own_size + new.size <= left

    def _missing(self, total: int) -> int:
        """Return how many of `total` reserved bytes are not in the spool yet. Those that are use up free space."""
        return max(0, total - self._spool.size()) if total else 0


def quota_check(bucket: Bucket, intent: Intent, spooled: str | None = None) -> Work | None:
    """Return the check that `intent` fits into the quota of `bucket`, beside its files and other reservations.

    The intent takes the place of the reservation with the id `spooled`. Returns None if the bucket has no quota.
    """
    if bucket.quota is None:
        return None

    def check(transaction: Transaction) -> None:
        if spooled is not None:
            transaction.end_reservation(spooled)
        if intent.size == 0:
            return
        transaction.lock_bucket(bucket.name)
        found = transaction.bucket(bucket.uid)
        if found is not None:
            rules.check_quota(*found, transaction.reserved(bucket.uid, but=intent) + intent.size)

    return check
