"""The statements that run in most requests. They are executed as `compiled` describes."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects import postgresql

from .schema import announced, buckets, files, intents, outbox_on_server, pending_deletions, reservations


def _new_values(table: sa.Table, *, but: str = "") -> dict[str, sa.BindParameter[Any]]:
    return {column.name: bindparam(column.name) for column in table.columns if column.name != but}


_BUCKET: sa.ColumnElement[str] = sa.literal_column("'bucket'")

# In an UPDATE, the parameter called like a column is its new value. So parameters in WHERE have other names.
_THIS_INTENT = intents.c.id == bindparam("intent_id")
_THIS_FILE = sa.and_(files.c.bucket_uid == bindparam("of_bucket"), files.c.key == bindparam("of_key"))
_ON_KEY = sa.and_(
    intents.c.bucket_uid == bindparam("bucket_uid"), intents.c.key == bindparam("key"), intents.c.kind != _BUCKET
)
_FROM_KEY = sa.and_(intents.c.source_uid == bindparam("bucket_uid"), intents.c.source_key == bindparam("key"))
_IN_BUCKET = sa.or_(
    sa.and_(intents.c.bucket_uid == bindparam("bucket_uid"), intents.c.kind != _BUCKET),
    intents.c.source_uid == bindparam("bucket_uid"),
)

BUCKET_NAMED = sa.select(buckets).where(buckets.c.name == bindparam("name"))
BUCKET_WITH = sa.select(buckets).where(buckets.c.uid == bindparam("uid"))
COUNT = (
    sa.update(buckets)
    .where(buckets.c.uid == bindparam("of_bucket"))
    .values(
        file_count=buckets.c.file_count + bindparam("files_more"),
        total_size=buckets.c.total_size + bindparam("bytes_more"),
    )
)

FILE = sa.select(files).where(_THIS_FILE)
# The columns of the bucket, then those of the file, which are NULL if there is none.
_BUCKET_AND_FILE = sa.select(buckets, files).select_from(
    buckets.outerjoin(files, sa.and_(files.c.bucket_uid == buckets.c.uid, files.c.key == bindparam("of_key")))
)
BUCKET_NAMED_AND_FILE = _BUCKET_AND_FILE.where(buckets.c.name == bindparam("name"))
BUCKET_WITH_AND_FILE = _BUCKET_AND_FILE.where(buckets.c.uid == bindparam("uid"))
ADD_FILE = sa.insert(files)
SWITCH_FILE = sa.update(files).where(_THIS_FILE).values(_new_values(files))
DROP_FILE = sa.delete(files).where(_THIS_FILE)

INTENT = sa.select(intents).where(_THIS_INTENT)
INTENTS = sa.select(intents).order_by(intents.c.id)
INTENTS_OF = INTENTS.where(intents.c.process == bindparam("process"))
INTENTS_IN_BUCKET = INTENTS.where(_IN_BUCKET)
INTENTS_ON_KEY = INTENTS.where(sa.or_(_ON_KEY, _FROM_KEY))
INTENTS_ON_BUCKET = INTENTS.where(intents.c.kind == _BUCKET, intents.c.key == bindparam("name"))
ADD_INTENT = sa.insert(intents)
CHANGE_INTENT = sa.update(intents).where(_THIS_INTENT).values(_new_values(intents))
CLEAR_INTENT = sa.delete(intents).where(_THIS_INTENT)

# The database chooses the id.
SCHEDULE_DELETION = sa.insert(pending_deletions).values(_new_values(pending_deletions, but="id")).inline()

# The reservations that have not expired: their number, and the bytes of the disk.
RESERVATIONS = sa.select(
    sa.func.count(), sa.func.coalesce(sa.func.sum(reservations.c.size), sa.literal_column("0"))
).where(reservations.c.expires_at > bindparam("at"))
RESERVATIONS_OF = RESERVATIONS.where(reservations.c.uploader == bindparam("uploader"))

# The row of a change: in the index, or in the outbox on a server. A change is about as old as its sequence says.
ANNOUNCE = sa.insert(announced).values(_new_values(announced, but="number"))
_SINCE: sa.BindParameter[Any] = bindparam("sequence")
EVENT: dict[str, sa.ColumnElement[Any]] = {
    **{name: bindparam(name) for name in ("id", "bucket_uid", "key", "sequence", "body")},
    "state": sa.literal_column("'due'"),
    "since": _SINCE,
    "due_at": _SINCE,
    "attempts": sa.literal_column("0"),
}
ANNOUNCE_ON_SERVER = postgresql.insert(outbox_on_server).values(EVENT).on_conflict_do_nothing()
