"""Nouns to rows of the index, and rows to nouns."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from ..domain.buckets import Bucket, Grant, Totals
from ..domain.files import File
from ..domain.intents import Intent, IntentKind
from .schema import buckets

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
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


def intent_row(intent: Intent) -> dict[str, Any]:
    return {
        "id": intent.id,
        "process": intent.process,
        "kind": intent.kind.value,
        "bucket_uid": intent.bucket_uid,
        "key": intent.key,
        "blob": intent.blob,
        "size": intent.size,
    }


def intents_from(rows: Iterable[Sequence[Any]]) -> list[Intent]:
    return [intent_from(row) for row in rows]


def intent_from(row: Sequence[Any]) -> Intent:
    """Read a row of `intents`, whose columns stand as the table has them."""
    intent_id, process, kind, bucket_uid, key, blob, size = row
    return Intent(process, IntentKind(kind), bucket_uid, key, blob, size, intent_id)
