"""The nouns of the service: buckets, files and who asks, with the rules for their names."""

import ipaddress
import json
import re
import secrets
import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, StrEnum
from functools import lru_cache
from typing import Any

from .errors import InvalidName, InvalidRequest, PreconditionFailed

MAX_KEY_BYTES = 1024
MAX_FILENAME_BYTES = 255
MAX_METADATA_BYTES = 16 * 1024
ANY_USER = "@authenticated"

_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

_CACHE_CONTROL = re.compile(r"[!-~][ -~]{0,254}")

# Words that stand in the place of a bucket name in a route, now or in a later version.
RESERVED_BUCKET_NAMES = frozenset(
    {
        "archive", "buckets", "console", "copy", "delete", "docs", "download", "files", "health", "info",
        "initiate-download", "initiate-upload", "list", "metadata", "metrics", "move", "openapi.json",
        "presigned-url", "resumable", "signed", "storage", "upload", "upload-direct", "view",
    }
)  # fmt: skip


class Grant(StrEnum):
    READ = "read"
    WRITE = "write"
    MANAGE = "manage"


class PrincipalKind(Enum):
    NOBODY = "nobody"
    ANONYMOUS = "anonymous"
    USER = "user"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `sub` is the user's id, and None for nobody and anonymous."""

    kind: PrincipalKind
    sub: str | None = None


NOBODY = Principal(PrincipalKind.NOBODY)
ANONYMOUS = Principal(PrincipalKind.ANONYMOUS)


class Replace(StrEnum):
    """Which files of others an upload may take the place of."""

    NONE = "none"
    OWN = "own"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class UploadRight:
    """What an upload may do to a key: make it, and whom it may replace there. `owner_id` owns what it makes."""

    owner_id: str
    create: bool
    replace: Replace

    def allows(self, existing: "File | None") -> bool:
        if existing is None:
            return self.create
        return self.replace is Replace.ANY or (self.replace is Replace.OWN and existing.owner_id == self.owner_id)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A named container. `uid` tells it from another bucket that had or will have the same name."""

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

    def accepts(self, content_type: str) -> bool:
        """Whether `content_type` is allowed here; parameters (`; charset=`) are ignored."""
        if self.allowed_content_types is None:
            return True
        essence = content_type.partition(";")[0].strip().lower()
        return any(
            pattern in ("*/*", essence) or (pattern.endswith("/*") and essence.startswith(pattern[:-1]))
            for pattern in self.allowed_content_types
        )


@dataclass(frozen=True, slots=True)
class Totals:
    file_count: int
    total_size: int


@dataclass(frozen=True, slots=True)
class File:
    """The record of a file. `blob` is the generated name of its bytes; `sha256` is lower-case hex."""

    bucket_uid: str
    key: str
    blob: str
    filename: str
    content_type: str
    size: int
    sha256: str
    owner_id: str
    metadata: Mapping[str, Any]
    cache_control: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def etag(self) -> str:
        """The strong entity tag, quotes included (RFC 9110 section 8.8.3)."""
        return f'"{self.sha256}"'


@dataclass(frozen=True, slots=True)
class Folder:
    """What a list with a delimiter shows in place of the keys that share `id`, which ends in the delimiter."""

    id: str


@dataclass(frozen=True, slots=True)
class WriteConditions:
    """`If-Match` and `If-None-Match` of a request that changes a file (RFC 9110 section 13.1). None = not sent.

    A set holds strong entity tags, quotes included, or `*` alone.
    """

    if_match: frozenset[str] | None = None
    if_none_match: frozenset[str] | None = None

    def check(self, existing: File | None) -> None:
        """Raise `PreconditionFailed` unless the file that is there satisfies both."""
        if self.if_match is not None and not _matches(self.if_match, existing):
            raise PreconditionFailed("If-Match does not hold: the file there now is another version, or none.")
        if self.if_none_match is not None and _matches(self.if_none_match, existing):
            raise PreconditionFailed("If-None-Match does not hold: there is such a file already.")


UNCONDITIONAL = WriteConditions()


def _matches(tags: frozenset[str], existing: File | None) -> bool:
    return existing is not None and ("*" in tags or existing.etag in tags)


@lru_cache(maxsize=1024)  # every request asks, and of few names
def check_bucket_name(name: str) -> str:
    """Return `name` if a bucket may be called so; raise `InvalidName` with the rule it breaks."""
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


def check_key(key: str) -> str:
    """Return `key` if a file may have it; raise `InvalidName` with the rule it breaks."""
    _check_text(key, "a file id", MAX_KEY_BYTES)
    if key.startswith("/") or key.endswith("/"):
        raise InvalidName(f"{quoted(key)} cannot be a file id: it must not begin or end with '/'.")
    for segment in key.split("/"):
        if segment in ("", ".", ".."):
            raise InvalidName(
                f"{quoted(key)} cannot be a file id: it has an empty, '.' or '..' segment between slashes."
            )
    return key


def check_filename(filename: str) -> str:
    """Return `filename` if a download may be offered under it; raise `InvalidName` with the rule it breaks."""
    return _check_text(filename, "a filename", MAX_FILENAME_BYTES)


def check_cache_control(value: str) -> str:
    """Return `value` if it can be sent as a header; raise `InvalidRequest` else (RFC 9110 section 5.5)."""
    if not _CACHE_CONTROL.fullmatch(value):
        raise InvalidRequest("A Cache-Control value has 1 to 255 characters of printable ASCII.")
    return value


def check_metadata(metadata: Mapping[str, Any], max_bytes: int = MAX_METADATA_BYTES) -> Mapping[str, Any]:
    """Return `metadata` if a file may carry it; raise `InvalidRequest` when it is too large or not valid Unicode."""
    if not metadata:
        return metadata
    try:
        size = len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode())
    except (UnicodeEncodeError, RecursionError) as error:
        raise InvalidRequest("The metadata is not valid Unicode, or is nested too deeply.") from error
    if size > max_bytes:
        raise InvalidRequest(f"The metadata takes {size} bytes as JSON; the limit is {max_bytes} bytes.")
    return metadata


def _check_text(text: str, noun: str, max_bytes: int) -> str:
    if not text:
        raise InvalidName(f"{noun.capitalize()} must not be empty.")
    # Cs: lone surrogates, which UTF-8 cannot carry (RFC 3629 section 3). Cc: control characters.
    categories = {unicodedata.category(character) for character in text}
    if "Cs" in categories:
        raise InvalidName(f"{quoted(text)} cannot be {noun}: it is not valid Unicode.")
    if "Cc" in categories:
        raise InvalidName(f"{quoted(text)} cannot be {noun}: it contains control characters.")
    if len(text.encode()) > max_bytes:
        raise InvalidName(f"{quoted(text)} cannot be {noun}: it is longer than {max_bytes} bytes of UTF-8.")
    return text


def quoted(text: str, max_characters: int = 80) -> str:
    """Show `text` in a sentence: quoted, control characters escaped, shortened."""
    shown = text if len(text) <= max_characters else text[:max_characters] + "…"
    return "'" + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown) + "'"


def _is_ipv4(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        # Shaped like one is enough: 999.1.1.1 is no address and still reads as one.
        return re.fullmatch(r"\d+\.\d+\.\d+\.\d+", name) is not None
    return True


def now() -> datetime:
    return datetime.now(UTC)


def new_uid() -> str:
    """Make a bucket's uid: 128 random bits, hex."""
    return secrets.token_hex(16)


def new_generation() -> str:
    """Make a blob's generation, 20 hex digits: 48 bits of milliseconds, which sort by time, and 32 random ones."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(4)}"
