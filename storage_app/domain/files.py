"""Files and folders, and the rules for keys, file names and metadata."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from ..errors import InvalidName, InvalidRequest, PreconditionFailed
from .text import check_text, quoted

MAX_KEY_BYTES = 1024
MAX_FILENAME_BYTES = 255
MAX_METADATA_BYTES = 16 * 1024
_CACHE_CONTROL = re.compile(r"[!-~][ -~]{0,254}")


@dataclass(frozen=True, slots=True)
class File:
    """A file as its sidecar describes it.

    `blob` is the generated name of its bytes. `size` is in bytes, `sha256` is in lower-case hex.
    """

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

    @property
    def last_modified(self) -> datetime:
        """When the file or its record last changed, in whole seconds (RFC 9110 section 8.8.2)."""
        return self.updated_at.replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class Folder:
    """An entry in a list with a delimiter: it replaces all keys that begin with `id`, which ends in the delimiter."""

    id: str


@dataclass(frozen=True, slots=True)
class WriteConditions:
    """The conditions of a request that changes a file (RFC 9110 section 13.1). None = not sent, or to be ignored.

    A set holds entity tags in their strong form, quotes included, or `*` alone. A date has whole seconds.
    """

    if_match: frozenset[str] | None = None
    if_none_match: frozenset[str] | None = None
    if_unmodified_since: datetime | None = None

    def check(self, existing: File | None) -> None:
        """Raise `PreconditionFailed` unless `existing`, the file now at the key, satisfies all."""
        if self.if_match is not None and not _matches(self.if_match, existing):
            raise PreconditionFailed("If-Match does not hold: the file there now is another version, or none.")
        # Section 13.1.4: "A recipient MUST ignore the If-Unmodified-Since header field if the resource does not have a
        # modification date available", as a key without a file.
        date = self.if_unmodified_since
        if date is not None and existing is not None and existing.last_modified > date:
            raise PreconditionFailed("If-Unmodified-Since does not hold: the file changed later; ask for it again.")
        if self.if_none_match is not None and _matches(self.if_none_match, existing):
            raise PreconditionFailed("If-None-Match does not hold: there is such a file already.")


UNCONDITIONAL = WriteConditions()


def _matches(tags: frozenset[str], existing: File | None) -> bool:
    return existing is not None and ("*" in tags or existing.etag in tags)


@lru_cache(maxsize=1024)  # popular files are requested again soon
def check_key(key: str) -> str:
    """Return `key` if a file may have it. Otherwise raise `InvalidName` with the rule that it breaks."""
    check_text(key, "a file id", MAX_KEY_BYTES)
    if key.startswith("/") or key.endswith("/"):
        raise InvalidName(f"{quoted(key)} cannot be a file id: it must not begin or end with '/'.")
    for segment in key.split("/"):
        if segment in ("", ".", ".."):
            raise InvalidName(
                f"{quoted(key)} cannot be a file id: it has an empty, '.' or '..' segment between slashes."
            )
    return key


def check_filename(filename: str) -> str:
    """Return `filename` if a download may have it. Otherwise raise `InvalidName` with the rule that it breaks."""
    return check_text(filename, "a filename", MAX_FILENAME_BYTES)


def check_cache_control(value: str) -> str:
    """Return `value` if it is valid in a header (RFC 9110 section 5.5). Otherwise raise `InvalidRequest`."""
    if not _CACHE_CONTROL.fullmatch(value):
        raise InvalidRequest("A Cache-Control value has 1 to 255 characters of printable ASCII.")
    return value


def check_metadata(metadata: Mapping[str, Any], max_bytes: int = MAX_METADATA_BYTES) -> Mapping[str, Any]:
    """Return `metadata` if a file may carry it.

    Raises `InvalidRequest` if it takes more than `max_bytes` as JSON, is not valid Unicode or is nested too deeply.
    """
    if not metadata:
        return metadata
    try:
        size = len(json.dumps(dict(metadata), ensure_ascii=False, separators=(",", ":")).encode())
    except (UnicodeEncodeError, RecursionError) as error:
        raise InvalidRequest("The metadata is not valid Unicode, or is nested too deeply.") from error
    if size > max_bytes:
        raise InvalidRequest(f"The metadata takes {size} bytes as JSON; the limit is {max_bytes} bytes.")
    return metadata
