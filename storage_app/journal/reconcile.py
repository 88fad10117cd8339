"""Reconciliation of rows in the index with sidecars and bucket records, which are the truth.

`reconcile_intent` takes the locks that it needs. For the other functions, the caller holds them.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ..blobstore import BlobStore
from ..domain.buckets import Bucket, Totals
from ..domain.changes import Change, ChangeKind, deletion, kind_of
from ..domain.files import File
from ..domain.intents import Intent, IntentKind
from ..domain.text import quoted
from ..domain.times import following, now
from ..errors import DamagedFile
from ..index import Transaction

log = logging.getLogger(__name__)

Announce = Callable[[Change], None]


def reconcile_intent(transaction: Transaction, store: BlobStore, intent: Intent) -> None:
    """Lock the key or bucket of `intent`, and reconcile its row. Finish a move that was placed.

    The intent's blob is scheduled for deletion unless the sidecar names it. If the sidecar cannot be read, it is
    damaged, which the intent does not explain: the error is logged, and row and bytes stay as they are.
    """
    try:
        if intent.kind is IntentKind.BUCKET and intent.key is not None:
            transaction.lock_bucket(intent.key)
            reconcile_bucket(transaction, store, intent.key, adopt=True)
        elif intent.kind is IntentKind.MOVE:
            _finish_move(transaction, store, intent)
        elif intent.key is not None:
            _reconcile_key(transaction, store, intent, intent.key)
    except DamagedFile as error:
        log.error("%s", error.detail, extra={"key": intent.key, "blob": intent.blob})


def _reconcile_key(transaction: Transaction, store: BlobStore, intent: Intent, key: str) -> None:
    found = transaction.bucket(intent.bucket_uid)
    if found is not None:
        transaction.lock_keys([(found[0].name, key)])
        found = transaction.bucket(intent.bucket_uid)
    if found is None:  # the bucket is in the trash, with all its bytes
        return

    def announce(change: Change) -> None:
        is_its = change.file is not None and change.file.blob == intent.blob
        transaction.announce(replace(change, notify=intent.notify) if is_its else change)

    _reconcile_blob(transaction, store, found[0], key, intent.blob, announce)


def _reconcile_blob(
    transaction: Transaction, store: BlobStore, bucket: Bucket, key: str, blob: str | None, announce: Announce
) -> None:
    """Reconcile the row of `key`, and schedule `blob` for deletion unless the sidecar names it."""
    file = reconcile_file(transaction, store, bucket, key, announce)
    if blob is not None and (file is None or file.blob != blob):
        transaction.schedule_deletion(bucket.uid, key, blob, now())


def is_half_done(transaction: Transaction, store: BlobStore, intent: Intent) -> bool:
    """Return whether `intent` is a move whose file is at its destination. The caller holds the lock of a key of it."""
    found = transaction.bucket(intent.bucket_uid) if intent.kind is IntentKind.MOVE else None
    try:
        return found is not None and _is_placed(store, found[0], intent)
    except DamagedFile:  # it cannot be finished
        return False


def _finish_move(transaction: Transaction, store: BlobStore, intent: Intent) -> None:
    """Lock both keys of a move, remove the source if the file is at its destination, and reconcile both rows.

    This is the only recovery that touches a sidecar. The source is removed only if it is still the version moved: any
    other was written since.
    """
    assert intent.key is not None, "the keys of a move are known"
    assert intent.source_uid is not None
    assert intent.source_key is not None
    names = [(bucket.name, key) for bucket, key in _places(transaction, intent).values()]
    transaction.lock_keys(names)
    places = _places(transaction, intent)
    target, source = places.get("target"), places.get("source")
    is_placed = target is not None and _is_placed(store, target[0], intent)
    if target is not None and source is not None and is_placed:
        file = store.read(*source)
        store.sync(*target)  # or a power cut could leave neither
        if file is not None and file.blob == intent.source_blob:
            store.remove(*source)
        transaction.sync(partial(store.sync, *source))  # or it could leave both
        announce = _announcing_move(transaction, intent.blob, source)
    else:
        announce = transaction.announce
    if target is not None:
        _reconcile_blob(transaction, store, *target, intent.blob, announce)
    if source is not None:
        _reconcile_blob(transaction, store, *source, intent.source_blob if is_placed else None, announce)


def _announcing_move(transaction: Transaction, blob: str | None, source: tuple[Bucket, str]) -> Announce:
    """Return what announces the reconciliation of a move, which brought `blob`, as the one change that it is."""

    def announce(change: Change) -> None:
        if change.file is not None and change.file.blob == blob:
            place = (source[0].name, source[1])
            transaction.announce(replace(change, kind=ChangeKind.FILE_MOVED, source=place))
        elif change.kind is not ChangeKind.FILE_DELETED:  # the source has another version by now
            transaction.announce(change)

    return announce


def _places(transaction: Transaction, intent: Intent) -> dict[str, tuple[Bucket, str]]:
    """Return the destination and the source of a move, each with its bucket, unless that is in the trash."""
    named = {"target": (intent.bucket_uid, intent.key), "source": (intent.source_uid, intent.source_key)}
    found = {name: (transaction.bucket(uid or ""), key or "") for name, (uid, key) in named.items()}
    return {name: (bucket[0], key) for name, (bucket, key) in found.items() if bucket is not None}


def _is_placed(store: BlobStore, bucket: Bucket, intent: Intent) -> bool:
    """Return whether the sidecar at the destination of a move, in `bucket`, names the bytes that it brought."""
    file = store.read(bucket, intent.key or "")
    return file is not None and file.blob == intent.blob


def reconcile_file(
    transaction: Transaction, store: BlobStore, bucket: Bucket, key: str, announce: Announce | None = None
) -> File | None:
    """Reconcile the row of `key` with its sidecar, and return the file that the sidecar describes.

    The change that the row did not know is announced, by `announce` if that is given.

    The row's blob is scheduled for deletion if the sidecar names another. If the sidecar is missing, the blob is
    scheduled only if there is the intent of a delete. Otherwise the sidecar was lost, and its file may be recovered
    from the blob. Raises `DamagedFile` and `Unavailable` as `BlobStore.read` does.
    """
    file, row = store.read(bucket, key), transaction.file(bucket.uid, key)
    return reconcile_row(transaction, store, bucket, key, file, row, announce)


def reconcile_row(
    transaction: Transaction,
    store: BlobStore,
    bucket: Bucket,
    key: str,
    file: File | None,
    row: File | None,
    announce: Announce | None = None,
) -> File | None:
    """Do what `reconcile_file` does, with the sidecar's `file` and the `row` as the caller has read them."""
    if file == row:
        return file
    log.warning("a row did not agree with its sidecar", extra={"bucket": bucket.name, "key": key})
    transaction.sync_first(lambda: store.sync(bucket, key))  # or a power cut could undo the rename, but not the row
    announce = announce or transaction.announce
    if file is not None:
        transaction.put_file(file, row)
        announce(Change(kind_of(row, file), bucket, file.updated_at, file))
    elif row is not None:
        transaction.drop_file(row)
        announce(deletion(bucket, row))
    if row is not None and row.blob != (file.blob if file else None) and (file or _was_deleted(transaction, row)):
        transaction.schedule_deletion(bucket.uid, key, row.blob, now())
    return file


def _was_deleted(transaction: Transaction, row: File) -> bool:
    intents = transaction.intents_on(row.bucket_uid, row.key)
    return any(intent.takes_away(row.bucket_uid, row.key) for intent in intents)


def reconcile_bucket(
    transaction: Transaction, store: BlobStore, name: str, *, adopt: bool = False
) -> tuple[Bucket, Totals] | None:
    """Reconcile the row of the bucket called `name` with its record. Return the bucket with its totals, None if none.

    A bucket without a row was probably copied in, and may hold files that the index does not know. It gets a row only
    with `adopt`, and is returned with totals of zero otherwise. Raises `DamagedFile` if the record cannot be read, or
    has the uid of another bucket.
    """
    record = store.read_bucket(name)
    known = transaction.bucket_named(name)
    changed = record or (known[0] if known is not None else None)
    if changed is not None and (known is None or record != known[0]):
        transaction.sync_first(lambda: store.sync_bucket(changed))  # as in `reconcile_row`
    if known is not None and (record is None or record.uid != known[0].uid):
        transaction.drop_bucket(known[0].uid)
        transaction.schedule_bucket_deletion(known[0].uid, now())
        at = following(now(), known[0].updated_at)
        transaction.announce(Change(ChangeKind.BUCKET_DELETED, known[0], at, totals=known[1]))
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
        kind = ChangeKind.BUCKET_CREATED if known is None else ChangeKind.BUCKET_UPDATED
        totals = Totals(0, 0) if known is None else known[1]
        transaction.announce(Change(kind, record, record.updated_at, totals=totals))
    return transaction.bucket(record.uid)
