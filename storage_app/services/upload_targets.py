"""The target of an upload: whether it may create or replace the file at its key, or repeats an earlier upload.

Both are judged before the first byte, and again at the commit under the key's lock.
"""

from dataclasses import dataclass

from ..domain.buckets import Bucket
from ..domain.files import File
from ..domain.principals import Replace, UploadRight
from ..domain.text import quoted
from ..domain.uploads import UploadRequest
from ..errors import FileExists, Forbidden


@dataclass(frozen=True, slots=True)
class Target:
    """The target of an upload. `existing` is the file at its key, None if there is none or the key is not known yet."""

    bucket: Bucket
    right: UploadRight
    existing: File | None = None

    @property
    def is_allowed(self) -> bool:
        """Whether the right covers this target: a new file, or the existing one."""
        if self.existing is None:
            return self.right.create
        is_own = self.existing.owner_id == self.right.owner_id
        return self.right.replace is Replace.ANY or (self.right.replace is Replace.OWN and is_own)


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of an upload, as far as they are known: their number, None if unknown, and SHA-256 digests in hex."""

    size: int | None
    sha256: frozenset[str]

    def may_be(self, file: File) -> bool:
        """Return whether nothing that is known tells these bytes from those of `file`."""
        return self.size in (None, file.size) and self.sha256 <= {file.sha256}


def check_target(request: UploadRequest, key: str, target: Target, content: Content) -> None:
    """Refuse an upload to `key` that may not create a file there, nor replace the existing one, nor `repeats` it.

    Raises `Forbidden`, `PreconditionFailed` and `FileExists`.
    """
    check_right(key, target)
    request.conditions.check(target.existing)
    if may_write(request, target) or repeats(request, target, content):
        return
    used = f"The signed URL has been used, or {quoted(key)} was uploaded in another way since; ask for a new one."
    if not request.overwrite:
        taken = f"There is a file {quoted(key)} already; choose another id, or pass overwrite=true."
        raise FileExists(used if request.by_link else taken)
    others = f"You may not replace {quoted(key)}, which somebody else uploaded; choose another id."
    raise Forbidden(used if request.by_link else others)


def check_right(key: str, target: Target) -> None:
    """Raise `Forbidden` if a client may do nothing with `key`. It learns nothing else about the key."""
    if not target.is_allowed and not target.right.create:
        raise Forbidden(
            f"You may not upload {quoted(key)} to this bucket; log in as a user who may, or ask the bucket's "
            "owner for a grant."
        )


def may_write(request: UploadRequest, target: Target) -> bool:
    """Return whether the upload may create the file, or replace the existing one."""
    return target.is_allowed and (target.existing is None or request.overwrite)


def repeats(request: UploadRequest, target: Target, content: Content) -> bool:
    """Return whether the existing file may be the outcome of an earlier request by the signed URL.

    Nothing records by which URL a file came. It is the outcome if it belongs to the signer, has the bytes, and was
    neither replaced nor edited since it was created: the client would observe the same if it had made the file.
    """
    existing = target.existing
    if not request.by_link or existing is None:
        return False
    is_first = existing.created_at == existing.updated_at
    return is_first and existing.owner_id == target.right.owner_id and content.may_be(existing)
