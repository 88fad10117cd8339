"""Schemas of requests to copy files."""

from typing import Any

import marshmallow as ma
from marshmallow import fields

from .bodies import BodySchema
from .fields import Flag, Text
from .kinds import BUCKET, KEY
from .requests import MetadataSchema


class PlaceSchema(BodySchema):
    """The place of a file."""

    bucket_id = fields.String(required=True, **BUCKET)
    file_id = fields.String(required=True, **KEY)


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
        """Refuse a copy to its own place."""
        if data["source"] == data["destination"]:
            raise ma.ValidationError("It is the place of the source; choose another bucket or id.", "destination")
