"""Schemas of queries. A route takes the parameters that its schema has, each once, and no others."""

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from ...domain.files import MAX_FILENAME_BYTES
from ..http.cursors import MAX_OFFSET
from .fields import Count, Limit, Text


class PageSchema(ma.Schema):
    """The query of a list."""

    limit = Limit(
        1000, metadata={"description": "The largest number of entries in a page. More than 1,000 is taken for 1,000."}
    )
    cursor = fields.String(metadata={"description": "The start of the page, from the `Link` of the page before."})
    offset = Count(
        load_default=0,
        validate=validate.Range(0, MAX_OFFSET, error="It is at most {max}; follow the Link of each page instead."),
        metadata={"description": "The number of entries to skip, for clients that cannot follow `Link`."},
    )

    @ma.validates_schema
    def _begins_once(self, query: dict[str, Any], **_: Any) -> None:
        if "cursor" in query and query["offset"]:
            raise ma.ValidationError("The cursor says where the page begins; leave offset out.", "offset")


class FileListSchema(PageSchema):
    """The query of a list of files."""

    prefix = Text(load_default="", metadata={"description": "List only keys that begin with this."})
    delimiter = fields.String(
        validate=validate.OneOf(["/"]), metadata={"description": "List keys in a folder as one entry for that folder."}
    )
    order = fields.String(
        load_default="key",
        validate=validate.OneOf(["key", "-created_at"]),
        metadata={"description": "By key, or newest first."},
    )
    search = Text(
        load_default="",
        validate=validate.Length(max=MAX_FILENAME_BYTES),
        metadata={"description": "List only files whose filename contains this, in upper or lower case."},
    )

    @ma.validates_schema
    def _folders_make_sense(self, query: dict[str, Any], **_: Any) -> None:
        if "delimiter" not in query:
            return
        if query["order"] != "key":
            raise ma.ValidationError("Folders have no time of creation; use delimiter with order=key.", "delimiter")
        if query["search"]:
            raise ma.ValidationError("Folders have no filename; use search with prefix, not delimiter.", "delimiter")


class ArchiveSchema(ma.Schema):
    """The query of an archive."""

    prefix = Text(load_default="", metadata={"description": "The files whose keys begin with this; without it, all."})


class ForceSchema(ma.Schema):
    """The query of a bucket's deletion."""

    force = fields.String(
        load_default="false",
        validate=validate.OneOf(["true", "false"]),
        metadata={"description": "Delete the files too."},
    )


class OverwriteSchema(ma.Schema):
    """The query of a raw upload."""

    overwrite = fields.String(
        load_default="true",
        validate=validate.OneOf(["true", "false"]),
        metadata={"description": "Whether to replace an existing file."},
    )
