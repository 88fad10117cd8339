"""What is known of an upload before its bytes come, and what it is refused for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .. import media_types
from ..domain.buckets import Bucket, Totals
from ..domain.files import UNCONDITIONAL, File, WriteConditions
from ..domain.intents import Intent
from ..domain.principals import UploadRight
from ..domain.text import quoted
from ..errors import ContentTypeNotAllowed, FileExists, Forbidden, InvalidRequest, QuotaExceeded
from ..index import Transaction


@dataclass(frozen=True, slots=True)
class Seen:
    """That somebody has looked at a key, and found `file` there, or nothing."""

    file: File | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of an upload before its bytes come.

    `size` is their exact number, `least_size` what it is at least, `signed_size` what it must be. A `key` of None is
    not known yet: it comes with the body. `seen` is None where nobody has looked at the key.
    """

    bucket: Bucket
    right: UploadRight
    key: str | None = None
    seen: Seen | None = None
    size: int | None = None
    least_size: int = 0
    signed_size: int | None = None
    content_type: str | None = None
    overwrite: bool = False
    conditions: WriteConditions = UNCONDITIONAL


@dataclass(frozen=True, slots=True)
class Description:
    """What the uploader says of the file. `filename` None: the key. Every one of `sha256` (hex) must hold."""

    filename: str | None = None
    content_type: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    cache_control: str | None = None
    sha256: frozenset[str] = frozenset()


def check_signed_size(plan: Plan, size: int) -> None:
    if plan.signed_size is not None and size != plan.signed_size:
        raise InvalidRequest(f"The signed URL is for a file of {plan.signed_size} bytes, and this one has {size}.")


def check_target(plan: Plan, key: str, existing: File | None) -> None:
    """Refuse an upload to `key` that may not, or should not, take the place of what is there."""
    may_place = plan.right.allows(existing)
    # Who may do nothing with this key learns nothing about it.
    if not may_place and not plan.right.create:
        raise Forbidden(f"You may not upload {quoted(key)} to this bucket; ask its owner for a grant.")
    plan.conditions.check(existing)
    if existing is not None and not plan.overwrite:
        raise FileExists(f"There is a file {quoted(key)} already; choose another id, or pass overwrite=true.")
    if not may_place:
        raise Forbidden(f"You may not replace {quoted(key)}, which somebody else uploaded; choose another id.")


def check_quota(transaction: Transaction, bucket: Bucket, intent: Intent) -> None:
    """Raise `QuotaExceeded` unless what `intent` reserves fits besides all that is there and on its way."""
    if bucket.quota is None or intent.size == 0:
        return
    transaction.lock_bucket(bucket.name)
    found = transaction.bucket(bucket.uid)
    if found is None or found[0].quota is None:
        return
    if found[1].total_size + transaction.reserved(bucket.uid, but=intent) + intent.size > found[0].quota:
        raise quota_exceeded(found[0])


def check_exact_quota(totals: Totals, bucket: Bucket, file: File, current: File | None) -> None:
    """The same for what is decided now, when nothing of it is a reservation any more."""
    growth = file.size - (current.size if current is not None else 0)
    if bucket.quota is not None and growth > 0 and totals.total_size + growth > bucket.quota:
        raise quota_exceeded(bucket)


def quota_exceeded(bucket: Bucket) -> QuotaExceeded:
    return QuotaExceeded(
        f"Bucket {quoted(bucket.name)} would hold more than its quota of {bucket.quota} bytes; delete files first.",
        members={"limit": bucket.quota},
    )


def inheriting(file: File, current: File | None) -> File:
    """An overwrite keeps the owner and the time of creation."""
    if current is None:
        return file
    return replace(file, owner_id=current.owner_id, created_at=current.created_at)


def decide_content_type(bucket: Bucket, declared: str | None, head: bytes, name: str) -> str:
    """Return the content type of bytes that begin with `head`.

    Raises `ContentTypeNotAllowed` when the bucket does not take it, or when the bucket is choosy and what was declared
    is not what the bytes are.
    """
    decision = media_types.decide(declared, head, name)
    if decision.contradicts and bucket.allowed_content_types is not None:
        raise ContentTypeNotAllowed(
            f"The file was declared as {declared}, but its bytes are {decision.content_type}; declare what it is."
        )
    return check_accepted(bucket, decision.content_type)


def check_accepted(bucket: Bucket, content_type: str) -> str:
    """Return `content_type` if the bucket takes it; raise `ContentTypeNotAllowed` else."""
    if not bucket.accepts(content_type):
        allowed = ", ".join(bucket.allowed_content_types or ())
        raise ContentTypeNotAllowed(f"Bucket {quoted(bucket.name)} does not take {content_type}; it takes {allowed}.")
    return content_type
