"""Schemas of requests to copy files."""

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from ...domain.files import MAX_KEY_BYTES
from .bodies import BodySchema
from .fields import Flag, Text
from .kinds import BUCKET, KEY
from .requests import MetadataSchema

# What is said of one file, and not of a folder.
_OF_ONE_FILE = {"metadata", "content_type", "filename", "cache_control", "source_etag"}
_PREFIX: dict[str, Any] = {
    "validate": validate.Length(max=MAX_KEY_BYTES),
    "metadata": {
        "description": "In place of `file_id`: all files whose keys begin with this, and what it becomes.",
        "example": "2026/",
    },
}


class PlaceSchema(BodySchema):
    """The place of a file, or of all files whose keys begin with a prefix."""

    bucket_id = fields.String(required=True, **BUCKET)
    file_id = fields.String(**KEY)
    prefix = Text(**_PREFIX)

    @ma.validates_schema
    def check_one(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse both a key and a prefix, and neither."""
        if len(data) != 2:
            raise ma.ValidationError("Send either 'file_id' or 'prefix'.")


class CopySchema(MetadataSchema):
    """A request to copy a file. The fields of its record that are given here are not taken from the source."""

    source = fields.Nested(PlaceSchema, required=True)
    destination = fields.Nested(PlaceSchema, required=True)
    overwrite = Flag(load_default=False, metadata={"description": "Whether to replace a file at the destination."})
    source_etag = Text(
        metadata={
            "description": "The ETag that the source must have, quotes included.",
            "example": '"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"',
        }
    )

    @ma.validates_schema
    def check_places(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a copy to its own place, of a folder into itself, and of a folder with the attributes of one file."""
        source, target = data["source"], data["destination"]
        if source.keys() != target.keys():
            raise ma.ValidationError("Send a 'file_id' for both source and destination, or a 'prefix'.", "destination")
        if source == target:
            raise ma.ValidationError("It is the place of the source; choose another bucket or id.", "destination")
        if "prefix" in source:
            _check_prefixes(source, target)
            for name in data.keys() & _OF_ONE_FILE:
                raise ma.ValidationError("It is about one file; leave it out with a 'prefix'.", name)


def _check_prefixes(source: dict[str, str], target: dict[str, str]) -> None:
    if source["bucket_id"] == target["bucket_id"] and target["prefix"].startswith(source["prefix"]):
        raise ma.ValidationError("It is inside the source, so it would never end; choose another.", "destination")
