"""Buckets, and the rules for their names."""

import ipaddress
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from ..errors import InvalidName
from .text import quoted

ANY_USER = "@authenticated"
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

# Routes have, or may later have, these words in the place of a bucket name.
RESERVED_BUCKET_NAMES = frozenset(
    {
        "api", "archive", "buckets", "console", "copy", "delete", "docs", "download", "files", "health", "info",
        "initiate-download", "initiate-upload", "list", "metadata", "metrics", "move", "openapi.json",
        "presigned-url", "resumable", "signed", "storage", "upload", "upload-direct", "view",
    }
)  # fmt: skip


class Grant(StrEnum):
    """A right on a bucket that its owner can give to others. Each includes the ones before it."""

    READ = "read"
    WRITE = "write"
    MANAGE = "manage"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A named container of files. `uid` tells apart buckets that have one name at different times.

    `max_file_size` and `quota` are in bytes. None = no limit.
    """

    uid: str
    name: str
    owner_id: str
    created_at: datetime
    updated_at: datetime
    is_public: bool = False
    description: str | None = None
    grants: Mapping[str, Grant] = field(default_factory=dict)
    max_file_size: int | None = None
    quota: int | None = None
    allowed_content_types: tuple[str, ...] | None = None
    cache_control: str | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """The number of files in a bucket, and their total size in bytes."""

    file_count: int
    total_size: int


@lru_cache(maxsize=1024)  # every request checks a name, and few names are in use
def check_bucket_name(name: str) -> str:
    """Return `name` if it may name a bucket. Otherwise raise `InvalidName` with the rule that it breaks."""
    if not _BUCKET_NAME.fullmatch(name):
        raise InvalidName(
            f"{quoted(name)} cannot name a bucket: use 3 to 63 characters of a-z 0-9 . - that begin and end with a "
            "letter or digit."
        )
    if ".." in name:
        raise InvalidName(f"{quoted(name)} cannot name a bucket: it must not contain two dots in a row.")
    if _is_ipv4(name):
        raise InvalidName(f"{quoted(name)} cannot name a bucket: it has the form of an IPv4 address.")
    if name in RESERVED_BUCKET_NAMES:
        raise InvalidName(f"{quoted(name)} cannot name a bucket: it is a word of the service's own routes.")
    return name


def _is_ipv4(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        # 999.1.1.1 is no valid address, but people read it as one.
        return re.fullmatch(r"\d+\.\d+\.\d+\.\d+", name) is not None
    return True


def new_uid() -> str:
    """Return a new uid for a bucket: 128 random bits in hex."""
    return secrets.token_hex(16)
