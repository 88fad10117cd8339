"""What resumable uploads reserve: bytes of the disk and of quotas, and a place among all that are open."""

from collections.abc import Callable, Sequence

from ...domain.buckets import Bucket
from ...domain.resumables import Resumable, ResumableReservation
from ...errors import InsufficientStorage, TooManyUploads
from ...index import Index, Transaction
from .. import upload_rules as rules
from ..reservations import Reservations
from ..upload_rules import UploadLimits

_MOST_OPEN = 10_000
_RETRY_SECONDS = 60


class ResumableReservations:
    """The reservations of the resumable uploads of all processes. Threads may share it."""

    def __init__(
        self,
        index: Index,
        spooled: Reservations,
        limits: UploadLimits,
        free_bytes: Callable[[], int | None],
    ) -> None:
        self._index = index
        self._spooled = spooled
        self._limits = limits
        self._free_bytes = free_bytes

    def reserve(
        self, upload: Resumable, bucket: Bucket, *, received: int = 0, in_place_of: Sequence[Resumable] = ()
    ) -> None:
        """Reserve for `upload`, of which `received` bytes are here, or change what it has reserved.

        Raises `QuotaExceeded`, `InsufficientStorage`, and `TooManyUploads` if an uploader would have more open uploads
        than are left to others: it reserves by its word alone. What those in `in_place_of` have reserved ends.
        """

        def work(transaction: Transaction) -> None:
            ended = [upload.id, *(each.id for each in in_place_of)]
            new = self._in(transaction, upload, bucket, received, ended)
            transaction.lock_reservations()
            self._check_left(transaction, new, ended)  # before the first change, because the transaction is shared
            transaction.end_resumables(ended)
            transaction.put_resumable(new)

        self._index.write_grouped(work)

    def renew(self, upload: Resumable, *, received: int) -> None:
        """Reserve for `upload` again what it had reserved, without a check."""

        def work(transaction: Transaction) -> None:
            transaction.put_resumable(_reservation(transaction, upload, received))

        self._index.write_grouped(work)

    def receive(self, upload: Resumable, received: int) -> None:
        """Record that `received` bytes are here."""
        self._index.write_grouped(lambda transaction: transaction.receive_resumable(upload.id, received))

    def finish(self, upload: Resumable) -> None:
        """Reserve nothing any more for an upload that has become a file."""
        assert upload.is_finished, "its record says so first"
        self.renew(upload, received=0)

    def check_free_space(self, size: int) -> None:
        """Raise `InsufficientStorage` unless the disk has room for `size` bytes now."""
        rules.check_free_space(self._free_bytes(), size, self._limits)

    def end(self, *ids: str) -> None:
        """Forget these uploads."""
        self._index.write_grouped(lambda transaction: transaction.end_resumables(ids))

    def _in(
        self, transaction: Transaction, upload: Resumable, bucket: Bucket, received: int, but_of: Sequence[str]
    ) -> ResumableReservation:
        """Return what `upload` reserves. Raises `QuotaExceeded`."""
        if bucket.quota is not None:
            transaction.lock_bucket(bucket.name)
        new = _reservation(transaction, upload, received)
        found = transaction.bucket(bucket.uid) if bucket.quota is not None and new.growth > 0 else None
        if found is not None:
            rules.check_quota(*found, transaction.reserved(bucket.uid, but_of=but_of) + new.growth)
        return new

    def _check_left(self, transaction: Transaction, new: ResumableReservation, ended: Sequence[str]) -> None:
        """Refuse what would leave less than MIN_FREE_BYTES free once all have sent their bytes, or too few places.

        Anonymous uploaders together leave as many bytes to others as they would have.
        """
        count, unsent = transaction.open_resumables(but=ended)
        own_count, own_unsent = transaction.open_resumables(uploader=new.uploader, but=ended)
        if own_count + 1 > _MOST_OPEN - (count + 1):
            raise TooManyUploads(
                "Too many resumable uploads are open; end some of yours, or wait until some expire.",
                retry_after=_RETRY_SECONDS,
            )
        free = self._free_bytes()
        if free is None:
            return
        wanted = new.size - new.received
        left = free - self._spooled.spooled_missing(transaction) - unsent - wanted - self._limits.min_free_bytes
        # Whoever has no login could otherwise take all of the disk by his word, a day long.
        least_left = own_unsent + wanted if new.uploader == "" else 0
        if wanted and left < least_left:
            raise InsufficientStorage(
                "The disk has no room for this upload beside all that are open; end some, send it in one request, or "
                "ask the operator for room (MIN_FREE_BYTES)."
            )


def _reservation(transaction: Transaction, upload: Resumable, received: int) -> ResumableReservation:
    key = upload.request.key
    existing = None if key is None else transaction.file(upload.bucket_uid, key)
    return upload.reservation(received=received, replaced_bytes=0 if existing is None else existing.size)
