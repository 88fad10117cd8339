"""Routing of paths with bucket names and keys: no merged slashes, no redirects, and slashes in keys."""

import re
from functools import lru_cache

from flask import Flask, Request
from werkzeug.routing import BaseConverter

from ...domain.buckets import RESERVED_BUCKET_NAMES

_VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")


class KeyConverter(BaseConverter):
    """Matches the rest of the path, whatever it is. So an invalid key is refused as such, not as an unknown route."""

    regex = r"(?s:.*)"
    part_isolating = False
    weight = 200


class FileBucketConverter(BaseConverter):
    """Matches a bucket name in a place where other routes have reserved words, which it leaves to them."""

    regex = rf"(?!(?:{'|'.join(map(re.escape, sorted(RESERVED_BUCKET_NAMES)))})\Z)[^/]+"
    part_isolating = True


def init_app(app: Flask) -> None:
    """Configure the URL map. Call this before any route is added."""
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    app.url_map.converters["key"] = KeyConverter
    app.url_map.converters["bucket"] = FileBucketConverter


def route_of(request: Request) -> str | None:
    """Return the route of `request` as the OpenAPI document spells it, such as `/buckets/{bucket_id}`, or None."""
    return None if request.url_rule is None else _template(request.url_rule.rule)


@lru_cache  # one of few, for each request
def _template(rule: str) -> str:
    return _VARIABLE.sub(r"{\1}", rule)
