"""Peers that run somewhere already, given by their URL."""

import re
from urllib.parse import urlsplit

from ..targets import Target
from .nginx import PlainHttp
from .s3 import S3

PLAIN, SPEAKS_S3 = "http", "s3+http"
_NOT_IN_URLS = re.compile(r"[^!-~]")  # RFC 3986, section 2


def given_peer(text: str) -> Target:
    """Read `NAME=URL`: `http://host:port/path` takes PUT as nginx does, `s3+http://host:port/bucket` speaks S3.

    Raises `ValueError` when it is neither.
    """
    name, _, url = text.partition("=")
    parts = urlsplit(url)
    path = parts.path.strip("/")
    if name and parts.hostname and not (parts.query or parts.fragment or _NOT_IN_URLS.search(url)):
        if parts.scheme == PLAIN:
            return PlainHttp(name, parts.port or 80, host=parts.hostname, root=f"/{path}" if path else "")
        if parts.scheme == SPEAKS_S3 and path and "/" not in path:
            return S3(name, parts.port or 80, path, host=parts.hostname)
    raise ValueError(f"NAME={PLAIN}://host:port/path or NAME={SPEAKS_S3}://host:port/bucket is meant, not {text!r}")
