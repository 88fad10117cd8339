"""The compiled statements: those that run in most requests."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from .compiled import Compiled
from .schema import buckets, files, intents, pending_deletions


def _new_values(table: sa.Table, *, but: str = "") -> dict[str, sa.BindParameter[Any]]:
    return {column.name: bindparam(column.name) for column in table.columns if column.name != but}


# In an UPDATE, the parameter called like a column is its new value. So parameters in WHERE have other names.
_THIS_INTENT = intents.c.id == bindparam("intent_id")
_THIS_FILE = sa.and_(files.c.bucket_uid == bindparam("of_bucket"), files.c.key == bindparam("of_key"))
_ON_KEY = sa.and_(
    intents.c.bucket_uid == bindparam("bucket_uid"), intents.c.key == bindparam("key"), intents.c.kind != "bucket"
)

_INTENTS = sa.select(intents).order_by(intents.c.id)

BUCKET_NAMED = Compiled(sa.select(buckets).where(buckets.c.name == bindparam("name")))
BUCKET_WITH = Compiled(sa.select(buckets).where(buckets.c.uid == bindparam("uid")))
COUNT = Compiled(
    sa.update(buckets)
    .where(buckets.c.uid == bindparam("of_bucket"))
    .values(
        file_count=buckets.c.file_count + bindparam("files_more"),
        total_size=buckets.c.total_size + bindparam("bytes_more"),
    )
)

FILE = Compiled(sa.select(files).where(_THIS_FILE))
# The columns of the bucket, then those of the file, which are NULL if there is none.
_BUCKET_AND_FILE = sa.select(buckets, files).select_from(
    buckets.outerjoin(files, sa.and_(files.c.bucket_uid == buckets.c.uid, files.c.key == bindparam("of_key")))
)
BUCKET_NAMED_AND_FILE = Compiled(_BUCKET_AND_FILE.where(buckets.c.name == bindparam("name")))
BUCKET_WITH_AND_FILE = Compiled(_BUCKET_AND_FILE.where(buckets.c.uid == bindparam("uid")))
ADD_FILE = Compiled(sa.insert(files))
SWITCH_FILE = Compiled(sa.update(files).where(_THIS_FILE).values(_new_values(files)))
DROP_FILE = Compiled(sa.delete(files).where(_THIS_FILE))

INTENT = Compiled(sa.select(intents).where(_THIS_INTENT))
INTENTS = Compiled(_INTENTS)
INTENTS_OF = Compiled(_INTENTS.where(intents.c.process == bindparam("process")))
INTENTS_ON_KEY = Compiled(_INTENTS.where(_ON_KEY))
INTENTS_ON_BUCKET = Compiled(_INTENTS.where(intents.c.kind == "bucket", intents.c.key == bindparam("name")))
ADD_INTENT = Compiled(sa.insert(intents))
CHANGE_INTENT = Compiled(sa.update(intents).where(_THIS_INTENT).values(_new_values(intents)))
CLEAR_INTENT = Compiled(sa.delete(intents).where(_THIS_INTENT))

# The database chooses the id.
SCHEDULE_DELETION = Compiled(sa.insert(pending_deletions).values(_new_values(pending_deletions, but="id")).inline())
