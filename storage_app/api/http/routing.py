"""How paths become bucket names and keys: no slash is merged, nothing is redirected, a key may contain slashes."""

import re

from flask import Flask
from werkzeug.routing import BaseConverter

from ...domain.buckets import RESERVED_BUCKET_NAMES


class KeyConverter(BaseConverter):
    """Takes the rest of the path whatever it is, so that a bad key gets its own answer and not "no such route"."""

    regex = r"(?s:.*)"
    part_isolating = False
    weight = 200


class FileBucketConverter(BaseConverter):
    """Takes a bucket's name where the words of other routes stand in its place, and leaves those to them."""

    regex = rf"(?!(?:{'|'.join(map(re.escape, sorted(RESERVED_BUCKET_NAMES)))})\Z)[^/]+"
    part_isolating = True


def init_app(app: Flask) -> None:
    """Set up the URL map; call it before any route is added."""
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    app.url_map.converters["key"] = KeyConverter
    app.url_map.converters["bucket"] = FileBucketConverter
