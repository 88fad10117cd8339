"""Schemas of requests: path parameters, forms and bodies."""

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from ...auth.signed_urls import MAX_SIGNED_SECONDS, Disposition
from ...domain.buckets import ANY_USER, Grant, check_bucket_name
from ...domain.files import (
    MAX_FILENAME_BYTES,
    MAX_KEY_BYTES,
    MAX_METADATA_BYTES,
    check_cache_control,
    check_filename,
    check_key,
    check_metadata,
)
from ...domain.principals import MAX_SUB_BYTES, is_sub
from ...errors import InvalidRequest
from ...media_types.names import MAX_CONTENT_TYPE_BYTES
from ...services.signed_urls import DEFAULT_EXPIRY_SECONDS, MAX_SIGNED_METADATA_BYTES
from .bodies import BodySchema
from .fields import Checked, Flag, JsonObject, ListOf, MediaType, Object, Text, Whole

MAX_SIZE = 2**63 - 1
MAX_GRANTS = 1000
# 1,000 grants take up to 780 KB, if each character is escaped.
MAX_SETTINGS_BYTES = 1024 * 1024


def check_grantee(grantee: str) -> str:
    if not is_sub(grantee):
        raise InvalidRequest(f"A user id has 1 to {MAX_SUB_BYTES} bytes of printable characters.")
    return grantee


# A pattern is as much of a rule as JSON Schema can express. The validators are the rules.

_CONTROLS = r"\x00-\x1f\x7f-\x9f"
# A segment of a key, between slashes: anything but the empty one, `.` and `..`.
_SEGMENT = rf"(?:[^./{_CONTROLS}]|\.[^./{_CONTROLS}]|\.\.[^/{_CONTROLS}])[^/{_CONTROLS}]*"

KEY: dict[str, Any] = {
    "validate": Checked(check_key),
    "metadata": {
        "description": f"The file's key: 1 to {MAX_KEY_BYTES} bytes of UTF-8. It may contain '/'.",
        "example": "2026/cat.jpg",
        "pattern": rf"^{_SEGMENT}(?:/{_SEGMENT})*$",
        "minLength": 1,
        "maxLength": MAX_KEY_BYTES,
    },
}
_BUCKET: dict[str, Any] = {
    "validate": Checked(check_bucket_name),
    "metadata": {
        "description": "The bucket's name: a-z 0-9 . - between letters or digits, without '..'. It must not look like "
        "an IP address, or be a word of the routes such as 'upload'.",
        "example": "photos",
        "pattern": r"^[a-z0-9](?:\.?[a-z0-9-])*\.?[a-z0-9]$",
        "minLength": 3,
        "maxLength": 63,
    },
}
_FILENAME: dict[str, Any] = {
    "validate": Checked(check_filename),
    "metadata": {
        "description": f"The file name of a download: 1 to {MAX_FILENAME_BYTES} bytes of UTF-8.",
        "example": "cat.jpg",
        "pattern": rf"^[^{_CONTROLS}]+$",
        "minLength": 1,
        "maxLength": MAX_FILENAME_BYTES,
    },
}
_CACHE_CONTROL: dict[str, Any] = {
    "validate": Checked(check_cache_control),
    "metadata": {
        "description": "The Cache-Control of downloads: 1 to 255 characters of printable ASCII.",
        "example": "no-cache",
        "pattern": "^[!-~][ -~]*$",
        "minLength": 1,
        "maxLength": 255,
    },
}
# RFC 9110 sections 5.6.2, 5.6.4 and 8.3.1. `*` is a wildcard of `Accept`, and no type of a file.
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_NAME = _WORD.replace("*", "")
_CONTENT_TYPE: dict[str, Any] = {
    "metadata": {
        "description": "type/subtype, optionally with parameters (RFC 9110 section 8.3.1). Parameters that cannot be "
        "read are dropped.",
        "example": "image/jpeg",
        "pattern": rf"^[ \t]*{_NAME}/{_NAME}[ \t]*(?:;[^\x00]*)?$",
        "maxLength": MAX_CONTENT_TYPE_BYTES,
    },
}
_ACCEPTED_TYPE_PATTERN = r"^([a-z0-9!#$&^_.+-]+/(\*|[a-z0-9!#$&^_.+-]+)|\*/\*)$"


# Paths


def _path_parameter(name: str, field: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "string", **field["metadata"]}
    return {"in": "path", "name": name, "required": True, "description": schema.pop("description"), "schema": schema}


PATH_PARAMETERS: dict[str, dict[str, Any]] = {
    "bucket_id": _path_parameter("bucket_id", _BUCKET),
    "file_id": _path_parameter("file_id", KEY),
    "token": _path_parameter("token", {"metadata": {"description": "From the signed URL.", "minLength": 1}}),
}


# Buckets

# Settings by the names that other storage services have for them.
_ALIASES = {
    "public": "is_public",
    "file_size_limit": "max_file_size",
    "allowed_mime_types": "allowed_content_types",
}
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
    cache_control = Text(allow_none=True, **_CACHE_CONTROL)

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

    name = fields.String(required=True, **_BUCKET)


class MetadataSchema(BodySchema):
    """The editable fields of a file. A field that is given replaces its former value."""

    metadata = Object(
        keys=Text(),
        validate=Checked(check_metadata),
        metadata={"description": f"Any JSON object, at most {MAX_METADATA_BYTES} bytes.", "example": {"album": "cats"}},
    )
    content_type = MediaType(**_CONTENT_TYPE)
    filename = Text(allow_none=True, **_FILENAME)
    cache_control = Text(allow_none=True, **_CACHE_CONTROL)


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
    cache_control = Text(**_CACHE_CONTROL)
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

    bucket_id = fields.String(required=True, **_BUCKET)
    filename = Text(required=True, **_FILENAME)
    file_id = fields.String(**KEY)
    content_type = MediaType(**_CONTENT_TYPE)
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
    overwrite = Flag(load_default=False)
    expires_in = Whole(**_EXPIRES_IN)


class NewDownloadSchema(BodySchema):
    """A request for a download URL."""

    bucket_id = fields.String(required=True, **_BUCKET)
    file_id = fields.String(required=True, **KEY)
    disposition = fields.String(
        load_default=Disposition.ATTACHMENT.value,
        validate=validate.OneOf([disposition.value for disposition in Disposition]),
    )
    filename = Text(**_FILENAME)
    expires_in = Whole(**_EXPIRES_IN)


class PresignSchema(BodySchema):
    """The body of the call in SelfDB 0.0.2's form. Every field is optional."""

    expires_in_seconds = Whole(**_EXPIRES_IN)
    content_type = MediaType(**_CONTENT_TYPE)
