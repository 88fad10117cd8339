"""Copies and moves of stored files. A copy is a write whose bytes are in the store already."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from ..auth.permissions import Action, upload_right
from ..blobstore import BlobStore, StagedBlob, StagedSidecar, new_blob_name
from ..domain.buckets import Bucket
from ..domain.copies import CopyRequest
from ..domain.files import File
from ..domain.intents import Intent, IntentKind
from ..domain.principals import Principal
from ..domain.text import quoted
from ..domain.times import now
from ..domain.uploads import DeclaredBody, UploadRequest
from ..errors import DamagedFile, FileNotFound, PreconditionFailed, Unavailable
from ..journal.attempt import LockedKey
from ..journal.commit import Commits
from . import upload_rules as rules
from .edits import edited, head_of
from .lookups import Lookups, refusal
from .reservations import quota_check
from .upload_rules import UploadLimits
from .upload_targets import Target, check_right
from .uploads import Uploads

# Bytes that must be copied are copied in pieces. Before each, the free space is checked, because others use it up too.
_PIECE_BYTES = 64 * 1024 * 1024
_TRIES = 3


class _ReplacedError(Exception):
    """The source of a move was replaced after it was looked up, so other bytes must be staged."""


class Copies:
    """Copies and moves files for a principal."""

    def __init__(
        self, store: BlobStore, commits: Commits, lookups: Lookups, uploads: Uploads, limits: UploadLimits
    ) -> None:
        self._store = store
        self._commits = commits
        self._lookups = lookups
        self._uploads = uploads
        self._limits = limits

    def copy(self, principal: Principal, request: CopyRequest) -> tuple[File, bool]:
        """Copy a file. Return the copy, and whether its key is new.

        The source is not locked: the copy is of the version that is looked up first. `principal` needs the right to
        read it, and the destination is judged as an upload is, by `upload_rules`, at once and at the commit. Raises
        `FileNotFound` after all rights are checked, and `PreconditionFailed` if the source has another `source_etag`.
        A copy that fails leaves nothing.
        """
        return _with_current_bytes(request, partial(self._copy, principal, request))

    def move(self, principal: Principal, request: CopyRequest) -> tuple[File, bool]:
        """Move a file, in one commit. Return the moved file, and whether its key is new.

        `principal` needs the right to delete the source, and is judged by what is there at the commit. A file that
        stays in its bucket keeps its owner and its creation time, and adds nothing to the bucket. Raises as `copy`.
        """
        return _with_current_bytes(request, partial(self._move, principal, request))

    def _copy(self, principal: Principal, request: CopyRequest) -> tuple[File, bool]:
        copying = self._checked(principal, request, Action.READ_FILE)
        bucket, file = copying.target.bucket, copying.file
        intent = self._intent(IntentKind.WRITE, copying)
        with (
            self._commits.recorded(intent, quota_check(bucket, intent)),
            self._staged(copying) as staged,
            self._store.stage_sidecar(bucket, file, staged) as sidecar,
            self._commits.keys([(intent, bucket)]) as commit,
        ):
            self._decide(principal, copying, commit.only, sidecar)
            commit.replace(commit.only, sidecar, staged)
        return sidecar.file, commit.only.current is None

    def _move(self, principal: Principal, request: CopyRequest) -> tuple[File, bool]:
        copying = self._checked(principal, request, Action.CHANGE_FILE)
        bucket, moved = copying.target.bucket, copying.source
        intent = replace(
            self._intent(IntentKind.MOVE, copying),
            source_uid=moved.bucket_uid,
            source_key=moved.key,
            source_blob=moved.blob,
        )
        with (
            self._commits.recorded(intent, quota_check(bucket, intent)),
            self._staged(copying) as staged,
            self._store.stage_sidecar(bucket, copying.file, staged) as sidecar,
            self._commits.move(intent, bucket, copying.source_bucket) as commit,
        ):
            target, source = commit.keys
            copying = self._with_current_source(principal, request, copying, source)
            self._decide(principal, copying, target, sidecar)
            commit.move(source, target, sidecar, staged)
        return sidecar.file, target.current is None

    def _with_current_source(
        self, principal: Principal, request: CopyRequest, copying: "_Copying", source: LockedKey
    ) -> "_Copying":
        """Return the move of the source as it is under its lock. Raises `_ReplacedError` if it has other bytes now."""
        current = self._lookups.check_file(principal, source.bucket, source.key, source.current, Action.CHANGE_FILE)
        _check_etag(request, current)
        if current == copying.source:
            return copying
        if current.blob != copying.source.blob:
            raise _ReplacedError
        described = self._described(source.bucket, current, request, copying.target)
        return replace(copying, source=current, file=replace(described, blob=copying.file.blob))

    def _decide(self, principal: Principal, copying: "_Copying", locked: LockedKey, sidecar: StagedSidecar) -> None:
        """Judge the copy by what is at its destination now. Stage `sidecar` again if that changes the file."""
        right = upload_right(principal, locked.bucket, self._lookups.policy)
        target = _target(Target(locked.bucket, right, locked.current), kept=copying.kept)
        decided = rules.decide(copying.upload, target, copying.file, locked.totals, self._limits)
        decided = _keeping(decided, copying.source, target, kept=copying.kept)
        if decided != sidecar.file:
            sidecar.restage(decided)

    def _checked(self, principal: Principal, request: CopyRequest, action: Action) -> "_Copying":
        """Check a copy by all rules that need no lock, and return what it is about to do. `action` is on the source."""
        wanted = request.source
        bucket, source = self._lookups.bucket_and_file(principal, wanted.bucket_name, wanted.key)
        if not self._lookups.allowed(principal, action, bucket, source):
            raise refusal(principal, action)
        upload = UploadRequest(
            request.destination.bucket_name,
            key=request.destination.key,
            overwrite=request.overwrite,
            conditions=request.conditions,
        )
        target = self._uploads.authorize(principal, upload)
        check_right(request.destination.key, target)
        if source is None:
            raise FileNotFound(bucket.name, wanted.key)
        _check_etag(request, source)
        kept = action is Action.CHANGE_FILE and bucket.uid == target.bucket.uid
        target = _target(target, kept=kept)
        self._uploads.check_early(upload, DeclaredBody(size=source.size, is_stored=True), target)
        file = _keeping(self._described(bucket, source, request, target), source, target, kept=kept)
        return _Copying(bucket, source, upload, target, file, kept)

    def _described(self, bucket: Bucket, source: File, request: CopyRequest, target: Target) -> File:
        """Return the file that the copy of `source`, which is in `bucket`, becomes."""
        key, written = request.destination.key, now()
        copied = replace(
            source,
            bucket_uid=target.bucket.uid,
            key=key,
            blob=new_blob_name(key),
            filename=following_filename(source, key),
            created_at=written,
            updated_at=written,
        )
        file = edited(copied, request.changes, target.bucket, partial(head_of, self._store, bucket, source))
        rules.check_accepted(target.bucket, file.content_type)
        return rules.inheriting(file, target)

    def _intent(self, kind: IntentKind, copying: "_Copying") -> Intent:
        file = copying.file
        size = 0 if copying.kept else rules.growth(file.size, copying.target.existing)
        return Intent(self._commits.process, kind, file.bucket_uid, file.key, file.blob, size)

    @contextmanager
    def _staged(self, copying: "_Copying") -> Iterator[StagedBlob]:
        """Stage the bytes of the source. Raises `FileNotFoundError` if they are missing."""
        bucket = copying.target.bucket
        shared = self._store.share(bucket, copying.source_bucket, copying.source.blob)
        with shared or self._store.stage(bucket) as staged:
            if shared is None:
                self._append(copying, staged)
            yield staged

    def _append(self, copying: "_Copying", staged: StagedBlob) -> None:
        """Copy the bytes of the source. Raises `InsufficientStorage`, and `DamagedFile` if there are too few."""
        source, appended = copying.source, 0
        with self._store.open(copying.source_bucket, source.blob) as opened:
            while appended < source.size:
                size = min(source.size - appended, _PIECE_BYTES)
                self._uploads.check_free_space(size)
                piece = staged.append(opened, size)
                if piece == 0:
                    raise DamagedFile(f"Bytes of file {quoted(source.key)} are missing; ask the operator.")
                appended += piece


@dataclass(frozen=True, slots=True)
class _Copying:
    """A copy that was checked: of `source`, which is in `source_bucket`, to `file` in the bucket of `target`.

    `kept` is True for a move within one bucket.
    """

    source_bucket: Bucket
    source: File
    upload: UploadRequest
    target: Target
    file: File
    kept: bool


def _with_current_bytes(request: CopyRequest, action: Callable[[], tuple[File, bool]]) -> tuple[File, bool]:
    """Return `action()`. Call it again if the source was replaced, or its bytes collected, after it was looked up."""
    failure: Exception | None = None
    for _ in range(_TRIES):
        try:
            return action()
        except (_ReplacedError, FileNotFoundError) as error:
            failure = error
    if isinstance(failure, _ReplacedError):
        raise Unavailable("The file was replaced while it was moved; try again.") from failure
    raise DamagedFile(f"The bytes of file {quoted(request.source.key)} are missing; ask the operator.") from failure


def _check_etag(request: CopyRequest, source: File) -> None:
    if request.source_etag not in (None, source.etag):
        raise PreconditionFailed("source_etag does not hold: the source is another version now; ask for it again.")


def _target(target: Target, *, kept: bool) -> Target:
    """Return the target by whose limits a copy is judged. A move within a bucket adds nothing to its quota."""
    return replace(target, bucket=replace(target.bucket, quota=None)) if kept else target


def _keeping(file: File, source: File, target: Target, *, kept: bool) -> File:
    """Return `file` with owner and creation time of `source`, if it stays in its bucket and replaces no other."""
    if not kept or target.existing is not None:
        return file
    return replace(file, owner_id=source.owner_id, created_at=source.created_at)


def following_filename(source: File, key: str) -> str:
    """Return the filename of a copy at `key`: a filename that comes from the key follows it, and any other stays."""
    if source.filename == source.key:
        return key
    if source.filename == source.key.rpartition("/")[2]:
        return key.rpartition("/")[2]
    return source.filename
