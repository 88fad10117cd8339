"""The tables of the index, and rows to nouns and back."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from ..domain import Bucket, File, Grant, Totals

# No migrations: the index is a cache, and one of another version is rebuilt.
VERSION = 4

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

schema = sa.MetaData()

# Values are what a driver takes and gives, because `Prepared` statements convert none: JSON is text.

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
# the process does not come back. There are as many as writes in progress, and each is written and struck: SQLite keeps
# them in one tree, and looks through all for those of a bucket. A server's dead rows would be in the way of that.
notes = sa.Table(
    "notes",
    schema,
    sa.Column("id", _TEXT, primary_key=True),
    sa.Column("process", _TEXT, nullable=False),
    sa.Column("kind", _TEXT, nullable=False),
    sa.Column("bucket_uid", _TEXT, nullable=False),
    sa.Column("key", _TEXT),
    sa.Column("blob", _TEXT),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Index("notes_by_bucket", "bucket_uid").ddl_if(dialect="postgresql"),
    sqlite_with_rowid=False,
)

# What is to be removed a minute from `since`: bytes of `key` that were replaced or deleted, or, where there is no key,
# the rest of a bucket.
memories = sa.Table(
    "memories",
    schema,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("bucket_uid", _TEXT, nullable=False),
    sa.Column("key", _TEXT),
    sa.Column("blob", _TEXT),
    sa.Column("since", sa.BigInteger, nullable=False, index=True),
)

_BUCKET_COLUMNS = len(buckets.columns)


def to_microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def bucket_row(bucket: Bucket) -> dict[str, Any]:
    types = bucket.allowed_content_types
    return {
        "uid": bucket.uid,
        "name": bucket.name,
        "owner_id": bucket.owner_id,
        "created_at": to_microseconds(bucket.created_at),
        "updated_at": to_microseconds(bucket.updated_at),
        "is_public": bucket.is_public,
        "description": bucket.description,
        "max_file_size": bucket.max_file_size,
        "quota": bucket.quota,
        "allowed_content_types": None if types is None else json.dumps(types),
        "cache_control": bucket.cache_control,
        "grants": json.dumps(dict(bucket.grants)),
    }


def bucket_from(row: Sequence[Any]) -> tuple[Bucket, Totals]:
    """Read a row of `buckets`, whose columns stand as the table has them."""
    file_count, total_size = row[-2:]
    return _bucket_of(tuple(row[:-2])), Totals(file_count, total_size)


@lru_cache(maxsize=256)
def _bucket_of(values: tuple[Any, ...]) -> Bucket:
    """Make the bucket of all but the totals. Few buckets are asked for again and again, and they seldom change."""
    uid, name, owner_id, created_at, updated_at, is_public, description, max_file_size, quota, types, *more = values
    cache_control, grants = more
    return Bucket(
        uid=uid,
        name=name,
        owner_id=owner_id,
        created_at=from_microseconds(created_at),
        updated_at=from_microseconds(updated_at),
        is_public=bool(is_public),
        description=description,
        grants={grantee: Grant(grant) for grantee, grant in json.loads(grants).items()},
        max_file_size=max_file_size,
        quota=quota,
        allowed_content_types=None if types is None else tuple(json.loads(types)),
        cache_control=cache_control,
    )


def file_row(file: File) -> dict[str, Any]:
    return {
        "bucket_uid": file.bucket_uid,
        "key": file.key,
        "blob": file.blob,
        "filename": file.filename,
        "content_type": file.content_type,
        "size": file.size,
        "sha256": file.sha256,
        "owner_id": file.owner_id,
        "metadata": json.dumps(dict(file.metadata)) if file.metadata else "{}",
        "cache_control": file.cache_control,
        "created_at": to_microseconds(file.created_at),
        "updated_at": to_microseconds(file.updated_at),
    }


def file_from(row: Sequence[Any]) -> File:
    """Read a row of `files`, whose columns stand in the order of the fields of `File`."""
    *plain, metadata, cache_control, created_at, updated_at = row
    moments = map(from_microseconds, (created_at, updated_at))
    values = [*plain, json.loads(metadata), cache_control, *moments]
    return File(*values)


def bucket_and_file_from(row: Sequence[Any]) -> tuple[Bucket, Totals, File | None]:
    """Read a row of `buckets` with one of `files` behind it, or NULLs."""
    of_bucket, of_file = row[:_BUCKET_COLUMNS], row[_BUCKET_COLUMNS:]
    return *bucket_from(of_bucket), None if of_file[0] is None else file_from(of_file)
