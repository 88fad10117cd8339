"""The nouns of an upload: the request, the attributes of the file, their constraints, and the declared body."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .files import UNCONDITIONAL, WriteConditions

MAX_NOTIFY_BYTES = 1024


@dataclass(frozen=True, slots=True)
class FileAttributes:
    """The uploader's description of the file. A `filename` of None is the key. All of `sha256` (hex) must match."""

    filename: str | None = None
    content_type: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    cache_control: str | None = None
    sha256: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class UploadConstraints:
    """The attributes of the file that a signed URL binds. None = not bound. `size` is in bytes, `sha256` is hex.

    `notify` is no attribute: it comes back in the event of the upload.
    """

    filename: str | None = None
    content_type: str | None = None
    size: int | None = None
    sha256: str | None = None
    metadata: Mapping[str, Any] | None = None
    notify: str | None = None


UNCONSTRAINED = UploadConstraints()


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """The request for an upload. If `key` is None, it comes in the body.

    `by_link` says that it comes by a signed URL. Such a request may repeat an earlier one.
    """

    bucket_name: str
    key: str | None = None
    overwrite: bool = False
    conditions: WriteConditions = UNCONDITIONAL
    attributes: FileAttributes = field(default_factory=FileAttributes)
    constraints: UploadConstraints = UNCONSTRAINED
    by_link: bool = False


@dataclass(frozen=True, slots=True)
class DeclaredBody:
    """The facts about a body that are known before its first byte.

    `size` is the size of the file in bytes, None if that is unknown, and `least_size` the least that it can be. A body
    that `is_here` has arrived, so no thread waits for it. One that `is_stored` takes no more space on the disk.
    `attributes` are from the headers of the request.
    """

    size: int | None = None
    least_size: int = 0
    is_here: bool = False
    is_stored: bool = False
    attributes: FileAttributes = field(default_factory=FileAttributes)
