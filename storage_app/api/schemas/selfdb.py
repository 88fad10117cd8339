"""Schemas of the calls of SelfDB 0.05's backend. Its requests may hold fields that this service does not know."""

import marshmallow as ma
from marshmallow import fields, validate

from .fields import Checked, Text
from .requests import BucketChangesSchema, check_grantee
from .responses import AnswerSchema, BucketSchema, FileRecordSchema


class ChangedBucketSchema(BucketChangesSchema):
    """The settings of a bucket. Unknown fields are ignored."""

    class Meta:
        unknown = ma.EXCLUDE


class NewOwnedBucketSchema(ChangedBucketSchema):
    """The name, the owner and the settings of a new bucket."""

    name = fields.String(required=True, metadata={"description": "In any case; the bucket has it in lower case."})
    owner_id = Text(
        validate=Checked(check_grantee),
        allow_none=True,
        metadata={"description": "The user's id; without it, the service owns the bucket."},
    )


class OwnedBucketSchema(BucketSchema):
    """A bucket, with the names that SelfDB has for its fields besides."""

    internal_bucket_name = fields.String(metadata={"description": "The name again.", "example": "photos"})
    public = fields.Boolean(metadata={"description": "As `is_public`.", "example": False})


class DoneSchema(AnswerSchema):
    """The answer to a deletion."""

    success = fields.Boolean(required=True, metadata={"example": True})
    status = fields.String(required=True, validate=validate.OneOf(["success"]))


class MissingBucketSchema(AnswerSchema):
    """The refusal if there is no such bucket."""

    detail = fields.String(required=True, validate=validate.OneOf(["Bucket not found"]))


class OneBucketSchema(AnswerSchema):
    """One bucket."""

    success = fields.Boolean(required=True, metadata={"example": True})
    bucket = fields.Nested(OwnedBucketSchema, required=True)


class SeveralBucketsSchema(AnswerSchema):
    """A page of buckets."""

    success = fields.Boolean(required=True, metadata={"example": True})
    buckets = fields.List(fields.Nested(OwnedBucketSchema), required=True)


class SeveralFilesSchema(AnswerSchema):
    """A page of files."""

    success = fields.Boolean(required=True, metadata={"example": True})
    files = fields.List(fields.Nested(FileRecordSchema), required=True)


class StoredSchema(AnswerSchema):
    """The answer to an upload."""

    status = fields.String(required=True, validate=validate.OneOf(["success"]))
    file_id = fields.String(required=True, metadata={"example": "2026/cat.jpg"})
    size = fields.Integer(required=True, metadata={"description": "The size in bytes.", "example": 8578})
    url = fields.String(required=True, metadata={"example": "https://files.example.org/storage/photos/2026/cat.jpg"})
