"""Notes: what this process is about to do, written down before it is done, and put right when it was not.

They stand in the index, or in the process's own notebook where that does: where no other host needs them, no quota is
reserved by them, and the sidecar says what became of it.

The sidecar is the truth. Putting right never undoes: it reads the sidecar of the noted key again and makes the row
agree. It removes no file and touches no sidecar, so it may run twice, or late, or by another process.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .blobstore import BlobStore
from .domain import Bucket, File, Totals, now, quoted
from .errors import BucketNotFound, DamagedFile, StorageError, Unavailable
from .index import Index, Note, NoteKind, Transaction
from .locks import Processes
from .notebook import Notebooks
from .reserve import Reserve
from .turns import turns

log = logging.getLogger(__name__)

Check = Callable[[Transaction], None]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a write decides by, under the lock of its key: `current` is the file that is there now."""

    transaction: Transaction
    bucket: Bucket
    current: File | None

    def replace(self, file: File) -> None:
        """Switch the row to `file`, whose sidecar is in place, and remember the bytes that it took the place of."""
        self.transaction.put_file(file, self.current)
        if self.current is not None and self.current.blob != file.blob:
            self.transaction.remember_blob(self.bucket.uid, file.key, self.current.blob, now())


class Ledger:
    """The notes of one process, and what it does about those of others."""

    def __init__(
        self,
        index: Index,
        store: BlobStore,
        processes: Processes,
        notebooks: Notebooks,
        reserve: Reserve,
        *,
        process: str,
    ) -> None:
        self._index = index
        self._store = store
        self._processes = processes
        self._notebooks = notebooks
        self._notebook = notebooks.of(process)
        self._reserve = reserve
        self.process = process
        self._held: set[str] = set()

    def close(self) -> None:
        """Close the notebook, and throw it away unless something in it is left to others."""
        self._notebook.close()
        if not self._notebook.notes():
            self._notebooks.throw_away(self.process)

    @contextmanager
    def noted(self, note: Note, check: Check | None = None) -> Iterator[Note]:
        """Hold a note while the body runs, which closes it by deciding. When the body fails, put right.

        `check` may refuse, in the transaction that writes the note.
        """
        self._held.add(note.id)
        try:
            self._write_down(note, check)
            with self._closed_on_failure(note):
                yield note
            self._close(note, self._notebook.strike)
        finally:
            self._held.discard(note.id)

    def _write_down(self, note: Note, check: Check | None) -> None:
        if note.kind is NoteKind.WRITE and check is None and not self._index.is_shared:
            self._notebook.write(note)
            return

        def work(transaction: Transaction) -> None:
            if check is not None:
                check(transaction)
            transaction.add_note(note)

        self._index.write_together(work)

    def complete(self, note: Note, check: Check | None) -> None:
        """Have `note`, which stands, say what it says by now. `check` may refuse, in the transaction that writes it."""
        if note in self._notebook:
            self._notebook.write(note)
            return
        with self._index.write() as transaction:
            claim(transaction, note)
            if check is not None:
                check(transaction)
            transaction.change_note(note)

    @contextmanager
    def _closed_on_failure(self, note: Note) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            # What is refused has done nothing yet: there is nothing to put right but the note itself.
            self._close(note, self._strike if _is_refusal(error) else self._put_right)
            raise

    def put_right(self, note: Note) -> None:
        """Put right what `note` says, if it still stands; what fails is tried again by `settle_debts`."""
        self._close(note, self._put_right)

    def _close(self, note: Note, close: Callable[[Note], None]) -> bool:
        try:
            self._reserve.spend_on(lambda: close(note))
        except StorageError as error:
            # What led here is what to answer with: a failure, or a success.
            log.warning("a note could not be put right yet: %s", error.detail, extra={"note": note.id})
            return False
        return True

    def settle_debts(self) -> None:
        """Put right what could not be before: the notes of this process that nobody holds any more."""
        for note in [*self._index.notes_of(self.process), *self._notebook.notes()]:
            if note.id not in self._held:
                self.put_right(note)

    def put_gone_right(self) -> int:
        """Fence the processes that are gone, put their notes right, and return how many there were."""
        for process in self._processes.left_something():
            self._processes.fence(process)
        count = 0
        for process in {*self._index.processes_with_notes(), *self._notebooks.processes()}:
            # Its staging is away before its notes are judged, so that nothing of it can land afterwards.
            if self._processes.is_gone(process):
                self._processes.fence(process)
                count += self._put_right_notes_of(process)
        return count

    @contextmanager
    def deciding(self, note: Note, bucket: Bucket, key: str) -> Iterator[Decision]:
        """Decide about `key` under its lock: the one transaction of a write. Its body is the commit.

        On leaving, what it did is durable. Raises `BucketNotFound` when the bucket was deleted.
        """
        holds_bucket = self._must_hold_bucket(bucket)

        def hold(transaction: Transaction) -> list[Note]:
            transaction.hold_key(bucket.name, key, whole_bucket=holds_bucket)
            return transaction.notes_on(bucket.uid, key)

        was_agreed = False
        while True:
            with self._claiming(note, hold) as transaction:
                found = transaction.bucket_and_file(bucket.uid, key)
                if found is None:
                    raise BucketNotFound(bucket.name)
                bucket_now, _, row = found
                if bucket_now.quota is not None and not holds_bucket:
                    raise Unavailable("The bucket was given a quota just now; try again.")
                file = self._store.read(bucket_now, key)
                # A record that is missing no write took away: a delete's note would have been put right by now.
                if file in (row, None) or was_agreed:
                    yield Decision(transaction, bucket_now, _agreed(transaction, self._store, bucket, key, file, row))
                    self._drop(transaction, note)
                    if self._index.commits_durably:
                        self._store.settle(bucket, key)
                    break
            # In a transaction of its own: what is decided may be a refusal, and be undone.
            self._agree(bucket, key)
            was_agreed = True
        if not self._index.commits_durably:
            self._store.settle(bucket, key)

    def _agree(self, bucket: Bucket, key: str) -> None:
        with self._index.write() as transaction:
            transaction.hold_key(bucket.name, key)
            found = transaction.bucket(bucket.uid)
            if found is not None:
                agree_on_file(transaction, self._store, found[0], key)

    def _drop(self, transaction: Transaction, note: Note) -> None:
        """Strike `note` with the COMMIT, if it stands in the index; what stands in the notebook is struck later."""
        if note not in self._notebook:
            transaction.drop_note(note)

    def _must_hold_bucket(self, bucket: Bucket) -> bool:
        """Whether two that write to it may not decide at once: each would find room in its quota for itself alone."""
        if not self._index.is_shared:
            return True  # a write transaction on a file holds everything
        now_there = self._index.bucket_with(bucket.uid)
        return now_there is not None and now_there.quota is not None

    @contextmanager
    def deciding_bucket(self, note: Note, bucket: Bucket) -> Iterator[tuple[Transaction, tuple[Bucket, Totals] | None]]:
        """The same for a bucket: yields the transaction, and the bucket that has the name of `bucket` now."""

        turns.leave()  # the store syncs under the lock, which all others wait for

        def hold(transaction: Transaction) -> list[Note]:
            transaction.hold_bucket(bucket.name)
            return transaction.notes_on_bucket(bucket.name)

        with self._claiming(note, hold) as transaction:
            yield transaction, agree_on_bucket(transaction, self._store, bucket.name)
            self._drop(transaction, note)
            if self._index.commits_durably:
                self._store.settle_bucket(bucket)
        if not self._index.commits_durably:
            self._store.settle_bucket(bucket)

    @contextmanager
    def _claiming(self, note: Note, hold: Callable[[Transaction], list[Note]]) -> Iterator[Transaction]:
        """Open the transaction that decides about what `note` is on; `hold` takes its lock and returns all notes on it.

        Those that nobody holds are put right before, by themselves: what is decided may be a refusal, and be undone.
        """
        while True:
            with self._index.write() as transaction:
                notes = hold(transaction)
                if note not in self._notebook:
                    claim(transaction, note)
                stale = [each for each in notes if self._is_stale(each)]
                if not stale:
                    yield transaction
                    return
            for each in stale:
                self._put_stale_right(each)

    def _is_stale(self, note: Note) -> bool:
        if note.process == self.process:
            return note.id not in self._held
        return self._processes.is_gone(note.process)

    def _put_stale_right(self, note: Note) -> None:
        if note.process != self.process:
            self._processes.fence(note.process)
        self._put_right(note)

    def _strike(self, note: Note) -> None:
        if note in self._notebook:
            self._notebook.strike(note)
        else:
            with self._index.write() as transaction:
                transaction.drop_note(note)

    def _put_right(self, note: Note) -> None:
        if note in self._notebook:
            self._put_standing_right(self._notebook.current(note))
            self._notebook.strike(note)
        else:
            with self._index.write() as transaction:
                put_right(transaction, self._store, note)

    def _put_standing_right(self, note: Note) -> None:
        """Put right what `note` says, which stands in a notebook."""
        with self._index.write() as transaction:
            _act_on(transaction, self._store, note)

    def _put_right_notes_of(self, process: str) -> int:
        notes = self._index.notes_of(process)
        for note in notes:
            self.put_right(note)
        standing = list(self._notebooks.read(process))
        closed = [self._close(note, self._put_standing_right) for note in standing]
        if all(closed):
            self._notebooks.throw_away(process)
        return len(notes) + len(standing)


def _is_refusal(error: BaseException) -> bool:
    return isinstance(error, StorageError) and error.status < 500


def claim(transaction: Transaction, note: Note) -> None:
    """Make sure, inside the deciding transaction, that nobody took this process for gone and put its note right."""
    if transaction.note(note.id) is None:
        raise Unavailable("The write was given up because this process was taken for gone; try again.")


def put_right(transaction: Transaction, store: BlobStore, note: Note) -> None:
    """Put right what `note` says, and strike it, if it still stands in the index."""
    current = transaction.note(note.id)  # it may say more by now
    if current is not None:
        _act_on(transaction, store, current)
        transaction.drop_note(current)


def _act_on(transaction: Transaction, store: BlobStore, note: Note) -> None:
    """Make the row of the noted key or bucket agree with its sidecar.

    The noted bytes become a memory where the sidecar does not name them. A record that cannot be read is damage that
    the note does not explain: row and bytes stay as they are.
    """
    try:
        if note.kind is NoteKind.BUCKET and note.key is not None:
            transaction.hold_bucket(note.key)
            agree_on_bucket(transaction, store, note.key, adopt=True)
        elif note.key is not None:
            _put_file_right(transaction, store, note, note.key)
    except DamagedFile as error:
        log.error("%s", error.detail, extra={"key": note.key, "blob": note.blob})


def _put_file_right(transaction: Transaction, store: BlobStore, note: Note, key: str) -> None:
    found = transaction.bucket(note.bucket_uid)
    if found is not None:
        transaction.hold_key(found[0].name, key)
        found = transaction.bucket(note.bucket_uid)
    if found is None:  # in the trash, with all its bytes
        return
    file = agree_on_file(transaction, store, found[0], key)
    if note.blob is not None and (file is None or file.blob != note.blob):
        transaction.remember_blob(note.bucket_uid, key, note.blob, now())


def agree_on_file(transaction: Transaction, store: BlobStore, bucket: Bucket, key: str) -> File | None:
    """Read the sidecar of `key`, make the row agree with it, and return what it says.

    Bytes that another sidecar took the place of become a memory, and so do those of a row whose sidecar is missing if a
    note says that it was deleted. Without one that is damage, and the bytes could be somebody's.
    """
    return _agreed(transaction, store, bucket, key, store.read(bucket, key), transaction.file(bucket.uid, key))


def _agreed(
    transaction: Transaction, store: BlobStore, bucket: Bucket, key: str, file: File | None, row: File | None
) -> File | None:
    """The same, where the sidecar and the row have been read."""
    if file == row:
        return file
    log.warning("a row did not agree with its sidecar", extra={"bucket": bucket.name, "key": key})
    if transaction.commits_durably:  # or a power cut could take back what the row says
        store.settle(bucket, key)
    if file is not None:
        transaction.put_file(file, row)
    elif row is not None:
        transaction.drop_file(row)
    if row is not None and row.blob != (file.blob if file else None) and (file or _was_deleted(transaction, row)):
        transaction.remember_blob(bucket.uid, key, row.blob, now())
    return file


def _was_deleted(transaction: Transaction, row: File) -> bool:
    return any(note.kind is NoteKind.DELETE for note in transaction.notes_on(row.bucket_uid, row.key))


def agree_on_bucket(
    transaction: Transaction, store: BlobStore, name: str, *, adopt: bool = False
) -> tuple[Bucket, Totals] | None:
    """Read the record of the bucket called `name`, make the row agree with it, and return what it says.

    A bucket without a row gets one only with `adopt`: no note explains it, so it was copied in, and may hold files.
    Raises `DamagedFile` when it is a copy of another.
    """
    record = store.read_bucket(name)
    known = transaction.bucket_named(name)
    changed = record or (known[0] if known is not None else None)
    if transaction.commits_durably and changed is not None and (known is None or record != known[0]):
        store.settle_bucket(changed)  # or a power cut could take back what the row says
    if known is not None and (record is None or record.uid != known[0].uid):
        transaction.drop_bucket(known[0].uid)
        transaction.remember_bucket(known[0].uid, now())
        known = None
    if record is None:
        return None
    other = transaction.bucket(record.uid)
    if other is not None and other[0].name != name:
        raise DamagedFile(f"Bucket {quoted(name)} is a copy of {quoted(other[0].name)} with the same uid.")
    if known is None and not adopt:
        return record, Totals(0, 0)
    if known is None or known[0] != record:
        transaction.put_bucket(record)
    return transaction.bucket(record.uid)
