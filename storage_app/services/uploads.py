"""Uploads, from the first check of the headers to the committed file."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import BinaryIO

from ..auth.permissions import Action, Policy, upload_right
from ..auth.signed_urls import SignedUpload
from ..blobstore import BlobStore, StagedBlob, new_blob_name
from ..domain.buckets import Bucket, check_bucket_name
from ..domain.files import File, check_key
from ..domain.intents import Intent, IntentKind
from ..domain.principals import Principal, Replace, UploadRight
from ..domain.text import quoted
from ..domain.uploads import DeclaredBody, UploadRequest
from ..errors import InvalidName, InvalidSignedUrl
from ..host.hashing import Sha256
from ..host.locks import UploadSlots
from ..index import Index
from ..journal.commit import Commits
from ..media_types.sniffing import HEAD_BYTES
from . import upload_rules as rules
from .lookups import Lookups, refusal
from .reservations import Reservations, quota_check
from .upload_bodies import Body, KnownBody
from .upload_rules import Received, UploadLimits
from .upload_targets import Target

# Free space is checked again after this many bytes, because other uploads use it up too.
_FREE_SPACE_CHECK_BYTES = 64 * 1024 * 1024


class Uploads:
    """Receives files from a principal, or from the holder of an upload URL."""

    def __init__(
        self,
        index: Index,
        store: BlobStore,
        commits: Commits,
        lookups: Lookups,
        slots: UploadSlots,
        reservations: Reservations,
        limits: UploadLimits,
    ) -> None:
        self._index = index
        self._lookups = lookups
        self._slots = slots
        self._reservations = reservations
        self._parts = _Parts(index, store, commits, reservations, limits, lookups.policy)

    def receive(
        self,
        who: Principal | SignedUpload,
        request: UploadRequest,
        body: Body | KnownBody,
        *,
        reservation_id: str | None = None,
        blob: str | None = None,
    ) -> tuple[File, bool]:
        """Receive the body and commit it as the file of its key. Return the file, and whether its key is new.

        Refuses by `upload_rules`: before the first byte, while bytes arrive, and at the commit by the state under the
        lock. Also raises `TooManyUploads`. An upload that fails leaves nothing. Ends the reservation that was made for
        it. `blob` is a new name for the bytes, if the caller has to know it before.
        """
        try:
            return self._receive(who, request, body, reservation_id, blob)
        except BaseException:
            if reservation_id is not None:
                self._reservations.abandon(reservation_id)
            raise

    def _receive(
        self,
        who: Principal | SignedUpload,
        request: UploadRequest,
        body: Body | KnownBody,
        reservation_id: str | None,
        blob: str | None,
    ) -> tuple[File, bool]:
        request, declared, target, intent = self._checked(who, request, body, blob)
        parts, bucket = self._parts, target.bucket
        with (
            nullcontext() if declared.is_here else self._slots.hold(),
            body.opened() as spooled,
            parts.commits.recorded(intent, quota_check(bucket, intent, reservation_id)),
            self._staged(bucket, spooled, reservation_id) as staged,
        ):
            upload = _Upload(parts, who, request, target, intent, staged)
            upload.take(body, is_stored=spooled is not None)
            return upload.finish(body.complete(request), has_size=declared.size is not None)

    def _staged(
        self, bucket: Bucket, spooled: BinaryIO | None, reservation_id: str | None
    ) -> AbstractContextManager[StagedBlob]:
        """Stage the body. Its reservation ends before it leaves the spool, or its bytes would count twice."""
        if reservation_id is not None and bucket.quota is None:  # otherwise the record of the intent has ended it
            self._reservations.end(reservation_id)
        store = self._parts.store
        return store.stage(bucket) if spooled is None else store.adopt(bucket, spooled)

    def reserve(
        self, who: Principal | SignedUpload, request: UploadRequest, body: Body, *, reservation_id: str
    ) -> bool:
        """Reserve space for `body`, which has a length, and return whether it is reserved.

        A gateway that would store the body first asks for this. If nothing is reserved, it has to pass the body on as
        it comes. Raises what `receive` would raise before the first byte.
        """
        _, declared, target, intent = self._checked(who, request, body)
        return self._reservations.reserve(
            reservation_id,
            target.right.uploader,
            target.bucket,
            size=declared.size or 0,
            growth=intent.size,
            free_bytes=self._parts.store.free_bytes(),
        )

    def authorize(self, who: Principal | SignedUpload, request: UploadRequest) -> Target:
        """Return the target of the upload. Refuses a principal that may upload nothing there.

        Raises `InvalidSignedUrl` if the bucket was deleted since the URL was signed.
        """
        if isinstance(who, SignedUpload):
            return self._signed_target(who, request.bucket_name)
        bucket, existing = self._found(who, request)
        right = self._right(who, bucket)
        if request.key is None and not right.create and not self._index.owns_any(bucket.uid, right.owner_id):
            raise refusal(who, Action.CREATE_FILE)
        return Target(bucket, right, existing)

    def check_early(self, request: UploadRequest, declared: DeclaredBody, target: Target) -> UploadRequest:
        """Refuse by the rules that need no bytes. Return `request` with its attributes overridden by its constraints.

        Raises what `upload_rules.bound` and `upload_rules.check_early` raise.
        """
        free_bytes = self._parts.free_bytes(beside=declared.size or declared.least_size)
        request = rules.bound(request)
        rules.check_early(request, declared, target, self._parts.limits, free_bytes)
        return request

    def check_free_space(self, size: int) -> None:
        """Raise `InsufficientStorage` unless there is room for `size` more bytes."""
        rules.check_free_space(self._parts.free_bytes(beside=size), size, self._parts.limits)

    def _checked(
        self, who: Principal | SignedUpload, request: UploadRequest, body: Body, blob: str | None = None
    ) -> tuple[UploadRequest, DeclaredBody, Target, Intent]:
        """Check an upload before its first byte, and return it with its intent. Without a key, that names no blob."""
        target = self.authorize(who, request)
        declared = body.declare()
        request = self.check_early(replace(request, attributes=declared.attributes), declared, target)
        intent = Intent(
            process=self._parts.commits.process,
            kind=IntentKind.WRITE,
            bucket_uid=target.bucket.uid,
            key=request.key,
            size=rules.growth(declared.size or 0, target.existing),
            blob=blob or (None if request.key is None else new_blob_name(request.key)),
            notify=request.constraints.notify,
        )
        return request, declared, target, intent

    def _found(self, principal: Principal, request: UploadRequest) -> tuple[Bucket, File | None]:
        if request.key is None:
            return self._lookups.bucket(principal, request.bucket_name)[0], None
        try:
            return self._lookups.bucket_and_file(principal, request.bucket_name, request.key)
        except InvalidName:
            # A principal that may upload nothing learns that first.
            self._right(principal, self._lookups.bucket(principal, request.bucket_name)[0])
            raise

    def _right(self, principal: Principal, bucket: Bucket) -> UploadRight:
        right = upload_right(principal, bucket, self._lookups.policy)
        if not right.create and right.replace is Replace.NONE:
            raise refusal(principal, Action.CREATE_FILE)
        return right

    def _signed_target(self, grant: SignedUpload, bucket_name: str) -> Target:
        found = self._index.bucket_and_file(check_bucket_name(bucket_name), grant.key)
        if found is None or found[0].uid != grant.bucket_uid:
            raise InvalidSignedUrl(f"The signed URL is not for this bucket {quoted(bucket_name)}; ask for a new one.")
        bucket, existing = found
        return Target(bucket, grant.right, existing)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of the service that every upload uses."""

    index: Index
    store: BlobStore
    commits: Commits
    reservations: Reservations
    limits: UploadLimits
    policy: Policy

    def free_bytes(self, *, beside: int) -> int | None:
        """Return the free space that is not reserved for the spool, for an upload of `beside` bytes."""
        free = self.store.free_bytes()
        return None if free is None else free - self.reservations.awaited_bytes(beside=beside)


class _Upload:
    """An upload in progress. Its bytes pass through `write` or `examine`, and `finish` commits them."""

    def __init__(
        self,
        parts: _Parts,
        who: Principal | SignedUpload,
        request: UploadRequest,
        target: Target,
        intent: Intent,
        staged: StagedBlob,
    ) -> None:
        self._parts = parts
        self._who = who
        self._request = request
        self._target = target
        self._intent = intent
        self._staged = staged
        self._hash = Sha256()
        self._head = b""
        self._free_space_checked_at = 0
        self._size = 0
        self._known: Received | None = None

    def take(self, body: Body | KnownBody, *, is_stored: bool) -> None:
        """Pass the bytes of `body` through `write` or, if they are stored already, through `examine`, unless known."""
        if hasattr(body, "received"):
            self._known = body.received()
            self._size = self._known.size
        else:
            body.send_to(self.examine if is_stored else self.write)

    def write(self, data: bytes) -> int:
        """Stage the next bytes. Raises as `examine` does, and `InsufficientStorage` if the disk fills up."""
        self.examine(data)
        if self._size - self._free_space_checked_at >= _FREE_SPACE_CHECK_BYTES:
            rules.check_free_space(self._parts.free_bytes(beside=self._size), 0, self._parts.limits)
            self._free_space_checked_at = self._size
        return self._staged.write(data)

    def examine(self, data: bytes) -> int:
        """Count and hash the next bytes. Raises `FileTooLarge` or `QuotaExceeded` as soon as there are too many."""
        self._size += len(data)
        rules.check_size(self._request, self._target, self._parts.limits, self._size)
        if len(self._head) < HEAD_BYTES:
            self._head += data[: HEAD_BYTES - len(self._head)]
        self._hash.update(data)
        return len(data)

    def finish(self, request: UploadRequest, *, has_size: bool) -> tuple[File, bool]:
        """Commit the bytes as the file that `request`, complete by now, describes.

        With `has_size`, the intent has already reserved the size. Return the file, and whether its key is new.
        """
        if request is not self._request:  # some of it came with the body
            request = rules.bound(replace(request, key=check_key(request.key or "")))
        received = self._known or Received(self._size, self._hash.hexdigest(), self._head)
        file = rules.describe(request, self._target, received)
        if self._request.key is None or not has_size:
            self._complete_intent(file.key)
            file = rules.inheriting(file, self._target)
        return self._commit(request, replace(file, blob=self._intent.blob or ""))

    def _complete_intent(self, key: str) -> None:
        """Add the key, the blob and the size, known only now, to the intent. Reserves the size."""
        existing = self._parts.index.file(self._target.bucket.uid, key)
        blob = self._intent.blob or new_blob_name(key)
        intent = replace(self._intent, key=key, blob=blob, size=rules.growth(self._size, existing))
        self._parts.commits.update(intent, quota_check(self._target.bucket, intent))
        self._intent, self._target = intent, replace(self._target, existing=existing)

    def _commit(self, request: UploadRequest, file: File) -> tuple[File, bool]:
        """Stage the sidecar before the lock is taken, and decide by the file that is there under the lock."""
        store, bucket = self._parts.store, self._target.bucket
        with (
            store.stage_sidecar(bucket, file, self._staged) as sidecar,
            self._parts.commits.keys([(self._intent, bucket)]) as commit,
        ):
            locked = commit.only
            target = Target(locked.bucket, self._right_in(locked.bucket), locked.current)
            decided = rules.decide(request, target, file, locked.totals, self._parts.limits)
            if decided is locked.current:  # the upload repeats the one that made the file
                return decided, True
            if decided != file:
                sidecar.restage(decided)
            commit.replace(locked, sidecar, self._staged, notify=self._intent.notify)
        return sidecar.file, locked.current is None

    def _right_in(self, bucket: Bucket) -> UploadRight:
        """Return the right by the bucket's grants as they are now; that of a signed URL is its own."""
        if isinstance(self._who, SignedUpload):
            return self._who.right
        return upload_right(self._who, bucket, self._parts.policy)
