"""What requests carry: paths, queries, forms and bodies."""

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from ...auth.credentials import MAX_SUB_BYTES
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
from ...errors import InvalidRequest
from ...media_types import MAX_CONTENT_TYPE_BYTES, normalize
from ...services.signed_urls import DEFAULT_EXPIRY_SECONDS, MAX_SIGNED_METADATA_BYTES
from .fields import Checked, Count, Flag, JsonObject, Text, Whole

MAX_SIZE = 2**63 - 1
MAX_GRANTS = 1000


def _check_content_type(content_type: str) -> str:
    if normalize(content_type) is None:
        raise InvalidRequest("A content type has the form type/subtype, for example image/png.")
    return content_type


# Patterns are what JSON Schema can say of the rules; the validators are the rules.

_CONTROLS = r"\x00-\x1f\x7f-\x9f"
# What stands between the slashes of a key: anything but nothing, `.` and `..`.
_SEGMENT = rf"(?:[^./{_CONTROLS}]|\.[^./{_CONTROLS}]|\.\.[^/{_CONTROLS}])[^/{_CONTROLS}]*"

_KEY: dict[str, Any] = {
    "validate": Checked(check_key),
    "metadata": {
        "description": f"The file's key: 1 to {MAX_KEY_BYTES} bytes of UTF-8, may contain '/'.",
        "example": "2026/cat.jpg",
        "pattern": rf"^{_SEGMENT}(?:/{_SEGMENT})*$",
        "minLength": 1,
        "maxLength": MAX_KEY_BYTES,
    },
}
_BUCKET: dict[str, Any] = {
    "validate": Checked(check_bucket_name),
    "metadata": {
        "description": "The bucket's name: a-z 0-9 . - between letters or digits, no '..', not like an IP address, "
        "not a word of the routes such as 'upload'.",
        "example": "photos",
        "pattern": r"^[a-z0-9](?:\.?[a-z0-9-])*\.?[a-z0-9]$",
        "minLength": 3,
        "maxLength": 63,
    },
}
_FILENAME: dict[str, Any] = {
    "validate": Checked(check_filename),
    "metadata": {
        "description": f"The name that a download is offered under: 1 to {MAX_FILENAME_BYTES} bytes of UTF-8.",
        "example": "cat.jpg",
        "pattern": rf"^[^{_CONTROLS}]+$",
        "minLength": 1,
        "maxLength": MAX_FILENAME_BYTES,
    },
}
_CACHE_CONTROL: dict[str, Any] = {
    "validate": Checked(check_cache_control),
    "metadata": {
        "description": "Cache-Control of downloads, 1 to 255 characters of printable ASCII.",
        "example": "no-cache",
        "pattern": "^[!-~][ -~]*$",
        "minLength": 1,
        "maxLength": 255,
    },
}
# RFC 9110 sections 5.6.2, 5.6.4 and 8.3.1; a `*` stands for many types in `Accept`, a file has one.
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_NAME = _WORD.replace("*", "")
_QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e]|\\[\t\x20-\x7e])*"'
_CONTENT_TYPE: dict[str, Any] = {
    "validate": Checked(_check_content_type),
    "metadata": {
        "description": "type/subtype, with parameters or without (RFC 9110 section 8.3.1).",
        "example": "image/jpeg",
        "pattern": rf"^[ \t]*{_NAME}/{_NAME}(?:[ \t]*;[ \t]*(?:{_WORD}=(?:{_WORD}|{_QUOTED}))?)*[ \t]*$",
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
    "file_id": _path_parameter("file_id", _KEY),
    "token": _path_parameter("token", {"metadata": {"description": "From the signed URL.", "minLength": 1}}),
}


# Buckets


class BucketSettingsSchema(ma.Schema):
    """The settings of a bucket; `null` = no limit, or none."""

    is_public = Flag(metadata={"description": "Whether anyone who has a link may download."})
    description = Text(
        allow_none=True, validate=validate.Length(max=1024), metadata={"example": "Pictures of the year"}
    )
    grants = fields.Dict(
        keys=Text(validate=validate.Length(min=1, max=MAX_SUB_BYTES)),
        values=fields.String(validate=validate.OneOf([grant.value for grant in Grant])),
        validate=validate.Length(max=MAX_GRANTS),
        metadata={
            "description": f"Rights by user id (`sub`), or `{ANY_USER}` for any user: read, write or manage. "
            "Shown only to those who may change the bucket.",
            "example": {"alice": "write"},
            "maxProperties": MAX_GRANTS,
        },
    )
    max_file_size = Whole(
        allow_none=True,
        validate=validate.Range(min=1, max=MAX_SIZE),
        metadata={"description": "In bytes.", "example": 10_000_000},
    )
    quota = Whole(
        allow_none=True,
        validate=validate.Range(min=0, max=MAX_SIZE),
        metadata={
            "description": "Of all files together, in bytes. Shown only to those who may change the bucket.",
            "example": 1_000_000_000,
        },
    )
    allowed_content_types = fields.List(
        fields.String(validate=validate.Regexp(_ACCEPTED_TYPE_PATTERN)),
        allow_none=True,
        validate=validate.Length(min=1, max=100),
        metadata={"description": "What may be uploaded.", "example": ["image/*", "application/pdf"]},
    )
    cache_control = Text(allow_none=True, **_CACHE_CONTROL)

    @ma.post_load
    def to_fields(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Turn what was given into fields of `Bucket`."""
        if "grants" in data:
            data["grants"] = {grantee: Grant(grant) for grantee, grant in data["grants"].items()}
        if data.get("allowed_content_types") is not None:
            data["allowed_content_types"] = tuple(data["allowed_content_types"])
        return data


class NewBucketSchema(BucketSettingsSchema):
    name = fields.String(required=True, **_BUCKET)


class MetadataSchema(ma.Schema):
    """What may be edited of a file; what is given replaces what was there."""

    metadata = fields.Dict(
        keys=Text(),
        validate=Checked(check_metadata),
        metadata={"description": f"Any JSON object, at most {MAX_METADATA_BYTES} bytes.", "example": {"album": "cats"}},
    )
    content_type = Text(**_CONTENT_TYPE)
    filename = Text(allow_none=True, **_FILENAME)
    cache_control = Text(allow_none=True, **_CACHE_CONTROL)


class UploadFormSchema(ma.Schema):
    """The fields of an upload form besides the part `file`; all are text."""

    file_id = Text(**_KEY)
    metadata = JsonObject(
        validate=Checked(check_metadata),
        metadata={"type": "object", "description": f"A JSON object, at most {MAX_METADATA_BYTES} bytes."},
    )
    cache_control = Text(**_CACHE_CONTROL)
    overwrite = fields.String(
        load_default="false",
        validate=validate.OneOf(["true", "false"]),
        metadata={"description": "Whether to replace a file that is there."},
    )


class FileFormSchema(ma.Schema):
    """A form with a file alone, as the document shows it; the part itself is streamed."""

    file = fields.String(required=True, metadata={"format": "binary", "description": "The file, with a filename."})


class UploadFormWithFileSchema(UploadFormSchema, FileFormSchema):
    """An upload form as the document shows it."""


# Lists


class PageSchema(ma.Schema):
    limit = Count(
        load_default=1000, validate=validate.Range(1, 1000), metadata={"description": "At most so many entries."}
    )
    cursor = fields.String(metadata={"description": "Where the page begins; from the `Link` of the page before."})


class FileListSchema(PageSchema):
    prefix = Text(load_default="", metadata={"description": "Only keys that begin with this."})
    delimiter = fields.String(
        validate=validate.OneOf(["/"]), metadata={"description": "Show keys that share a folder as that folder."}
    )
    order = fields.String(
        load_default="key",
        validate=validate.OneOf(["key", "-created_at"]),
        metadata={"description": "By key, or the newest first."},
    )


class ForceSchema(ma.Schema):
    force = fields.String(
        load_default="false",
        validate=validate.OneOf(["true", "false"]),
        metadata={"description": "Delete the files too."},
    )


class OverwriteSchema(ma.Schema):
    overwrite = fields.String(
        load_default="true",
        validate=validate.OneOf(["true", "false"]),
        metadata={"description": "Whether to replace a file that is there."},
    )


# Signed URLs

_EXPIRES_IN: dict[str, Any] = {
    "load_default": DEFAULT_EXPIRY_SECONDS,
    "validate": validate.Range(1, MAX_SIGNED_SECONDS),
    "metadata": {"description": "In seconds."},
}


class NewUploadSchema(ma.Schema):
    """What is given here is bound into the URL, and enforced when it is used."""

    bucket_id = fields.String(required=True, **_BUCKET)
    filename = Text(required=True, **_FILENAME)
    file_id = Text(**_KEY)
    content_type = Text(**_CONTENT_TYPE)
    size = Whole(validate=validate.Range(0, MAX_SIZE), metadata={"description": "In bytes.", "example": 8578})
    sha256 = fields.String(validate=validate.Regexp("^[0-9a-f]{64}$"), metadata={"description": "In hex."})
    metadata = fields.Dict(
        keys=Text(),
        validate=Checked(lambda metadata: check_metadata(metadata, MAX_SIGNED_METADATA_BYTES)),
        metadata={"description": f"At most {MAX_SIGNED_METADATA_BYTES} bytes as JSON."},
    )
    overwrite = Flag(load_default=False)
    expires_in = Whole(**_EXPIRES_IN)


class NewDownloadSchema(ma.Schema):
    bucket_id = fields.String(required=True, **_BUCKET)
    file_id = Text(required=True, **_KEY)
    disposition = fields.String(
        load_default=Disposition.ATTACHMENT.value,
        validate=validate.OneOf([disposition.value for disposition in Disposition]),
    )
    filename = Text(**_FILENAME)
    expires_in = Whole(**_EXPIRES_IN)


class PresignSchema(ma.Schema):
    """The body of SelfDB 0.0.2's call; all of it may be left out."""

    expires_in_seconds = Whole(**_EXPIRES_IN)
    content_type = Text(allow_none=True, **_CONTENT_TYPE)
