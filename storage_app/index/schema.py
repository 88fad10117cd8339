"""The tables of the index: CACHE, which a rebuild makes again, and DURABLE, which it leaves alone."""

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.schema import CreateSchema

# The cache has no migrations: an index of another version is rebuilt.
VERSION = 11

# No file is lost with these tables: a rebuild fills them from sidecars and blobs. It empties or drops
# them first, and on SQLite it may replace the file that they are in.
CACHE = sa.MetaData()

# The rows of these tables cannot be made from sidecars and blobs, so no rebuild touches them. With SQLite they are in a
# database of their own, because the file of the index may be replaced. On PostgreSQL they are in a schema of their own.
DURABLE = sa.MetaData()
DURABLE_ON_SERVER = sa.MetaData(schema="durable")
_CREATE_SCHEMA = CreateSchema("durable", if_not_exists=True)
event.listen(DURABLE_ON_SERVER, "before_create", _CREATE_SCHEMA)

# Text is compared and sorted by bytes on every database, whatever its locale; for UTF-8 that is by code points.
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

# A complete index has two rows here: `store`, the id of the store that it was made for, and `version`, written last.
properties = sa.Table(
    "properties",
    CACHE,
    sa.Column("name", _TEXT, primary_key=True),
    sa.Column("value", _TEXT, nullable=False),
)
buckets = sa.Table(
    "buckets",
    CACHE,
    sa.Column("uid", _TEXT, primary_key=True),
    sa.Column("name", _TEXT, nullable=False, unique=True),
    sa.Column("owner_id", _TEXT, nullable=False, index=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Column("is_public", sa.Boolean, nullable=False),
    sa.Column("description", _TEXT),
    sa.Column("max_file_size", sa.BigInteger),
    sa.Column("quota", sa.BigInteger),
    sa.Column("allowed_content_types", _TEXT),  # JSON
    sa.Column("cache_control", _TEXT),
    sa.Column("grants", _TEXT, nullable=False),  # JSON
    sa.Column("file_count", sa.BigInteger, nullable=False, default=0),
    sa.Column("total_size", sa.BigInteger, nullable=False, default=0),
)

# The grants of `buckets` by grantee, so that the buckets that a user may see are a lookup.
bucket_grants = sa.Table(
    "bucket_grants",
    CACHE,
    sa.Column("grantee", _TEXT, primary_key=True),
    sa.Column("bucket_uid", _TEXT, primary_key=True),
)
files = sa.Table(
    "files",
    CACHE,
    sa.Column("bucket_uid", _TEXT, primary_key=True),
    sa.Column("key", _TEXT, primary_key=True),
    sa.Column("blob", _TEXT, nullable=False),
    sa.Column("filename", _TEXT, nullable=False),
    sa.Column("content_type", _TEXT, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("sha256", _TEXT, nullable=False),
    sa.Column("owner_id", _TEXT, nullable=False),
    sa.Column("metadata", _TEXT, nullable=False),  # JSON
    sa.Column("cache_control", _TEXT),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Index("files_by_creation", "bucket_uid", "created_at", "key"),
    sa.Index("files_by_owner", "bucket_uid", "owner_id"),
)

# An intent reserves `size` bytes of the bucket's quota, and names the key that recovery reads if the process dies. Each
# write in progress has one, so there are few. SQLite keeps them in one tree, without a rowid, and scans it for those of
# a bucket. PostgreSQL has an index for that, because a scan would also read the dead rows of cleared intents.
intents = sa.Table(
    "intents",
    CACHE,
    sa.Column("id", _TEXT, primary_key=True),
    sa.Column("process", _TEXT, nullable=False),
    sa.Column("kind", _TEXT, nullable=False),
    sa.Column("bucket_uid", _TEXT, nullable=False),
    sa.Column("key", _TEXT),
    sa.Column("blob", _TEXT),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("source_uid", _TEXT),  # this and the next two only for moves
    sa.Column("source_key", _TEXT),
    sa.Column("source_blob", _TEXT),
    sa.Column("notify", _TEXT),  # only for uploads
    sa.Index("intents_by_bucket", "bucket_uid").ddl_if(dialect="postgresql"),
    sa.Index("intents_by_source", "source_uid").ddl_if(dialect="postgresql"),
    sqlite_with_rowid=False,
)

# A body that nginx spools: it takes `size` bytes of the disk, and `growth` bytes of the bucket's quota. A killed nginx
# leaves its rows, which count until `expires_at`.
reservations = sa.Table(
    "reservations",
    CACHE,
    sa.Column("id", _TEXT, primary_key=True),
    sa.Column("uploader", _TEXT, nullable=False),
    sa.Column("bucket_uid", _TEXT, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("growth", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# A resumable upload, as `ResumableReservation` describes it.
resumables = sa.Table(
    "resumables",
    CACHE,
    sa.Column("id", _TEXT, primary_key=True),
    sa.Column("uploader", _TEXT, nullable=False),
    sa.Column("bucket_uid", _TEXT, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("growth", sa.BigInteger, nullable=False),
    sa.Column("received", sa.BigInteger, nullable=False),
    sa.Column("is_open", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Index("resumables_by_expiry", "expires_at"),
    # Finished ones stay until they expire, and may be many.
    sa.Index("open_resumables", "is_open", "uploader", "size", "received"),
    sa.Index("open_resumables_by_bucket", "bucket_uid", "is_open", "growth"),
)

# A blob of `key` that was replaced or deleted at `since`, or, without a key, what is left of a bucket.
pending_deletions = sa.Table(
    "pending_deletions",
    CACHE,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("bucket_uid", _TEXT, nullable=False),
    sa.Column("key", _TEXT),
    sa.Column("blob", _TEXT),
    sa.Column("since", sa.BigInteger, nullable=False, index=True),
)


# Changes that a transaction of SQLite has announced, until they are in the outbox.
announced = sa.Table(
    "announced",
    CACHE,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("id", _TEXT, nullable=False),
    sa.Column("bucket_uid", _TEXT, nullable=False),
    sa.Column("key", _TEXT, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("body", _TEXT, nullable=False),
)


def _outbox(metadata: sa.MetaData) -> sa.Table:
    """Return the table of events that were not delivered yet, or not long ago. A `key` of "" is the bucket itself."""
    return sa.Table(
        "outbox",
        metadata,
        # In the order in which they are looked for: an upload takes less time for one tree than for several.
        sa.Column("bucket_uid", _TEXT, primary_key=True),
        sa.Column("key", _TEXT, primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", _TEXT, primary_key=True),
        sa.Column("body", _TEXT, nullable=False),  # JSON
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),  # in this state
        sa.Column("first_tried_at", sa.BigInteger),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.BigInteger, nullable=False),
        sa.Column("failure", _TEXT),
        sa.Index("outbox_by_state", "state", "due_at"),
        sqlite_with_rowid=False,
    )


outbox = _outbox(DURABLE)
outbox_on_server = _outbox(DURABLE_ON_SERVER)


def create(engine: sa.Engine) -> None:
    """Create the tables of the index that are missing."""
    CACHE.create_all(engine)
