"""The statements of every request."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from .compiled import Prepared
from .schema import buckets, files, memories, notes


def _new_values(table: sa.Table, *, but: str = "") -> dict[str, sa.BindParameter[Any]]:
    return {column.name: bindparam(column.name) for column in table.columns if column.name != but}


# Where the plain name of a column is its new value, its old one has another name.
_THIS_NOTE = notes.c.id == bindparam("note_id")
_THIS_FILE = sa.and_(files.c.bucket_uid == bindparam("of_bucket"), files.c.key == bindparam("of_key"))
_ON_KEY = sa.and_(
    notes.c.bucket_uid == bindparam("bucket_uid"), notes.c.key == bindparam("key"), notes.c.kind != "bucket"
)

_NOTES = sa.select(notes).order_by(notes.c.id)

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

NOTE = Prepared(sa.select(notes).where(_THIS_NOTE))
NOTES = Prepared(_NOTES)
NOTES_OF = Prepared(_NOTES.where(notes.c.process == bindparam("process")))
NOTES_ON_KEY = Prepared(_NOTES.where(_ON_KEY))
NOTES_ON_BUCKET = Prepared(_NOTES.where(notes.c.kind == "bucket", notes.c.key == bindparam("name")))
ADD_NOTE = Prepared(sa.insert(notes))
CHANGE_NOTE = Prepared(sa.update(notes).where(_THIS_NOTE).values(_new_values(notes)))
DROP_NOTE = Prepared(sa.delete(notes).where(_THIS_NOTE))

# The id is the database's to choose.
REMEMBER = Prepared(sa.insert(memories).values(_new_values(memories, but="id")).inline())
