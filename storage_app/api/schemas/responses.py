"""Schemas of responses, and the functions that build them.

The schemas only describe the responses in the OpenAPI document. They serialize nothing, because marshmallow takes as
long for a file as its lookup in the index.
"""

from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as _text
from typing import Any
from urllib.parse import quote

import marshmallow as ma
from marshmallow import fields, validate

from ...domain.buckets import Bucket, Totals
from ...domain.changes import Change
from ...domain.files import File, Folder
from ...domain.text import JsonObject
from ...settings import Settings
from ..http.responses import JSON, json_text
from .requests import BucketSettingsSchema

_MOMENT = {"format": "date-time", "example": "2026-12-01T09:30:00.123456Z"}
_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_SIGNED = "https://files.example.org/files/signed/eyJhbGciOi/photos/2026/cat.jpg"
_SIGNED_RESUMABLE = "https://files.example.org/files/resumable/signed/eyJhbGciOi/photos/2026/cat.jpg"
# The settings that only those see who may change the bucket.
_MANAGED = frozenset({"grants", "quota"})


def rfc3339(moment: datetime) -> str:
    """Return `moment` in UTC with microseconds, in the format of RFC 3339."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class AnswerSchema(ma.Schema):
    """The JSON of a response. It may get more fields later, so clients ignore those that they do not know."""

    class Meta:
        unknown = ma.EXCLUDE


class ProblemSchema(AnswerSchema):
    """A problem document (RFC 9457)."""

    type = fields.String(required=True, metadata={"format": "uri-reference", "example": "about:blank"})
    title = fields.String(required=True, metadata={"description": "The status phrase.", "example": "Not Found"})
    status = fields.Integer(required=True, metadata={"example": 404})
    detail = fields.String(
        required=True,
        metadata={
            "description": "One sentence that names the problem and the way out.",
            "example": "There is no bucket 'photos'.",
        },
    )
    code = fields.String(
        required=True, metadata={"description": "A stable code for programs.", "example": "bucket_not_found"}
    )
    request_id = fields.String(
        required=True,
        metadata={
            "description": "The request id, as in X-Request-ID and in the log.",
            "example": "5f0c1d1e4a7b4c0f9d2e6b8a3c5d7e9f",
        },
    )
    errors = fields.Dict(
        keys=fields.String(), metadata={"description": "With 422: the problems by field.", "type": "object"}
    )
    limit = fields.Integer(metadata={"description": "With 413: the limit, in bytes.", "example": 1_048_576})


class BucketSchema(BucketSettingsSchema):
    """A bucket. `grants` and `quota` are present only for those who may change it."""

    class Meta(AnswerSchema.Meta):
        pass

    def on_bind_field(self, field_name: str, field_obj: ma.fields.Field[Any]) -> None:
        """Describe the field as a response has it: always there, except for what only some callers see."""
        field_obj.required = field_name not in _MANAGED

    id = fields.String(metadata={"description": "The name again.", "example": "photos"})
    name = fields.String(metadata={"example": "photos"})
    owner_id = fields.String(metadata={"description": "The `sub` of the owner.", "example": "alice"})
    created_at = fields.String(metadata=_MOMENT)
    updated_at = fields.String(metadata={**_MOMENT, "description": "The last change of its settings."})
    file_count = fields.Integer(metadata={"example": 2})
    total_size = fields.Integer(metadata={"description": "The size of all files, in bytes.", "example": 17_156})


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


class FileRecordSchema(AnswerSchema):
    """The record of a file. Its name is not `File`, which is a class of browsers and of client generators."""

    kind = fields.String(required=True, validate=validate.OneOf(["file"]))
    id = fields.String(required=True, metadata={"description": "The key.", "example": "2026/cat.jpg"})
    bucket_id = fields.String(required=True, metadata={"example": "photos"})
    bucket = fields.String(required=True, metadata={"description": "An alias of bucket_id.", "example": "photos"})
    filename = fields.String(required=True, metadata={"example": "cat.jpg"})
    content_type = fields.String(required=True, metadata={"example": "image/jpeg"})
    size = fields.Integer(required=True, metadata={"description": "The size in bytes.", "example": 8578})
    sha256 = fields.String(required=True, metadata={"pattern": "^[0-9a-f]{64}$", "example": _SHA256})
    etag = fields.String(
        required=True,
        metadata={"description": "As in the ETag header, quotes included.", "example": f'"{_SHA256}"'},
    )
    owner_id = fields.String(required=True, metadata={"description": "The `sub` of the uploader.", "example": "alice"})
    metadata = fields.Dict(keys=fields.String(), required=True, metadata={"example": {"album": "cats"}})
    cache_control = fields.String(required=True, allow_none=True, metadata={"example": "no-cache"})
    created_at = fields.String(required=True, metadata=_MOMENT)
    updated_at = fields.String(required=True, metadata=_MOMENT)
    url = fields.String(
        required=True,
        metadata={
            "description": "The permanent URL, under BASE_URL.",
            "example": "https://files.example.org/storage/photos/2026/cat.jpg",
        },
    )
    download_url = fields.String(
        required=True, metadata={"example": "https://files.example.org/files/download/photos/2026/cat.jpg"}
    )
    view_url = fields.String(
        required=True, metadata={"example": "https://files.example.org/files/view/photos/2026/cat.jpg"}
    )


class FolderSchema(AnswerSchema):
    """A folder in a list with `delimiter`: the keys that begin with its `id`."""

    kind = fields.String(required=True, validate=validate.OneOf(["folder"]))
    id = fields.String(
        required=True, metadata={"description": "The common prefix, with its slash.", "example": "2026/"}
    )


# A list holds both kinds. The names are those that apispec gives to the schemas.
FILE_LIST: dict[str, Any] = {
    "type": "array",
    "items": {
        "oneOf": [FileRecordSchema, FolderSchema],
        "discriminator": {
            "propertyName": "kind",
            "mapping": {"file": "#/components/schemas/FileRecord", "folder": "#/components/schemas/Folder"},
        },
    },
}


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


def change_json(settings: Settings, change: Change) -> dict[str, Any]:
    """Return the `data` of the event of a change: the file or the bucket as JSON, and what belongs to the change."""
    if change.file is None:
        return bucket_json(change.bucket, change.totals or Totals(0, 0), manages=True)
    data = file_json(settings, change.bucket.name, change.file)
    if change.source is not None:
        data["source"] = dict(zip(("bucket_id", "file_id"), change.source, strict=True))
    if change.notify is not None:
        data["notify"] = change.notify
    return data


def entry_text(settings: Settings, bucket_name: str, entry: File | Folder) -> bytes:
    """Return an entry of a list as `json_text` does."""
    if isinstance(entry, Folder):
        return json_text({"kind": "folder", "id": entry.id})
    return _file_text(settings, bucket_name, entry)


def _file_text(settings: Settings, bucket_name: str, file: File) -> bytes:
    """Return `json_text(file_json(…))` in a third of the time, because a page has a thousand files."""
    bucket, path = _text(bucket_name), f"{bucket_name}/{quote(file.key)}"
    cache_control = "null" if file.cache_control is None else _text(file.cache_control)
    metadata = file.metadata.text if isinstance(file.metadata, JsonObject) else JSON.encode(dict(file.metadata))
    return (
        f'{{"bucket":{bucket},"bucket_id":{bucket},"cache_control":{cache_control},'
        f'"content_type":{_text(file.content_type)},"created_at":"{rfc3339(file.created_at)}",'
        f'"download_url":{_text(f"{settings.public_url}/files/download/{path}")},"etag":{_text(file.etag)},'
        f'"filename":{_text(file.filename)},"id":{_text(file.key)},"kind":"file","metadata":{metadata},'
        f'"owner_id":{_text(file.owner_id)},"sha256":"{file.sha256}","size":{file.size},'
        f'"updated_at":"{rfc3339(file.updated_at)}","url":{_text(f"{settings.base_url}/storage/{path}")},'
        f'"view_url":{_text(f"{settings.public_url}/files/view/{path}")}}}'
    ).encode()


class UploadLinkSchema(AnswerSchema):
    """A signed upload URL, and how to use it."""

    bucket_id = fields.String(required=True, metadata={"example": "photos"})
    file_id = fields.String(required=True, metadata={"example": "2026/cat.jpg"})
    upload_url = fields.String(required=True, metadata={"example": _SIGNED})
    method = fields.String(required=True, validate=validate.OneOf(["PUT"]))
    headers = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata={"description": "Headers to send with the PUT.", "example": {"Content-Type": "image/jpeg"}},
    )
    resumable_url = fields.String(
        required=True,
        metadata={
            "description": "Where a client of tus 1.0.0 creates this upload, in place of the PUT.",
            "example": _SIGNED_RESUMABLE,
        },
    )
    expires_at = fields.String(required=True, metadata=_MOMENT)


class DownloadLinkSchema(AnswerSchema):
    """A signed download URL."""

    download_url = fields.String(required=True, metadata={"example": _SIGNED})
    method = fields.String(required=True, validate=validate.OneOf(["GET"]))
    expires_at = fields.String(required=True, metadata=_MOMENT)


class PresignedSchema(AnswerSchema):
    """A signed upload URL in the form of SelfDB 0.0.2."""

    upload_url = fields.String(required=True, metadata={"example": _SIGNED})
    method = fields.String(required=True, validate=validate.OneOf(["PUT"]))


# Service


class LinksSchema(AnswerSchema):
    """The paths of the service's other routes."""

    docs = fields.String(required=True, metadata={"example": "https://files.example.org/docs"})
    openapi = fields.String(required=True, metadata={"example": "https://files.example.org/openapi.json"})
    health = fields.String(required=True, metadata={"example": "https://files.example.org/health"})
    ready = fields.String(required=True, metadata={"example": "https://files.example.org/health/ready"})


class ServiceSchema(AnswerSchema):
    """The name, version and links of the service."""

    name = fields.String(required=True, metadata={"example": "SelfDB storage"})
    version = fields.String(required=True, metadata={"example": "0.1.0"})
    links = fields.Nested(LinksSchema, required=True)


class HealthSchema(AnswerSchema):
    """The result of a health check."""

    status = fields.String(required=True, validate=validate.OneOf(["healthy", "ready"]))
