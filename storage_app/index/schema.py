"""The tables of the index."""

import sqlalchemy as sa

# No migrations: the index is a cache, and one of another version is rebuilt.
VERSION = 5
schema = sa.MetaData()

# Compared and sorted by bytes everywhere, which for UTF-8 is by code points; a database's own locale is not asked.
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

# One row, `version`, written last: an index without it is not complete.
properties = sa.Table(
    "properties",
    schema,
    sa.Column("name", _TEXT, primary_key=True),
    sa.Column("value", _TEXT, nullable=False),
)
buckets = sa.Table(
    "buckets",
    schema,
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

# The grants once more, so that "which buckets may she see" is a lookup.
bucket_grants = sa.Table(
    "bucket_grants",
    schema,
    sa.Column("grantee", _TEXT, primary_key=True),
    sa.Column("bucket_uid", _TEXT, primary_key=True),
)
files = sa.Table(
    "files",
    schema,
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

# What a process is about to do. It reserves `size` bytes of the bucket's quota, and says which key to look at again if
# the process does not come back. There are as many as writes in progress, and each is written and cleared: SQLite keeps
# them in one tree, and looks through all for those of a bucket. A server's dead rows would be in the way of that.
intents = sa.Table(
    "intents",
    schema,
    sa.Column("id", _TEXT, primary_key=True),
    sa.Column("process", _TEXT, nullable=False),
    sa.Column("kind", _TEXT, nullable=False),
    sa.Column("bucket_uid", _TEXT, nullable=False),
    sa.Column("key", _TEXT),
    sa.Column("blob", _TEXT),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Index("intents_by_bucket", "bucket_uid").ddl_if(dialect="postgresql"),
    sqlite_with_rowid=False,
)

# What is to be removed a minute from `since`: bytes of `key` that were replaced or deleted, or, where there is no key,
# the rest of a bucket.
pending_deletions = sa.Table(
    "pending_deletions",
    schema,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("bucket_uid", _TEXT, nullable=False),
    sa.Column("key", _TEXT),
    sa.Column("blob", _TEXT),
    sa.Column("since", sa.BigInteger, nullable=False, index=True),
)
