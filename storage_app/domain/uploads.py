"""Uploads: what a client asks for, what it says of the file, and what is known of a body before its first byte."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .files import UNCONDITIONAL, WriteConditions


@dataclass(frozen=True, slots=True)
class FileAttributes:
    """What the uploader says of the file. A `filename` of None is the key. Every digest of `sha256` (hex) must hold."""

    filename: str | None = None
    content_type: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    cache_control: str | None = None
    sha256: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class UploadConstraints:
    """What a signed URL binds of the file, and enforces. None = not bound. `size` is in bytes, `sha256` is hex."""

    filename: str | None = None
    content_type: str | None = None
    size: int | None = None
    sha256: str | None = None
    metadata: Mapping[str, Any] | None = None


UNCONSTRAINED = UploadConstraints()


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """An upload as it is asked for. A `key` of None comes with the body."""

    bucket_name: str
    key: str | None = None
    overwrite: bool = False
    conditions: WriteConditions = UNCONDITIONAL
    attributes: FileAttributes = field(default_factory=FileAttributes)
    constraints: UploadConstraints = UNCONSTRAINED


@dataclass(frozen=True, slots=True)
class DeclaredBody:
    """What is known of a body before its first byte.

    `size` is how many bytes the file has, None if that is unknown, and `least_size` how many it has at least. Nobody
    waits for a body that `is_here`; the bytes of one that `is_stored` take no more space. `attributes` are those that
    the request's headers give.
    """

    size: int | None = None
    least_size: int = 0
    is_here: bool = False
    is_stored: bool = False
    attributes: FileAttributes = field(default_factory=FileAttributes)
