"""Every reason to refuse an upload, as functions without I/O: before the first byte, while bytes arrive, at the commit.

They judge an `UploadRequest` against its `Target` and the service's `UploadLimits`. The services look up and lock.
"""

from dataclasses import dataclass, replace

from .. import media_types
from ..domain.buckets import Bucket, Totals
from ..domain.files import File, check_filename, check_metadata
from ..domain.text import counted, quoted
from ..domain.times import following, now
from ..domain.uploads import UNCONSTRAINED, DeclaredBody, FileAttributes, UploadConstraints, UploadRequest
from ..errors import (
    ContentTypeNotAllowed,
    DigestMismatch,
    FileTooLarge,
    InsufficientStorage,
    InvalidRequest,
    QuotaExceeded,
)
from ..media_types.names import declared_type, is_same, matches, normalize
from .upload_targets import Content, Target, check_target, may_write


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """The service's own limits, in bytes. A `max_file_size` of None is no limit."""

    max_file_size: int | None
    min_free_bytes: int


# Before the first byte


def check_early(
    request: UploadRequest, body: DeclaredBody, target: Target, limits: UploadLimits, free_bytes: int | None
) -> None:
    """Refuse what the headers allow to refuse, in this order: target, size, free space, content type."""
    if request.key is not None:
        check_target(request, request.key, target, Content(body.size, request.attributes.sha256))
    size = body.least_size if body.size is None else body.size
    check_size(request, target, limits, size)
    if body.size is not None:
        check_bound_size(request.constraints, body.size)
    check_free_space(free_bytes, 0 if body.is_stored else size, limits)
    if target.bucket.allowed_content_types is not None:
        _check_chosen_type(target.bucket, request)


def bound(request: UploadRequest) -> UploadRequest:
    """Return `request` with its attributes overridden by its constraints.

    Raises `ContentTypeNotAllowed` if the uploader declares a type other than the one that the signed URL binds.
    """
    if request.constraints is UNCONSTRAINED:
        return request
    constraints, attributes = request.constraints, request.attributes
    bound_attributes = FileAttributes(
        filename=constraints.filename or attributes.filename,
        content_type=_bound_type(constraints.content_type, attributes.content_type),
        metadata=attributes.metadata if constraints.metadata is None else constraints.metadata,
        cache_control=attributes.cache_control,
        sha256=attributes.sha256 if constraints.sha256 is None else attributes.sha256 | {constraints.sha256},
    )
    return replace(request, attributes=bound_attributes)


def bindable(constraints: UploadConstraints, *, max_metadata_bytes: int) -> UploadConstraints:
    """Check the constraints of a URL to sign. Return them with a normalized content type. Raises `InvalidRequest`.

    A type that counts as undeclared at the upload is not bound.
    """
    if constraints.filename is not None:
        check_filename(constraints.filename)
    if constraints.metadata is not None:
        check_metadata(constraints.metadata, max_metadata_bytes)
    if constraints.content_type is None:
        return constraints
    content_type = normalize(constraints.content_type)
    if content_type is None:
        raise InvalidRequest("The content type must have the form type/subtype, for example image/png.")
    return replace(constraints, content_type=declared_type(content_type))


# Before the first byte, and while bytes arrive


def check_size(request: UploadRequest, target: Target, limits: UploadLimits, size: int) -> None:
    """Raise `FileTooLarge` or `QuotaExceeded` if a file of `size` bytes exceeds a limit, or the whole quota."""
    each = (limits.max_file_size, target.bucket.max_file_size, request.constraints.size)
    limit = min((limit for limit in each if limit is not None), default=None)
    if limit is not None and size > limit:
        raise FileTooLarge(
            f"The file has more than {counted(limit, 'byte')}, which is the most this upload may have.",
            members={"limit": limit},
        )
    if target.bucket.quota is not None and growth(size, target.existing) > target.bucket.quota:
        raise quota_exceeded(target.bucket)


def _check_chosen_type(bucket: Bucket, request: UploadRequest) -> None:
    attributes = request.attributes
    chosen = media_types.chosen_type(attributes.content_type, attributes.filename or request.key or "")
    if chosen is not None:
        check_accepted(bucket, chosen)


def check_free_space(free: int | None, size: int, limits: UploadLimits) -> None:
    """Raise `InsufficientStorage` unless MIN_FREE_BYTES of the `free` bytes are left after `size` more."""
    if free is not None and free - size < limits.min_free_bytes:
        raise InsufficientStorage(
            "The disk has no room for this upload; delete files, or ask the operator for room (MIN_FREE_BYTES)."
        )


# When all bytes have arrived


@dataclass(frozen=True, slots=True)
class Received:
    """The bytes that have arrived: their number, their SHA-256 in hex, and the first ones."""

    size: int
    sha256: str
    head: bytes


def describe(request: UploadRequest, target: Target, received: Received) -> File:
    """Return the file that the received bytes become, without the name of its blob.

    Raises `InvalidRequest` or `DigestMismatch` if the bytes are not those that were declared, `ContentTypeNotAllowed`,
    and `InvalidName` for a filename that came in the body.
    """
    attributes, key = request.attributes, request.key or ""
    check_bound_size(request.constraints, received.size)
    if not attributes.sha256 <= {received.sha256}:
        raise DigestMismatch(
            f"The SHA-256 of the {counted(received.size, 'byte')} received is {received.sha256}, which is not the "
            "digest that was declared; send the body again."
        )
    filename = key if attributes.filename is None else check_filename(attributes.filename)
    written = now()
    file = File(
        bucket_uid=target.bucket.uid,
        key=key,
        blob="",
        filename=filename,
        content_type=decide_content_type(target.bucket, attributes.content_type, received.head, filename),
        size=received.size,
        sha256=received.sha256,
        owner_id=target.right.owner_id,
        metadata=check_metadata(attributes.metadata),
        cache_control=attributes.cache_control,
        created_at=written,
        updated_at=written,
    )
    return inheriting(file, target)


def check_bound_size(constraints: UploadConstraints, size: int) -> None:
    """Raise `InvalidRequest` if the signed URL is for a file of another size."""
    if constraints.size is not None and size != constraints.size:
        bound = counted(constraints.size, "byte")
        raise InvalidRequest(f"The signed URL is for a file of {bound}, and this one has {size}.")


def decide_content_type(bucket: Bucket, declared: str | None, head: bytes, name: str) -> str:
    """Return the content type of a file called `name` whose bytes begin with `head`.

    Raises `ContentTypeNotAllowed` if the bucket does not take that type, or if the bucket restricts types and the bytes
    contradict the declared one.
    """
    decision = media_types.decide(declared, head, name)
    if decision.contradicts and bucket.allowed_content_types is not None:
        raise ContentTypeNotAllowed(
            f"The file was declared as {declared}, but its bytes are {decision.content_type}; declare what it is."
        )
    return check_accepted(bucket, decision.content_type)


def check_accepted(bucket: Bucket, content_type: str) -> str:
    """Return `content_type`. Raises `ContentTypeNotAllowed` unless the bucket takes it."""
    patterns = bucket.allowed_content_types
    if patterns is not None and not matches(content_type, patterns):
        allowed = ", ".join(patterns)
        raise ContentTypeNotAllowed(f"Bucket {quoted(bucket.name)} does not take {content_type}; it takes {allowed}.")
    return content_type


# At the commit, under the key's lock


def decide(request: UploadRequest, target: Target, file: File, totals: Totals, limits: UploadLimits) -> File:
    """Check an upload against its `target` under the lock, and return the file that it becomes there.

    That is the existing file itself if the upload only repeats the one that made it. The grants, limits and types are
    those that the bucket has now, and so are its `totals`. Raises what the checks do.
    """
    check_target(request, file.key, target, Content(file.size, frozenset([file.sha256])))
    if target.existing is not None and not may_write(request, target):
        return target.existing
    check_size(request, target, limits, file.size)
    check_accepted(target.bucket, file.content_type)
    check_quota(target.bucket, totals, file.size - (target.existing.size if target.existing is not None else 0))
    return inheriting(file, target)


def check_quota(bucket: Bucket, totals: Totals, added: int) -> None:
    """Raise `QuotaExceeded` unless `added` bytes fit beside those in `totals`. A file that shrinks always fits."""
    if bucket.quota is not None and added > 0 and totals.total_size + added > bucket.quota:
        raise quota_exceeded(bucket)


def quota_exceeded(bucket: Bucket) -> QuotaExceeded:
    return QuotaExceeded(
        f"Bucket {quoted(bucket.name)} would hold more than its quota of {counted(bucket.quota or 0, 'byte')}; delete "
        "files first.",
        members={"limit": bucket.quota},
    )


def growth(size: int, existing: File | None) -> int:
    """Return by how many bytes a file of `size` bytes makes its bucket grow: an overwrite counts the difference."""
    return max(0, size - (existing.size if existing is not None else 0))


def inheriting(file: File, target: Target) -> File:
    """Return `file` with its owner and times. An overwrite keeps owner and creation time, and is the later version."""
    existing = target.existing
    if existing is not None:
        updated = following(file.updated_at, existing.updated_at)
        return replace(file, owner_id=existing.owner_id, created_at=existing.created_at, updated_at=updated)
    if file.owner_id == target.right.owner_id and file.created_at == file.updated_at:
        return file
    return replace(file, owner_id=target.right.owner_id, created_at=file.updated_at)


def _bound_type(bound: str | None, declared: str | None) -> str | None:
    if bound is None:
        return declared
    chosen = declared_type(declared)
    if chosen is not None and not is_same(chosen, bound):
        raise ContentTypeNotAllowed(f"The signed URL is for a file of type {bound}; send it with that Content-Type.")
    return bound
