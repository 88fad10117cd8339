"""The statements of every request."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from .compiled import Prepared
from .schema import buckets, files, intents, pending_deletions


def _new_values(table: sa.Table, *, but: str = "") -> dict[str, sa.BindParameter[Any]]:
    return {column.name: bindparam(column.name) for column in table.columns if column.name != but}


# Where the plain name of a column is its new value, its old one has another name.
_THIS_INTENT = intents.c.id == bindparam("intent_id")
_THIS_FILE = sa.and_(files.c.bucket_uid == bindparam("of_bucket"), files.c.key == bindparam("of_key"))
_ON_KEY = sa.and_(
    intents.c.bucket_uid == bindparam("bucket_uid"), intents.c.key == bindparam("key"), intents.c.kind != "bucket"
)

_INTENTS = sa.select(intents).order_by(intents.c.id)

BUCKET_NAMED = Prepared(sa.select(buckets).where(buckets.c.name == bindparam("name")))
BUCKET_WITH = Prepared(sa.select(buckets).where(buckets.c.uid == bindparam("uid")))
COUNT = Prepared(
    sa.update(buckets)
    .where(buckets.c.uid == bindparam("of_bucket"))
    .values(
        file_count=buckets.c.file_count + bindparam("files_more"),
        total_size=buckets.c.total_size + bindparam("bytes_more"),
    )
)

FILE = Prepared(sa.select(files).where(_THIS_FILE))
# The bucket, and beside it the file, or NULLs.
_BUCKET_AND_FILE = sa.select(buckets, files).select_from(
    buckets.outerjoin(files, sa.and_(files.c.bucket_uid == buckets.c.uid, files.c.key == bindparam("of_key")))
)
BUCKET_NAMED_AND_FILE = Prepared(_BUCKET_AND_FILE.where(buckets.c.name == bindparam("name")))
BUCKET_WITH_AND_FILE = Prepared(_BUCKET_AND_FILE.where(buckets.c.uid == bindparam("uid")))
ADD_FILE = Prepared(sa.insert(files))
SWITCH_FILE = Prepared(sa.update(files).where(_THIS_FILE).values(_new_values(files)))
DROP_FILE = Prepared(sa.delete(files).where(_THIS_FILE))

INTENT = Prepared(sa.select(intents).where(_THIS_INTENT))
INTENTS = Prepared(_INTENTS)
INTENTS_OF = Prepared(_INTENTS.where(intents.c.process == bindparam("process")))
INTENTS_ON_KEY = Prepared(_INTENTS.where(_ON_KEY))
INTENTS_ON_BUCKET = Prepared(_INTENTS.where(intents.c.kind == "bucket", intents.c.key == bindparam("name")))
ADD_INTENT = Prepared(sa.insert(intents))
CHANGE_INTENT = Prepared(sa.update(intents).where(_THIS_INTENT).values(_new_values(intents)))
CLEAR_INTENT = Prepared(sa.delete(intents).where(_THIS_INTENT))

# The id is the database's to choose.
SCHEDULE_DELETION = Prepared(sa.insert(pending_deletions).values(_new_values(pending_deletions, but="id")).inline())
