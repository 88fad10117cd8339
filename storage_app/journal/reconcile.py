"""Rows of the index reconciled with the records in the store, which are the truth. The caller holds the locks."""

import logging

from ..blobstore import BlobStore
from ..domain.buckets import Bucket, Totals
from ..domain.files import File
from ..domain.intents import Intent, IntentKind
from ..domain.text import quoted
from ..domain.times import now
from ..errors import DamagedFile
from ..index import Transaction

log = logging.getLogger(__name__)


def resolve(transaction: Transaction, store: BlobStore, intent: Intent) -> None:
    """Resolve `intent` and clear it, if it still stands in the index."""
    current = transaction.intent(intent.id)  # it may say more by now
    if current is not None:
        act_on(transaction, store, current)
        transaction.clear_intent(current)


def act_on(transaction: Transaction, store: BlobStore, intent: Intent) -> None:
    """Make the row of the intent's key or bucket agree with its sidecar.

    The bytes of the intent become a pending deletion where the sidecar does not name them. A record that cannot be
    read is damage that the intent does not explain: row and bytes stay as they are.
    """
    try:
        if intent.kind is IntentKind.BUCKET and intent.key is not None:
            transaction.lock_bucket(intent.key)
            reconcile_bucket(transaction, store, intent.key, adopt=True)
        elif intent.key is not None:
            _resolve_on_file(transaction, store, intent, intent.key)
    except DamagedFile as error:
        log.error("%s", error.detail, extra={"key": intent.key, "blob": intent.blob})


def _resolve_on_file(transaction: Transaction, store: BlobStore, intent: Intent, key: str) -> None:
    found = transaction.bucket(intent.bucket_uid)
    if found is not None:
        transaction.lock_key(found[0].name, key)
        found = transaction.bucket(intent.bucket_uid)
    if found is None:  # in the trash, with all its bytes
        return
    file = reconcile_file(transaction, store, found[0], key)
    if intent.blob is not None and (file is None or file.blob != intent.blob):
        transaction.schedule_deletion(intent.bucket_uid, key, intent.blob, now())


def reconcile_file(transaction: Transaction, store: BlobStore, bucket: Bucket, key: str) -> File | None:
    """Read the sidecar of `key`, reconcile the row with it, and return what it says.

    Bytes that another sidecar took the place of become a deletion, and so do those of a row whose sidecar is missing
    if a intent says that it was deleted. Without one that is damage, and the bytes could be somebody's.
    """
    return reconcile_row(transaction, store, bucket, key, store.read(bucket, key), transaction.file(bucket.uid, key))


def reconcile_row(
    transaction: Transaction, store: BlobStore, bucket: Bucket, key: str, file: File | None, row: File | None
) -> File | None:
    """The same, where the sidecar and the row have been read."""
    if file == row:
        return file
    log.warning("a row did not agree with its sidecar", extra={"bucket": bucket.name, "key": key})
    transaction.sync_first(lambda: store.sync(bucket, key))  # or a power cut could take back what the row says
    if file is not None:
        transaction.put_file(file, row)
    elif row is not None:
        transaction.drop_file(row)
    if row is not None and row.blob != (file.blob if file else None) and (file or _was_deleted(transaction, row)):
        transaction.schedule_deletion(bucket.uid, key, row.blob, now())
    return file


def _was_deleted(transaction: Transaction, row: File) -> bool:
    return any(intent.kind is IntentKind.DELETE for intent in transaction.intents_on(row.bucket_uid, row.key))


def reconcile_bucket(
    transaction: Transaction, store: BlobStore, name: str, *, adopt: bool = False
) -> tuple[Bucket, Totals] | None:
    """Read the record of the bucket called `name`, reconcile the row with it, and return what it says.

    A bucket without a row gets one only with `adopt`: no intent explains it, so it was copied in, and may hold files.
    Raises `DamagedFile` when it is a copy of another.
    """
    record = store.read_bucket(name)
    known = transaction.bucket_named(name)
    changed = record or (known[0] if known is not None else None)
    if changed is not None and (known is None or record != known[0]):
        transaction.sync_first(lambda: store.sync_bucket(changed))  # or a power cut could take back what the row says
    if known is not None and (record is None or record.uid != known[0].uid):
        transaction.drop_bucket(known[0].uid)
        transaction.schedule_bucket_deletion(known[0].uid, now())
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
