"""How paths become bucket names and keys: no slash is merged, nothing is redirected, a key may contain slashes."""

from flask import Flask
from werkzeug.routing import BaseConverter


class KeyConverter(BaseConverter):
    """Takes the rest of the path whatever it is, so that a bad key gets its own answer and not "no such route"."""

    regex = r"(?s:.*)"
    part_isolating = False
    weight = 200


def init_app(app: Flask) -> None:
    """Set up the URL map; call it before any route is added."""
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    app.url_map.converters["key"] = KeyConverter
