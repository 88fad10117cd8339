"""Schemas of queries. A route takes the parameters that its schema has, each once, and no others."""

import marshmallow as ma
from marshmallow import fields, validate

from .fields import Limit, Text


class PageSchema(ma.Schema):
    """The query of a list."""

    limit = Limit(
        1000, metadata={"description": "The largest number of entries in a page. More than 1,000 is taken for 1,000."}
    )
    cursor = fields.String(metadata={"description": "The start of the page, from the `Link` of the page before."})


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
