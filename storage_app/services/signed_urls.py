"""Signed URLs: rights handed to whoever holds the link, for one file and a limited time."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..auth.permissions import Action
from ..auth.signed_urls import Disposition, SignedDownload, SignedUpload, SignedUrls
from ..domain.buckets import Bucket
from ..domain.files import WriteConditions, check_filename, check_metadata
from ..domain.principals import Principal
from ..errors import ContentTypeNotAllowed, InvalidRequest
from ..media_types import normalize
from .lookups import Lookups
from .upload_rules import Description, Plan, Seen
from .uploads import Uploads

MAX_SIGNED_METADATA_BYTES = 2 * 1024
DEFAULT_EXPIRY_SECONDS = 3600

# What clients send when nobody told them what to send: nothing, the default of fetch, that of curl and urllib.
_UNDECLARED = ("", "application/octet-stream", "application/x-www-form-urlencoded")


@dataclass(frozen=True, slots=True)
class Promise:
    """What is bound into an upload URL and enforced when it is used. None = not bound; `sha256` is hex."""

    filename: str | None = None
    content_type: str | None = None
    size: int | None = None
    sha256: str | None = None
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class SignedLink:
    """A token with what it was made for. `expires_at` is in seconds since the epoch."""

    token: str
    bucket_name: str
    key: str
    expires_at: int


class Signing:
    """Makes signed URLs for what a principal may do itself."""

    def __init__(self, lookups: Lookups, uploads: Uploads, urls: SignedUrls) -> None:
        self._lookups = lookups
        self._uploads = uploads
        self._urls = urls

    def upload(
        self, principal: Principal, bucket_name: str, key: str, *, promise: Promise, overwrite: bool, expires_in: int
    ) -> SignedLink:
        """Sign an upload to `key`. `expires_in` is in seconds.

        Refuses what an upload would be refused for now; the upload itself is judged against what is there then.
        """
        bucket, right, seen = self._uploads.look(principal, bucket_name, key)
        content_type = _bindable(promise)
        plan = Plan(
            bucket,
            right,
            key=key,
            seen=seen,
            size=promise.size,
            content_type=content_type,
            overwrite=overwrite,
        )
        self._uploads.check(plan)
        grant = SignedUpload(
            bucket_uid=bucket.uid,
            key=key,
            expires_at=_expiry(expires_in),
            right=right,
            overwrite=overwrite,
            filename=promise.filename,
            content_type=content_type,
            size=promise.size,
            sha256=promise.sha256,
            metadata=promise.metadata,
        )
        return SignedLink(self._urls.sign(grant), bucket.name, key, grant.expires_at)

    def download(
        self,
        principal: Principal,
        bucket_name: str,
        key: str,
        *,
        disposition: Disposition,
        filename: str | None,
        expires_in: int,
    ) -> SignedLink:
        """Sign a download of the file that is at `key`. `expires_in` is in seconds."""
        bucket, _ = self._lookups.file(principal, bucket_name, key, Action.READ_FILE)
        grant = SignedDownload(
            bucket_uid=bucket.uid,
            key=key,
            expires_at=_expiry(expires_in),
            disposition=disposition,
            filename=None if filename is None else check_filename(filename),
        )
        return SignedLink(self._urls.sign(grant), bucket.name, key, grant.expires_at)


def planned(grant: SignedUpload, bucket: Bucket, seen: Seen, *, least_size: int, conditions: WriteConditions) -> Plan:
    """Return the plan of an upload under `grant`."""
    return Plan(
        bucket,
        grant.right,
        key=grant.key,
        seen=seen,
        least_size=least_size,
        signed_size=grant.size,
        overwrite=grant.overwrite,
        conditions=conditions,
    )


def described(
    grant: SignedUpload, *, filename: str | None, content_type: str | None, sha256: frozenset[str]
) -> Description:
    """Return what `grant` says of the file, and for what it leaves open what the uploader says.

    Raises `ContentTypeNotAllowed` when the uploader declares another type than the one that was bound.
    """
    return Description(
        filename=grant.filename or filename,
        content_type=_bound_type(grant.content_type, content_type),
        metadata=grant.metadata or {},
        sha256=sha256 if grant.sha256 is None else sha256 | {grant.sha256},
    )


def _bound_type(bound: str | None, declared: str | None) -> str | None:
    if bound is None:
        return declared
    essence = (declared or "").partition(";")[0].strip().lower()
    if essence not in _UNDECLARED and essence != bound.partition(";")[0]:
        raise ContentTypeNotAllowed(f"The signed URL is for a file of type {bound}; send it with that Content-Type.")
    return bound


def _bindable(promise: Promise) -> str | None:
    """Check what would be bound, and return its content type in normal form."""
    if promise.filename is not None:
        check_filename(promise.filename)
    if promise.metadata is not None:
        check_metadata(promise.metadata, MAX_SIGNED_METADATA_BYTES)
    if promise.content_type is None:
        return None
    content_type = normalize(promise.content_type)
    if content_type is None:
        raise InvalidRequest("The content type must have the form type/subtype, for example image/png.")
    return content_type


def _expiry(expires_in: int) -> int:
    # Rounded up, so that a URL for one second lives for at least that one.
    return math.ceil(time.time()) + expires_in
