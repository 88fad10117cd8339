"""The statements of every request, built once: to build one takes longer than the database takes to answer it."""

import sqlalchemy as sa
from sqlalchemy import bindparam

from .schema import buckets, files, memories, notes

# In an UPDATE, the plain name of a column is its new value.
_THIS_NOTE = notes.c.id == bindparam("note_id")
_THIS_FILE = sa.and_(files.c.bucket_uid == bindparam("of_bucket"), files.c.key == bindparam("of_key"))
_ON_KEY = sa.and_(
    notes.c.bucket_uid == bindparam("bucket_uid"), notes.c.key == bindparam("key"), notes.c.kind != "bucket"
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
# The bucket, and beside it the file, or NULLs.
FILE_OF_BUCKET_NAMED = (
    sa.select(buckets, files)
    .select_from(
        buckets.outerjoin(files, sa.and_(files.c.bucket_uid == buckets.c.uid, files.c.key == bindparam("of_key")))
    )
    .where(buckets.c.name == bindparam("name"))
)
ADD_FILE = sa.insert(files)
SWITCH_FILE = (
    sa.update(files).where(_THIS_FILE).values({name: bindparam(name) for name in files.columns.keys()})  # noqa: SIM118  a ColumnCollection is no dict
)
DROP_FILE = sa.delete(files).where(_THIS_FILE)

NOTE = sa.select(notes).where(_THIS_NOTE)
NOTES = sa.select(notes).order_by(notes.c.id)
NOTES_OF = NOTES.where(notes.c.process == bindparam("process"))
NOTES_ON_KEY = NOTES.where(_ON_KEY)
NOTES_ON_BUCKET = NOTES.where(notes.c.kind == "bucket", notes.c.key == bindparam("name"))
ADD_NOTE = sa.insert(notes)
CHANGE_NOTE = (
    sa.update(notes).where(_THIS_NOTE).values({name: bindparam(name) for name in notes.columns.keys()})  # noqa: SIM118
)
DROP_NOTE = sa.delete(notes).where(_THIS_NOTE)

REMEMBER = sa.insert(memories)
