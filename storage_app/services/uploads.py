"""Bytes in: from the refusals that need none of them to the file that is there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import BinaryIO

from .. import media_types
from ..auth.permissions import Action, upload_right
from ..auth.signed_urls import SignedUpload
from ..blobstore import BlobStore, StagedBlob, new_blob_name
from ..domain.buckets import Bucket, check_bucket_name
from ..domain.files import File, check_filename, check_key, check_metadata
from ..domain.intents import Intent, IntentKind
from ..domain.principals import Principal, Replace, UploadRight
from ..domain.text import quoted
from ..domain.times import now
from ..errors import DigestMismatch, FileTooLarge, Forbidden, InsufficientStorage, InvalidName, InvalidSignedUrl
from ..host.files import translated
from ..host.hashing import Sha256
from ..host.locks import UploadSlots
from ..index import Index, Work
from ..journal.commit import Commits
from ..media_types.sniffing import HEAD_BYTES
from .lookups import Lookups, refusal
from .upload_rules import (
    Description,
    Plan,
    Seen,
    check_accepted,
    check_exact_quota,
    check_quota,
    check_signed_size,
    check_target,
    decide_content_type,
    inheriting,
    quota_exceeded,
)

# How often the room on the disk is looked at while bytes arrive: others arrive beside them.
_FREE_SPACE_CHECK_BYTES = 64 * 1024 * 1024
_READ_BACK_BYTES = 1024 * 1024


class Uploads:
    """Takes files in. `max_file_size` and `min_free_bytes` are in bytes; None = no limit."""

    def __init__(
        self,
        index: Index,
        store: BlobStore,
        commits: Commits,
        lookups: Lookups,
        slots: UploadSlots,
        *,
        max_file_size: int | None,
        min_free_bytes: int,
    ) -> None:
        self._index = index
        self._store = store
        self._commits = commits
        self._lookups = lookups
        self._slots = slots
        self._max_file_size = max_file_size
        self._min_free_bytes = min_free_bytes

    def right(self, principal: Principal, bucket_name: str) -> tuple[Bucket, UploadRight]:
        """Return the bucket and what `principal` may upload there; refuse who may upload nothing."""
        bucket, _ = self._lookups.bucket(principal, bucket_name)
        return bucket, self._right(principal, bucket)

    def look(self, principal: Principal, bucket_name: str, key: str) -> tuple[Bucket, UploadRight, Seen]:
        """Return and refuse as `right` does, with a look at `key`, in one look-up."""
        try:
            bucket, file = self._lookups.bucket_and_file(principal, bucket_name, key)
        except InvalidName:
            self.right(principal, bucket_name)  # who may upload nothing is told that first
            raise
        return bucket, self._right(principal, bucket), Seen(file)

    def _right(self, principal: Principal, bucket: Bucket) -> UploadRight:
        right = upload_right(principal, bucket, anonymous_uploads=self._lookups.anonymous_uploads)
        if not right.create and right.replace is Replace.NONE:
            raise refusal(principal, Action.CREATE_FILE)
        return right

    def look_signed(self, grant: SignedUpload, bucket_name: str) -> tuple[Bucket, Seen]:
        """Return the bucket of an upload URL with a look at its key.

        Raises `InvalidSignedUrl` when the bucket was deleted since.
        """
        found = self._index.bucket_and_file(check_bucket_name(bucket_name), grant.key)
        if found is None or found[0].uid != grant.bucket_uid:
            raise InvalidSignedUrl(f"The signed URL is not for this bucket {quoted(bucket_name)}; ask for a new one.")
        bucket, file = found
        return bucket, Seen(file)

    def check(self, plan: Plan, *, stored: bool = False) -> File | None:
        """Refuse what can be refused before the first byte; return the file that is there now, if its key is known.

        With `stored` the bytes are on the disk already, and need no more room.
        """
        existing = None
        if plan.key is not None:
            seen = plan.seen or Seen(self._index.file(plan.bucket.uid, check_key(plan.key)))
            existing = seen.file
            check_target(plan, plan.key, existing)
        elif not plan.right.create and not self._index.owns_any(plan.bucket.uid, plan.right.owner_id):
            raise Forbidden("You may not upload to this bucket; ask its owner for a grant.")
        size = plan.least_size if plan.size is None else plan.size
        self.check_size(plan, size, existing)
        if plan.size is not None:
            check_signed_size(plan, plan.size)
        self.check_free_space(0 if stored else size)
        declared = None if plan.content_type is None else media_types.normalize(plan.content_type)
        if declared is not None and declared != media_types.UNKNOWN:
            check_accepted(plan.bucket, declared)
        return existing

    def check_ahead(self, plan: Plan) -> None:
        """Refuse all that `begin` would refuse now, for who takes the bytes before we do. Nothing is reserved."""
        existing = self.check(plan)
        check = self._reservation(plan.bucket, self._record(plan, existing))
        if check is not None:
            self._index.write_grouped(check)

    @contextmanager
    def begin(self, plan: Plan, *, is_here: bool = False) -> Iterator["Upload"]:
        """Refuse as `check` does, then reserve room and take bytes; what is not finished in the context is discarded.

        Raises `QuotaExceeded` and `TooManyUploads` besides. A body that `is_here` needs no slot, because nobody waits
        for it to come.
        """
        existing = self.check(plan)
        slot = nullcontext() if is_here else self._slots.hold()
        with slot, self._begun(plan, existing, lambda: self._store.stage(plan.bucket)) as upload:
            yield upload

    @contextmanager
    def take_over(self, plan: Plan, body: BinaryIO) -> Iterator["Upload"]:
        """The same for a body that lies in the spool, and is taken away from there: all that is left is to finish."""
        existing = self.check(plan, stored=True)
        with self._begun(plan, existing, lambda: self._store.adopt(plan.bucket, body)) as upload:
            upload.read_back(body)
            yield upload

    @contextmanager
    def _begun(self, plan: Plan, existing: File | None, stage: Callable[[], StagedBlob]) -> Iterator["Upload"]:
        intent = self._record(plan, existing)

        with self._commits.recorded(intent, self._reservation(plan.bucket, intent)), stage() as staged:
            upload = Upload(self, plan, intent, staged, existing)
            yield upload
            if not upload.finished:
                self._commits.abandon(intent)

    @staticmethod
    def _reservation(bucket: Bucket, intent: Intent) -> Work | None:
        """Return what makes sure that there is room for `intent` in the bucket's quota, if it has one."""
        return None if bucket.quota is None else lambda transaction: check_quota(transaction, bucket, intent)

    def _record(self, plan: Plan, existing: File | None) -> Intent:
        return Intent(
            process=self._commits.process,
            kind=IntentKind.WRITE,
            bucket_uid=plan.bucket.uid,
            key=plan.key,
            blob=None if plan.key is None else new_blob_name(plan.key),
            size=_growth(plan.size or 0, existing),
        )

    def check_size(self, plan: Plan, size: int, existing: File | None) -> None:
        """Raise `FileTooLarge` or `QuotaExceeded` when a file of `size` bytes can never be taken."""
        limits = (self._max_file_size, plan.bucket.max_file_size, plan.signed_size)
        limit = min((limit for limit in limits if limit is not None), default=None)
        if limit is not None and size > limit:
            raise FileTooLarge(
                f"The file has more than {limit} bytes, which is the most this upload may have.",
                members={"limit": limit},
            )
        if plan.bucket.quota is not None and _growth(size, existing) > plan.bucket.quota:
            raise quota_exceeded(plan.bucket)

    def check_free_space(self, size: int) -> None:
        """Raise `InsufficientStorage` unless MIN_FREE_BYTES are left on the disk after `size` more."""
        free = self._store.free_bytes()
        if free is not None and free - size < self._min_free_bytes:
            raise InsufficientStorage(
                "The disk has no room for this upload; delete files, or ask the operator for room (MIN_FREE_BYTES)."
            )

    def complete_intent(self, intent: Intent, bucket: Bucket, key: str, size: int) -> tuple[Intent, File | None]:
        """Add to `intent` what came with the body, and reserve for it. Return it, and the file that is there now."""
        existing = self._index.file(bucket.uid, key)
        blob = intent.blob or new_blob_name(key)
        complete = replace(intent, key=key, blob=blob, size=_growth(size, existing))
        self._commits.update(complete, self._reservation(bucket, complete))
        return complete, existing

    def place(self, plan: Plan, intent: Intent, file: File, staged: StagedBlob, seen: File | None) -> tuple[File, bool]:
        """Decide, under the key's lock, and make `file` the file of its key. Return it, and whether the key is new.

        `seen` is what was there when it was last looked: the record is staged as if it still were.
        """
        with (
            self._store.stage_sidecar(plan.bucket, inheriting(file, seen), staged) as sidecar,
            self._commits.keys(intent, [(plan.bucket, file.key)]) as commit,
        ):
            locked = commit.only
            current = locked.current
            check_target(plan, file.key, current)
            if locked.bucket.quota is not None:
                check_exact_quota(commit.totals(locked.bucket), locked.bucket, file, current)
            sidecar.restage(inheriting(file, current))
            commit.replace(locked, sidecar, staged)
        return sidecar.file, current is None


class Upload:
    """One body on its way in: write its bytes, then finish."""

    def __init__(self, uploads: Uploads, plan: Plan, intent: Intent, staged: StagedBlob, existing: File | None) -> None:
        self._uploads = uploads
        self.plan = plan
        self._note = intent
        self._staged = staged
        self._existing = existing
        self._hash = Sha256()
        self._head = b""
        self._free_space_checked_at = 0
        self.size = 0
        self.finished = False

    def write(self, data: bytes) -> int:
        """Take the next bytes; raises `FileTooLarge` as soon as there are too many."""
        self._examine(data)
        self._hash.update(data)
        if self.size - self._free_space_checked_at >= _FREE_SPACE_CHECK_BYTES:
            self._uploads.check_free_space(0)
            self._free_space_checked_at = self.size
        return self._staged.write(data)

    def read_back(self, stream: BinaryIO) -> None:
        """Examine bytes that are staged already: all those of `stream`."""
        with translated():
            stream.seek(0)
            while data := stream.read(_READ_BACK_BYTES):
                self._examine(data)
                self._hash.update(data)

    def _examine(self, data: bytes) -> None:
        self.size += len(data)
        self._uploads.check_size(self.plan, self.size, self._existing)
        if len(self._head) < HEAD_BYTES:
            self._head += data[: HEAD_BYTES - len(self._head)]

    def finish(self, description: Description) -> tuple[File, bool]:
        """Make the bytes the file that the plan says; return it, and whether its key is new.

        Raises what `Uploads.check` raises, judged again against what is there now, and `DigestMismatch`.
        """
        return self._finish(self.plan, description)

    def finish_as(self, key: str, description: Description, *, overwrite: bool) -> tuple[File, bool]:
        """The same, where the key came with the body."""
        return self._finish(replace(self.plan, key=key, overwrite=overwrite), description)

    def _finish(self, plan: Plan, description: Description) -> tuple[File, bool]:
        key = check_key(plan.key or "")
        file = self._describe(description, key)
        if self.plan.key is None or self.plan.size is None:
            self._note, self._existing = self._uploads.complete_intent(self._note, plan.bucket, key, self.size)
        file = replace(file, blob=self._note.blob or "")
        placed = self._uploads.place(plan, self._note, file, self._staged, self._existing)
        self.finished = True
        return placed

    def _describe(self, description: Description, key: str) -> File:
        self._check_promises(description)
        filename = key if description.filename is None else check_filename(description.filename)
        written = now()
        return File(
            bucket_uid=self.plan.bucket.uid,
            key=key,
            blob="",
            filename=filename,
            content_type=decide_content_type(self.plan.bucket, description.content_type, self._head, filename),
            size=self.size,
            sha256=self._hash.hexdigest(),
            owner_id=self.plan.right.owner_id,
            metadata=check_metadata(description.metadata),
            cache_control=description.cache_control,
            created_at=written,
            updated_at=written,
        )

    def _check_promises(self, description: Description) -> None:
        check_signed_size(self.plan, self.size)
        if not description.sha256 <= {self._hash.hexdigest()}:
            raise DigestMismatch(
                f"The SHA-256 of the {self.size} bytes received is {self._hash.hexdigest()}, which is not the digest "
                "that was declared; send them again."
            )


def _growth(size: int, existing: File | None) -> int:
    """Return how many bytes a bucket grows by: an overwrite counts the difference."""
    return max(0, size - (existing.size if existing is not None else 0))
