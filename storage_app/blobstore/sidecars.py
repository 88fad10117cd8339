"""Sidecars and bucket records as JSON, which people can read with `jq` too.

People may also edit them, so reading trusts nothing. A record with a value that breaks a rule is as unreadable as one
that is not JSON.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ..domain.buckets import Bucket, Grant, check_bucket_name
from ..domain.files import File, check_key
from ..domain.text import is_storable, parse_json
from ..errors import InvalidRequest
from .names import BLOB_NAME, key_hash

FORMAT = 1

_FLAT = json.JSONEncoder(ensure_ascii=False, separators=(",\n  ", ": "))

Rule = Callable[[Any], Any]


class UnreadableRecord(ValueError):
    """The text is not a record in a format that this version reads. The message says why."""


def dump_file(file: File) -> bytes:
    return _dump(
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
            "created_at": _moment_text(file.created_at),
            "updated_at": _moment_text(file.updated_at),
        }
    )


def load_file(text: bytes) -> File:
    """Return the file that a sidecar describes. Raises `UnreadableRecord` if the text is not a sidecar."""
    file = File(**_load(text, _FILE_RULES))
    if not file.blob.startswith(key_hash(file.key)):
        raise UnreadableRecord("its blob belongs to another key")
    return file


def dump_bucket(bucket: Bucket) -> bytes:
    return _dump(
        {
            "uid": bucket.uid,
            "name": bucket.name,
            "owner_id": bucket.owner_id,
            "created_at": _moment_text(bucket.created_at),
            "updated_at": _moment_text(bucket.updated_at),
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
    return Bucket(**_load(text, _BUCKET_RULES))


def _dump(record: Mapping[str, Any]) -> bytes:
    """Return a record as JSON with an indentation of two spaces.

    With `indent`, Python's encoder runs in Python. If no value needs indentation, the faster encoder in C produces
    identical text.
    """
    values = {"format": FORMAT, **record}
    if any(isinstance(value, dict | list | tuple) and value for value in values.values()):
        text = json.dumps(values, ensure_ascii=False, indent=2)
    else:
        text = "{\n  " + _FLAT.encode(values)[1:-1] + "\n}"
    return text.encode() + b"\n"


def _load(text: bytes, rules: Mapping[str, Rule]) -> dict[str, Any]:
    try:
        record = parse_json(text)
        version = record["format"]
        if version == FORMAT:
            return {name: rule(record[name]) for name, rule in rules.items()}
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, InvalidRequest) as error:
        raise UnreadableRecord(f"it is not a complete record: {error!r}") from error
    raise UnreadableRecord(f"its format is {version!r}, and this version reads {FORMAT}")


def _moment_text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")  # with zeros, so that the length is always the same


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    if not is_storable(value):
        raise ValueError(f"{value!r} contains NUL or a lone surrogate, which not every database takes")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{value!r} is no count of bytes")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is no object")
    return value


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    return moment.astimezone(UTC)


def _grants(value: Any) -> dict[str, Grant]:
    return {_text(grantee): Grant(grant) for grantee, grant in _object(value).items()}


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return tuple(_text(item) for item in value)


def _matching(pattern: re.Pattern[str]) -> Rule:
    def rule(value: Any) -> str:
        if not pattern.fullmatch(_text(value)):
            raise ValueError(f"{value!r} does not have the form {pattern.pattern}")
        return str(value)

    return rule


def _optional(rule: Rule) -> Rule:
    return lambda value: None if value is None else rule(value)


_UID = _matching(re.compile(r"[a-z0-9-]{1,64}"))

_FILE_RULES: dict[str, Rule] = {
    "bucket_uid": _UID,
    "key": lambda value: check_key(_text(value)),
    "blob": _matching(BLOB_NAME),
    "filename": _text,
    "content_type": _text,
    "size": _count,
    "sha256": _matching(re.compile(r"[0-9a-f]{64}")),
    "owner_id": _text,
    "metadata": _object,
    "cache_control": _optional(_text),
    "created_at": _moment,
    "updated_at": _moment,
}
_BUCKET_RULES: dict[str, Rule] = {
    "uid": _UID,
    "name": lambda value: check_bucket_name(_text(value)),
    "owner_id": _text,
    "created_at": _moment,
    "updated_at": _moment,
    "is_public": _flag,
    "description": _optional(_text),
    "grants": _grants,
    "max_file_size": _optional(_count),
    "quota": _optional(_count),
    "allowed_content_types": _optional(_texts),
    "cache_control": _optional(_text),
}
