"""Sidecars and bucket records as JSON: what a person with `ls` and `jq` reads, and names that follow from a key."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from ..domain import Bucket, File, Grant, new_generation

Record = TypeVar("Record", File, Bucket)

FORMAT = 1
MAX_SLUG_CHARACTERS = 64
MAX_EXTENSION_CHARACTERS = 16


class UnreadableRecord(ValueError):
    """The text is not a record of a format that this version reads; the message says why."""


def key_hash(key: str) -> str:
    """Return the name that a key's sidecar and blobs begin with: 128 bits of SHA-256, hex."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def new_blob_name(key: str) -> str:
    """Make the name of new bytes for `key`: hash, generation, slug. It is unique, and sorts by time within a key."""
    return f"{key_hash(key)}-{new_generation()}-{_slug(key)}"


def _slug(key: str) -> str:
    """Reduce the key's last segment to `[a-z0-9._-]`, extension kept; possibly empty."""
    segment = key.rpartition("/")[2].lower()
    stem, dot, extension = segment.rpartition(".")
    if not dot or not stem or len(extension) > MAX_EXTENSION_CHARACTERS:
        stem, dot, extension = segment, "", ""
    extension = dot + re.sub(r"[^a-z0-9_-]+", "", extension)
    stem = re.sub(r"[^a-z0-9._-]+", "-", stem).strip("-")
    return (stem[: MAX_SLUG_CHARACTERS - len(extension)] + extension).strip(".-") or ""


def dump_file(file: File) -> bytes:
    return _dump(
        {
            "format": FORMAT,
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
            "created_at": file.created_at.isoformat(),
            "updated_at": file.updated_at.isoformat(),
        }
    )


def load_file(text: bytes) -> File:
    """Read a sidecar; raise `UnreadableRecord` when it is none."""
    return _load(
        text,
        lambda record: File(
            bucket_uid=record["bucket_uid"],
            key=record["key"],
            blob=record["blob"],
            filename=record["filename"],
            content_type=record["content_type"],
            size=record["size"],
            sha256=record["sha256"],
            owner_id=record["owner_id"],
            metadata=record["metadata"],
            cache_control=record["cache_control"],
            created_at=datetime.fromisoformat(record["created_at"]),
            updated_at=datetime.fromisoformat(record["updated_at"]),
        ),
    )


def dump_bucket(bucket: Bucket) -> bytes:
    return _dump(
        {
            "format": FORMAT,
            "uid": bucket.uid,
            "name": bucket.name,
            "owner_id": bucket.owner_id,
            "created_at": bucket.created_at.isoformat(),
            "updated_at": bucket.updated_at.isoformat(),
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
    """Read a bucket's record; raise `UnreadableRecord` when it is none."""
    return _load(
        text,
        lambda record: Bucket(
            uid=record["uid"],
            name=record["name"],
            owner_id=record["owner_id"],
            created_at=datetime.fromisoformat(record["created_at"]),
            updated_at=datetime.fromisoformat(record["updated_at"]),
            is_public=record["is_public"],
            description=record["description"],
            grants={grantee: Grant(grant) for grantee, grant in record["grants"].items()},
            max_file_size=record["max_file_size"],
            quota=record["quota"],
            allowed_content_types=_tuple(record["allowed_content_types"]),
            cache_control=record["cache_control"],
        ),
    )


def _dump(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, indent=2).encode() + b"\n"


def _load(text: bytes, build: Callable[[dict[str, Any]], Record]) -> Record:
    try:
        record = json.loads(text)
        if record["format"] == FORMAT:
            return build(record)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UnreadableRecord(f"it is not a complete record: {error!r}") from error
    raise UnreadableRecord(f"its format is {record['format']!r}, and this version reads {FORMAT}")


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
