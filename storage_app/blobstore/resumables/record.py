"""The record of a resumable upload as JSON, `upload.json` on the disk."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from ...domain.files import WriteConditions, check_key
from ...domain.principals import Principal, PrincipalKind, Replace, UploadRight
from ...domain.resumables import Resumable
from ...domain.uploads import FileAttributes, UploadConstraints, UploadRequest
from .. import records
from ..names import BLOB_NAME
from ..records import Rule


def dump_resumable(upload: Resumable) -> bytes:
    request = upload.request
    return records.dump(
        {
            "bucket": request.bucket_name,
            "key": request.key,
            "length": upload.length,
            "created_at": records.moment_text(upload.created_at),
            "expires_at": records.moment_text(upload.expires_at),
            "synced": upload.synced,
            "boot_id": upload.boot_id,
            "checked_from": upload.checked_from,
            "cuts": upload.cuts,
            "blob": upload.blob,
            "is_finished": upload.is_finished,
            "bucket_uid": upload.bucket_uid,
            "principal": None if upload.principal is None else _values(upload.principal),
            "right": _values(upload.right),
            "overwrite": request.overwrite,
            "conditions": _values(request.conditions),
            "attributes": _values(request.attributes),
            "constraints": _values(request.constraints),
            "upload_metadata": upload.upload_metadata,
            "upload_concat": upload.upload_concat,
        }
    )


def load_resumable(upload_id: str, text: bytes) -> Resumable:
    """Return the upload that a record describes. Raises `UnreadableRecord` if the text is not such a record."""
    values = records.load(text, _RULES)
    request = UploadRequest(
        bucket_name=values.pop("bucket"),
        key=values.pop("key"),
        overwrite=values.pop("overwrite"),
        conditions=values.pop("conditions"),
        attributes=values.pop("attributes"),
        constraints=values.pop("constraints"),
        by_link=values["principal"] is None,
    )
    return Resumable(id=upload_id, request=request, **values)


def _values(noun: Any) -> dict[str, Any]:
    return {field.name: _plain(getattr(noun, field.name)) for field in fields(noun)}


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, datetime):
        return records.moment_text(value)
    if isinstance(value, Mapping):
        return dict(value)
    return value.value if isinstance(value, PrincipalKind) else value


def _noun(noun: Callable[..., Any], rules: Mapping[str, Rule]) -> Rule:
    def rule(value: Any) -> Any:
        record = records.json_object(value)
        return noun(**{name: check(record[name]) for name, check in rules.items()})

    return rule


def _set(value: Any) -> frozenset[str]:
    return frozenset(records.texts(value))


_text, _count, _optional = records.text, records.count, records.optional
_optional_text = _optional(_text)

_RULES: dict[str, Rule] = {
    "bucket": _text,
    "key": _optional(lambda value: check_key(_text(value))),
    "length": _optional(_count),
    "created_at": records.moment,
    "expires_at": records.moment,
    "synced": _count,
    "boot_id": _text,
    "checked_from": _optional(_count),
    "cuts": _count,
    "blob": _optional(records.matching(BLOB_NAME)),
    "is_finished": records.flag,
    "bucket_uid": records.UID,
    "principal": _optional(_noun(Principal, {"kind": PrincipalKind, "sub": _optional_text})),
    "right": _noun(UploadRight, {"owner_id": _text, "create": records.flag, "replace": Replace}),
    "overwrite": records.flag,
    "conditions": _noun(
        WriteConditions,
        {
            "if_match": _optional(_set),
            "if_none_match": _optional(_set),
            "if_unmodified_since": _optional(records.moment),
        },
    ),
    "attributes": _noun(
        FileAttributes,
        {
            "filename": _optional_text,
            "content_type": _optional_text,
            "metadata": records.json_object,
            "cache_control": _optional_text,
            "sha256": _set,
        },
    ),
    "constraints": _noun(
        UploadConstraints,
        {
            "filename": _optional_text,
            "content_type": _optional_text,
            "size": _optional(_count),
            "sha256": _optional_text,
            "metadata": _optional(records.json_object),
            "notify": _optional_text,
        },
    ),
    "upload_metadata": _optional_text,
    "upload_concat": _optional_text,
}
