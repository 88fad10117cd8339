"""Schemas of responses, and the functions that build them.

The schemas only describe the responses in the OpenAPI document. They serialize nothing, because marshmallow takes as
long for a file as its lookup in the index.
"""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import marshmallow as ma
from marshmallow import fields, validate

from ...domain.buckets import Bucket, Totals
from ...domain.files import File, Folder
from ...settings import Settings
from .requests import BucketSettingsSchema


def rfc3339(moment: datetime) -> str:
    """Return `moment` in UTC with microseconds, in the format of RFC 3339."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class ProblemSchema(ma.Schema):
    """A problem document (RFC 9457)."""

    type = fields.String(required=True, metadata={"format": "uri-reference", "example": "about:blank"})
    title = fields.String(required=True, metadata={"description": "The status phrase."})
    status = fields.Integer(required=True)
    detail = fields.String(
        required=True, metadata={"description": "One sentence that names the problem and the way out."}
    )
    code = fields.String(
        required=True, metadata={"description": "A stable code for programs.", "example": "bucket_not_found"}
    )
    request_id = fields.String(
        required=True, metadata={"description": "The request id, as in X-Request-ID and in the log."}
    )
    errors = fields.Dict(
        keys=fields.String(), metadata={"description": "With 422: the problems by field.", "type": "object"}
    )
    limit = fields.Integer(metadata={"description": "With 413: the limit, in bytes."})


class BucketSchema(BucketSettingsSchema):
    """A bucket. `grants` and `quota` are present only for those who may change it."""

    def on_bind_field(self, field_name: str, field_obj: ma.fields.Field[Any]) -> None:
        """Leave the field as it is: only a request may have `null` in place of nothing."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    owner_id = fields.String(required=True)
    created_at = fields.String(required=True, metadata={"format": "date-time"})
    updated_at = fields.String(
        required=True, metadata={"format": "date-time", "description": "The last change of its settings."}
    )
    file_count = fields.Integer(required=True)
    total_size = fields.Integer(required=True, metadata={"description": "The size of all files, in bytes."})


def bucket_json(bucket: Bucket, totals: Totals, *, manages: bool) -> dict[str, Any]:
    """Return a bucket as JSON. Only if `manages` is set, it has `grants` and `quota`."""
    shown = {
        "id": bucket.name,
        "name": bucket.name,
        "owner_id": bucket.owner_id,
        "created_at": rfc3339(bucket.created_at),
        "updated_at": rfc3339(bucket.updated_at),
        "file_count": totals.file_count,
        "total_size": totals.total_size,
        "is_public": bucket.is_public,
        "description": bucket.description,
        "max_file_size": bucket.max_file_size,
        "allowed_content_types": bucket.allowed_content_types,
        "cache_control": bucket.cache_control,
    }
    return shown | {"grants": dict(bucket.grants), "quota": bucket.quota} if manages else shown


# Files


class FileSchema(ma.Schema):
    """A file or, in a list with `delimiter`, a folder, which has only `kind` and `id`."""

    kind = fields.String(required=True, validate=validate.OneOf(["file", "folder"]))
    id = fields.String(required=True, metadata={"description": "The key."})
    bucket_id = fields.String()
    bucket = fields.String(metadata={"description": "An alias of bucket_id."})
    filename = fields.String()
    content_type = fields.String()
    size = fields.Integer(metadata={"description": "The size in bytes."})
    sha256 = fields.String(metadata={"pattern": "^[0-9a-f]{64}$"})
    etag = fields.String(metadata={"description": "As in the ETag header, quotes included."})
    owner_id = fields.String()
    metadata = fields.Dict(keys=fields.String())
    cache_control = fields.String(allow_none=True)
    created_at = fields.String(metadata={"format": "date-time"})
    updated_at = fields.String(metadata={"format": "date-time"})
    url = fields.String(metadata={"description": "The permanent URL, under BASE_URL."})
    download_url = fields.String()
    view_url = fields.String()


def file_json(settings: Settings, bucket_name: str, file: File) -> dict[str, Any]:
    """Return a file as JSON, with its URLs."""
    path = f"{bucket_name}/{quote(file.key)}"
    return {
        "kind": "file",
        "id": file.key,
        "bucket_id": bucket_name,
        "bucket": bucket_name,
        "filename": file.filename,
        "content_type": file.content_type,
        "size": file.size,
        "sha256": file.sha256,
        "etag": file.etag,
        "owner_id": file.owner_id,
        "metadata": dict(file.metadata),
        "cache_control": file.cache_control,
        "created_at": rfc3339(file.created_at),
        "updated_at": rfc3339(file.updated_at),
        "url": f"{settings.base_url}/storage/{path}",
        "download_url": f"{settings.public_url}/files/download/{path}",
        "view_url": f"{settings.public_url}/files/view/{path}",
    }


def entry_json(settings: Settings, bucket_name: str, entry: File | Folder) -> dict[str, Any]:
    """Return an entry of a list as JSON."""
    if isinstance(entry, Folder):
        return {"kind": "folder", "id": entry.id}
    return file_json(settings, bucket_name, entry)


class UploadLinkSchema(ma.Schema):
    """A signed upload URL, and how to use it."""

    bucket_id = fields.String(required=True)
    file_id = fields.String(required=True)
    upload_url = fields.String(required=True)
    method = fields.String(required=True, validate=validate.OneOf(["PUT"]))
    headers = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata={"description": "Headers to send with the PUT."},
    )
    expires_at = fields.String(required=True, metadata={"format": "date-time"})


class DownloadLinkSchema(ma.Schema):
    """A signed download URL."""

    download_url = fields.String(required=True)
    method = fields.String(required=True, validate=validate.OneOf(["GET"]))
    expires_at = fields.String(required=True, metadata={"format": "date-time"})


class PresignedSchema(ma.Schema):
    """A signed upload URL in the form of SelfDB 0.0.2."""

    upload_url = fields.String(required=True)
    method = fields.String(required=True, validate=validate.OneOf(["PUT"]))


# Service


class LinksSchema(ma.Schema):
    """The paths of the service's other routes."""

    docs = fields.String(required=True)
    openapi = fields.String(required=True)
    health = fields.String(required=True)
    ready = fields.String(required=True)


class ServiceSchema(ma.Schema):
    """The name, version and links of the service."""

    name = fields.String(required=True)
    version = fields.String(required=True)
    links = fields.Nested(LinksSchema, required=True)


class HealthSchema(ma.Schema):
    """The result of a health check."""

    status = fields.String(required=True, validate=validate.OneOf(["healthy", "ready"]))
