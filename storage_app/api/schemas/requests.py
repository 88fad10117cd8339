"""Schemas of requests: forms and bodies."""

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from ...auth.signed_urls import MAX_SIGNED_SECONDS, Disposition
from ...domain.buckets import ANY_USER, Grant
from ...domain.files import MAX_METADATA_BYTES, check_metadata
from ...domain.principals import MAX_SUB_BYTES, is_sub
from ...domain.text import check_text
from ...domain.uploads import MAX_NOTIFY_BYTES
from ...errors import InvalidRequest
from ...media_types.names import MAX_CONTENT_TYPE_BYTES
from ...services.signed_urls import DEFAULT_EXPIRY_SECONDS, MAX_SIGNED_METADATA_BYTES
from .bodies import BodySchema
from .fields import Checked, Flag, JsonObject, ListOf, MediaType, Object, Text, Whole
from .kinds import BUCKET, CACHE_CONTROL, CONTENT_TYPE, FILENAME, KEY

MAX_SIZE = 2**63 - 1
MAX_GRANTS = 1000
# 1,000 grants take up to 780 KB, if each character is escaped.
MAX_SETTINGS_BYTES = 1024 * 1024


def check_grantee(grantee: str) -> str:
    if not is_sub(grantee):
        raise InvalidRequest(f"A user id has 1 to {MAX_SUB_BYTES} bytes of printable characters.")
    return grantee


# Settings by the names that other storage services have for them.
_ALIASES = {
    "public": "is_public",
    "file_size_limit": "max_file_size",
    "allowed_mime_types": "allowed_content_types",
}
_ACCEPTED_TYPE_PATTERN = r"^([a-z0-9!#$&^_.+-]+/(\*|[a-z0-9!#$&^_.+-]+)|\*/\*)$"
_IS_PUBLIC: dict[str, Any] = {"metadata": {"description": "Whether anyone may download files without a credential."}}
_MAX_FILE_SIZE: dict[str, Any] = {
    "allow_none": True,
    "validate": validate.Range(min=1, max=MAX_SIZE),
    "metadata": {"description": "The size limit of a file, in bytes.", "example": 10_000_000},
}
_ALLOWED_CONTENT_TYPES: dict[str, Any] = {
    "allow_none": True,
    "validate": validate.Length(min=1, max=100),
    "metadata": {"description": "The content types that may be uploaded.", "example": ["image/*", "application/pdf"]},
}
_ACCEPTED_TYPE = fields.String(
    validate=[validate.Length(max=MAX_CONTENT_TYPE_BYTES), validate.Regexp(_ACCEPTED_TYPE_PATTERN)]
)


def _alias(name: str, field: dict[str, Any]) -> dict[str, Any]:
    return {**field, "metadata": {"description": f"Another name of `{name}`."}}


class BucketSettingsSchema(BodySchema):
    """The settings of a bucket. `null` = no limit, or no value."""

    max_bytes = MAX_SETTINGS_BYTES

    is_public = Flag(**_IS_PUBLIC)
    description = Text(
        allow_none=True, validate=validate.Length(max=1024), metadata={"example": "Pictures of the year"}
    )
    grants = Object(
        keys=Text(validate=Checked(check_grantee), metadata={"minLength": 1, "maxLength": MAX_SUB_BYTES}),
        values=fields.String(validate=validate.OneOf([grant.value for grant in Grant])),
        validate=validate.Length(max=MAX_GRANTS),
        metadata={
            "description": f"Rights by user id (`sub`), or by `{ANY_USER}` for any user: read, write or manage. "
            "Shown only to those who may change the bucket.",
            "example": {"alice": "write"},
            "maxProperties": MAX_GRANTS,
        },
    )
    max_file_size = Whole(**_MAX_FILE_SIZE)
    quota = Whole(
        allow_none=True,
        validate=validate.Range(min=0, max=MAX_SIZE),
        metadata={
            "description": "The limit on the total size in bytes. Shown only to those who may change the bucket.",
            "example": 1_000_000_000,
        },
    )
    allowed_content_types = ListOf(_ACCEPTED_TYPE, **_ALLOWED_CONTENT_TYPES)
    cache_control = Text(allow_none=True, **CACHE_CONTROL)

    @ma.post_load
    def to_fields(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Convert the given settings into fields of `Bucket`."""
        if "grants" in data:
            data["grants"] = {grantee: Grant(grant) for grantee, grant in data["grants"].items()}
        if data.get("allowed_content_types") is not None:
            data["allowed_content_types"] = tuple(data["allowed_content_types"])
        return data


class BucketChangesSchema(BucketSettingsSchema):
    """The settings of a bucket to change. Some may have the names that other storage services have for them."""

    public = Flag(**_alias("is_public", _IS_PUBLIC))
    file_size_limit = Whole(**_alias("max_file_size", _MAX_FILE_SIZE))
    allowed_mime_types = ListOf(_ACCEPTED_TYPE, **_alias("allowed_content_types", _ALLOWED_CONTENT_TYPES))

    @ma.post_load
    def to_fields(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Convert the given settings into fields of `Bucket`. Refuses two values for one setting."""
        for alias, name in _ALIASES.items():
            if alias in data:
                value = data.pop(alias)
                if data.setdefault(name, value) != value:
                    raise ma.ValidationError(f"It is another name of '{name}', and has another value; send one.", alias)
        converted: dict[str, Any] = super().to_fields(data)
        return converted


class NewBucketSchema(BucketChangesSchema):
    """The name and the settings of a new bucket."""

    name = fields.String(required=True, **BUCKET)


class MetadataSchema(BodySchema):
    """The editable fields of a file. A field that is given replaces its former value."""

    metadata = Object(
        keys=Text(),
        validate=Checked(check_metadata),
        metadata={"description": f"Any JSON object, at most {MAX_METADATA_BYTES} bytes.", "example": {"album": "cats"}},
    )
    content_type = MediaType(**CONTENT_TYPE)
    filename = Text(allow_none=True, **FILENAME)
    cache_control = Text(allow_none=True, **CACHE_CONTROL)


class FormSchema(ma.Schema):
    """A form. Unknown fields are ignored: libraries add their own (`name`, `type`, `_csrf`) to every form."""

    class Meta:
        unknown = ma.EXCLUDE


class UploadFormSchema(FormSchema):
    """The fields of an upload form besides the part `file`. All are text."""

    file_id = fields.String(**KEY)
    metadata = JsonObject(
        validate=Checked(check_metadata),
        metadata={
            "type": "object",
            "additionalProperties": True,
            "description": f"A JSON object, at most {MAX_METADATA_BYTES} bytes.",
        },
    )
    cache_control = Text(**CACHE_CONTROL)
    overwrite = fields.String(
        load_default="false",
        validate=validate.OneOf(["true", "false"]),
        metadata={"description": "Whether to replace an existing file."},
    )


class FileFormSchema(FormSchema):
    """A form with only the part `file`. It exists for the OpenAPI document: the part itself is streamed."""

    file = fields.String(
        required=True,
        metadata={"format": "binary", "description": "The file. Its filename may be missing if its key is given."},
    )


class UploadFormWithFileSchema(UploadFormSchema, FileFormSchema):
    """An upload form with all its parts, for the OpenAPI document."""


# Signed URLs

_EXPIRES_IN: dict[str, Any] = {
    "load_default": DEFAULT_EXPIRY_SECONDS,
    "validate": validate.Range(1, MAX_SIGNED_SECONDS),
    "metadata": {"description": "The lifetime of the URL, in seconds."},
}


class NewUploadSchema(BodySchema):
    """A request for an upload URL. The URL binds each value given here, and the upload must comply."""

    bucket_id = fields.String(required=True, **BUCKET)
    filename = Text(required=True, **FILENAME)
    file_id = fields.String(**KEY)
    content_type = MediaType(**CONTENT_TYPE)
    size = Whole(
        validate=validate.Range(0, MAX_SIZE),
        metadata={"description": "The size of the file, in bytes.", "example": 8578},
    )
    sha256 = fields.String(
        validate=validate.Regexp("^[0-9a-f]{64}$"), metadata={"description": "The digest of the file, in hex."}
    )
    metadata = Object(
        keys=Text(),
        validate=Checked(lambda metadata: check_metadata(metadata, MAX_SIGNED_METADATA_BYTES)),
        metadata={"description": f"Any JSON object, at most {MAX_SIGNED_METADATA_BYTES} bytes."},
    )
    notify = Text(
        validate=Checked(lambda text: check_text(text, "notify", MAX_NOTIFY_BYTES)),
        metadata={
            "description": f"Any text of up to {MAX_NOTIFY_BYTES} bytes, which comes back in the event of the upload.",
            "example": "upload-4711",
        },
    )
    overwrite = Flag(load_default=False)
    expires_in = Whole(**_EXPIRES_IN)


class NewDownloadSchema(BodySchema):
    """A request for a download URL: of one file, by its `file_id`, or of a zip of all files with a `prefix`."""

    bucket_id = fields.String(required=True, **BUCKET)
    file_id = fields.String(**KEY)
    prefix = Text(
        metadata={"description": "The files whose keys begin with this; if it is empty, all.", "example": "2026/"}
    )
    disposition = fields.String(
        load_default=Disposition.ATTACHMENT.value,
        validate=validate.OneOf([disposition.value for disposition in Disposition]),
    )
    filename = Text(**FILENAME)
    expires_in = Whole(**_EXPIRES_IN)

    @ma.validates_schema
    def check_one(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a file beside a prefix, and neither."""
        if ("file_id" in data) == ("prefix" in data):
            raise ma.ValidationError("Send either 'file_id' or 'prefix'.", "file_id")


class PresignSchema(BodySchema):
    """The body of the call in SelfDB 0.0.2's form. Every field is optional."""

    expires_in_seconds = Whole(**_EXPIRES_IN)
    content_type = MediaType(**CONTENT_TYPE)
