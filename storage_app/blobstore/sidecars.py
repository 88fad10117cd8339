"""Sidecars and bucket records as JSON."""

import re
from typing import Any

from ..domain.buckets import Bucket, Grant, check_bucket_name
from ..domain.files import File, check_key
from . import records
from .names import BLOB_NAME, key_hash
from .records import Rule, UnreadableRecord


def dump_file(file: File) -> bytes:
    return records.dump(
        {
            "key": file.key,
            "bucket_uid": file.bucket_uid,
            "blob": file.blob,
            "filename": file.filename,
            "content_type": file.content_type,
            "size": file.size,
            "sha256": file.sha256,
            "owner_id": file.owner_id,
            "metadata": dict(file.metadata),
            "cache_control": file.cache_control,
            "created_at": records.moment_text(file.created_at),
            "updated_at": records.moment_text(file.updated_at),
        }
    )


def load_file(text: bytes) -> File:
    """Return the file that a sidecar describes. Raises `UnreadableRecord` if the text is not a sidecar."""
    file = File(**records.load(text, _FILE_RULES))
    if not file.blob.startswith(key_hash(file.key)):
        raise UnreadableRecord("its blob belongs to another key")
    return file


def dump_bucket(bucket: Bucket) -> bytes:
    return records.dump(
        {
            "uid": bucket.uid,
            "name": bucket.name,
            "owner_id": bucket.owner_id,
            "created_at": records.moment_text(bucket.created_at),
            "updated_at": records.moment_text(bucket.updated_at),
            "is_public": bucket.is_public,
            "description": bucket.description,
            "grants": dict(bucket.grants),
            "max_file_size": bucket.max_file_size,
            "quota": bucket.quota,
            "allowed_content_types": bucket.allowed_content_types,
            "cache_control": bucket.cache_control,
        }
    )


def load_bucket(text: bytes) -> Bucket:
    """Return the bucket that a record describes. Raises `UnreadableRecord` if the text is not a bucket's record."""
    return Bucket(**records.load(text, _BUCKET_RULES))


def _grants(value: Any) -> dict[str, Grant]:
    return {records.text(grantee): Grant(grant) for grantee, grant in records.json_object(value).items()}


_FILE_RULES: dict[str, Rule] = {
    "bucket_uid": records.UID,
    "key": lambda value: check_key(records.text(value)),
    "blob": records.matching(BLOB_NAME),
    "filename": records.text,
    "content_type": records.text,
    "size": records.count,
    "sha256": records.matching(re.compile(r"[0-9a-f]{64}")),
    "owner_id": records.text,
    "metadata": records.json_object,
    "cache_control": records.optional(records.text),
    "created_at": records.moment,
    "updated_at": records.moment,
}
_BUCKET_RULES: dict[str, Rule] = {
    "uid": records.UID,
    "name": lambda value: check_bucket_name(records.text(value)),
    "owner_id": records.text,
    "created_at": records.moment,
    "updated_at": records.moment,
    "is_public": records.flag,
    "description": records.optional(records.text),
    "grants": _grants,
    "max_file_size": records.optional(records.count),
    "quota": records.optional(records.count),
    "allowed_content_types": records.optional(records.texts),
    "cache_control": records.optional(records.text),
}
