"""Schemas of operations on many files."""

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from ...domain.files import MAX_KEY_BYTES
from ...services.bulk import MAX_FAILED, MAX_SECONDS, BulkResult
from .bodies import BodySchema
from .fields import ListOf, Text
from .kinds import KEY
from .responses import AnswerSchema

MAX_KEYS = 1000
# 1,000 of the longest keys in UTF-8. nginx takes no longer JSON.
MAX_BYTES = 1024 * 1024


def check_prefix(prefix: str) -> str:
    """Return `prefix`. Raises `ValidationError` unless keys can begin with it, and not all of them do."""
    if not 0 < len(prefix.encode()) <= MAX_KEY_BYTES:
        raise ma.ValidationError(f"It must have 1 to {MAX_KEY_BYTES} bytes of UTF-8.")
    return prefix


PREFIX: dict[str, Any] = {
    "validate": check_prefix,
    "metadata": {
        "description": f"The files whose keys begin with this: 1 to {MAX_KEY_BYTES} bytes of UTF-8.",
        "example": "2026/",
        "minLength": 1,
        "maxLength": MAX_KEY_BYTES,
    },
}


class DeletionSchema(BodySchema):
    """The files to delete: either `file_ids` or a `prefix`."""

    max_bytes = MAX_BYTES

    file_ids = ListOf(
        fields.String(**KEY),
        validate=validate.Length(1, MAX_KEYS),
        metadata={"description": "Their keys.", "example": ["2026/cat.jpg", "2026/dog.jpg"]},
    )
    prefix = Text(**PREFIX)

    @ma.validates_schema
    def check_one(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse both, and neither."""
        if len(data) != 1:
            raise ma.ValidationError("Send either 'file_ids' or 'prefix'.")


class FailedFileSchema(AnswerSchema):
    """A file that the operation left as it was."""

    file_id = fields.String(required=True, metadata={"example": "2026/dog.jpg"})
    code = fields.String(
        required=True, metadata={"description": "The code of the refusal, as in a problem.", "example": "forbidden"}
    )


class BulkSchema(AnswerSchema):
    """How far an operation on many files got."""

    failed = fields.List(
        fields.Nested(FailedFileSchema),
        required=True,
        metadata={"description": f"The files that it failed for, {MAX_FAILED:,} at most.", "example": []},
    )
    complete = fields.Boolean(
        required=True,
        metadata={
            "description": f"False if it ended early, after {MAX_SECONDS:.0f} s or {MAX_FAILED:,} failures: ask again.",
            "example": True,
        },
    )


class DeletedSchema(BulkSchema):
    """How many files were deleted."""

    deleted = fields.Integer(
        required=True, metadata={"description": "Files of `file_ids` that did not exist count too.", "example": 2}
    )


class CopiedSchema(BulkSchema):
    """How many files were copied."""

    copied = fields.Integer(
        required=True, metadata={"description": "Files that had been copied before count too.", "example": 2}
    )


class MovedSchema(BulkSchema):
    """How many files were moved."""

    moved = fields.Integer(required=True, metadata={"example": 2})


def bulk_json(result: BulkResult, name: str) -> dict[str, Any]:
    """Return how far an operation got, as JSON, with the number of files that it is done with under `name`."""
    failed = [{"file_id": failure.key, "code": failure.code} for failure in result.failed]
    return {name: result.done, "failed": failed, "complete": result.complete}
