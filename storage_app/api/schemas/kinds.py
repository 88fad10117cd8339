"""The kinds of values that several requests have, such as keys: how each is checked and described.

A pattern is as much of a rule as JSON Schema can express. The validators are the rules.
"""

from typing import Any

from ...domain.buckets import check_bucket_name
from ...domain.files import MAX_FILENAME_BYTES, MAX_KEY_BYTES, check_cache_control, check_filename, check_key
from ...media_types.names import MAX_CONTENT_TYPE_BYTES
from .fields import Checked

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
BUCKET: dict[str, Any] = {
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
FILENAME: dict[str, Any] = {
    "validate": Checked(check_filename),
    "metadata": {
        "description": f"The file name of a download: 1 to {MAX_FILENAME_BYTES} bytes of UTF-8.",
        "example": "cat.jpg",
        "pattern": rf"^[^{_CONTROLS}]+$",
        "minLength": 1,
        "maxLength": MAX_FILENAME_BYTES,
    },
}
CACHE_CONTROL: dict[str, Any] = {
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
CONTENT_TYPE: dict[str, Any] = {
    "metadata": {
        "description": "type/subtype, optionally with parameters (RFC 9110 section 8.3.1). Parameters that cannot be "
        "read are dropped.",
        "example": "image/jpeg",
        "pattern": rf"^[ \t]*{_NAME}/{_NAME}[ \t]*(?:;[^\x00]*)?$",
        "maxLength": MAX_CONTENT_TYPE_BYTES,
    },
}


def _path_parameter(name: str, field: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "string", **field["metadata"]}
    return {"in": "path", "name": name, "required": True, "description": schema.pop("description"), "schema": schema}


PATH_PARAMETERS: dict[str, dict[str, Any]] = {
    "bucket_id": _path_parameter("bucket_id", BUCKET),
    "file_id": _path_parameter("file_id", KEY),
    "upload_id": _path_parameter("upload_id", {"metadata": {"description": "From the Location.", "minLength": 1}}),
    "token": _path_parameter("token", {"metadata": {"description": "From the signed URL.", "minLength": 1}}),
}
