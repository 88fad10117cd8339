"""Notes: what this process is about to do, written down before it is done, and put right when it was not.

The sidecar is the truth. Putting right never undoes: it reads the sidecar of the noted key again and makes the row
agree. It removes no file and touches no sidecar, so it may run twice, or late, or by another process.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from .blobstore import BlobStore
from .domain import Bucket, File, Totals, now
from .errors import StorageError, Unavailable
from .index import Index, Note, NoteKind, Transaction

log = logging.getLogger(__name__)


class Ledger:
    """The notes of one process."""

    def __init__(self, index: Index, store: BlobStore, *, process: str) -> None:
        self._index = index
        self._store = store
        self.process = process

    @contextmanager
    def noted(self, note: Note) -> Iterator[Note]:
        """Hold a note while the body runs; the body's transaction closes it. When the body fails, put right."""
        with self._index.write() as transaction:
            noted = transaction.add_note(note)
        with self.putting_right(noted):
            yield noted

    @contextmanager
    def putting_right(self, note: Note) -> Iterator[None]:
        """Put right what `note` says when the body fails."""
        try:
            yield
        except BaseException:
            self.put_right(note)
            raise

    def put_right(self, note: Note) -> None:
        """Put right what `note` says, if it still stands; what fails is left to the next start."""
        try:
            with self._index.write() as transaction:
                current = transaction.note(note.id)
                if current is not None:
                    put_right(transaction, self._store, current)
        except StorageError as error:
            # The note stays, and the next start puts it right. The failure that led here is the one to answer with.
            log.warning("a note could not be put right now: %s", error.detail, extra={"note": note.id})


def claim(transaction: Transaction, note: Note) -> None:
    """Make sure, inside the deciding transaction, that nobody took this process for gone and put its note right."""
    if transaction.note(note.id) is None:
        raise Unavailable("The write was given up because this process was taken for gone; try again.")


def put_right(transaction: Transaction, store: BlobStore, note: Note) -> None:
    """Make the row of the noted key or bucket agree with its sidecar, and strike the note.

    The noted bytes become a memory where the sidecar does not name them.
    """
    if note.kind is NoteKind.BUCKET:
        if note.key is not None:
            agree_on_bucket(transaction, store, note.key)
    elif note.key is not None:
        _put_file_right(transaction, store, note, note.key)
    transaction.drop_note(note)


def _put_file_right(transaction: Transaction, store: BlobStore, note: Note, key: str) -> None:
    found = transaction.bucket(note.bucket_uid)
    if found is None:  # in the trash, with all its bytes
        return
    file = agree_on_file(transaction, store, found[0], key)
    if note.blob is not None and (file is None or file.blob != note.blob):
        transaction.remember_blob(note.bucket_uid, key, note.blob, now())


def agree_on_file(transaction: Transaction, store: BlobStore, bucket: Bucket, key: str) -> File | None:
    """Read the sidecar of `key`, make the row agree with it, and return what it says.

    Bytes that another sidecar took the place of become a memory. Those of a row whose sidecar is missing do not: unless
    a note says that it was deleted, that is damage, and the bytes could be somebody's.
    """
    file = store.read(bucket, key)
    row = transaction.file(bucket.uid, key)
    if file == row:
        return file
    log.warning("a row did not agree with its sidecar", extra={"bucket": bucket.name, "key": key})
    if file is not None:
        transaction.put_file(file, row)
        if row is not None and row.blob != file.blob:
            transaction.remember_blob(bucket.uid, key, row.blob, now())
    elif row is not None:
        transaction.drop_file(row)
    return file


def agree_on_bucket(transaction: Transaction, store: BlobStore, name: str) -> tuple[Bucket, Totals] | None:
    """Read the record of the bucket called `name`, make the row agree with it, and return what it says."""
    record = store.read_bucket(name)
    known = transaction.bucket_named(name)
    if known is not None and (record is None or record.uid != known[0].uid):
        transaction.drop_bucket(known[0].uid)
        transaction.remember_bucket(known[0].uid, now())
        known = None
    if record is not None and (known is None or known[0] != record):
        transaction.put_bucket(record)
    return None if record is None else transaction.bucket(record.uid)
