"""The nouns of a copy: the place of a file, and the request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .files import UNCONDITIONAL, WriteConditions


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a file: the name of its bucket, and its key there."""

    bucket_name: str
    key: str


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """The request to copy or move the file at `source` to `destination`, which is another place.

    `conditions` are those of the destination. `source_etag` is the entity tag, quotes included, that the source must
    have, None for any. `changes` are the attributes that the copy does not take from its source: `metadata`,
    `content_type`, `filename` (None = the key), `cache_control`.
    """

    source: Place
    destination: Place
    overwrite: bool = False
    conditions: WriteConditions = UNCONDITIONAL
    source_etag: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
