"""Copies of stored files. A copy is a write whose bytes are in the store already."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from ..auth.permissions import Action, upload_right
from ..blobstore import BlobStore, StagedBlob, new_blob_name
from ..domain.buckets import Bucket
from ..domain.copies import CopyRequest
from ..domain.files import File
from ..domain.intents import Intent, IntentKind
from ..domain.principals import Principal
from ..domain.text import quoted
from ..domain.times import now
from ..domain.uploads import DeclaredBody, UploadRequest
from ..errors import DamagedFile, FileNotFound, PreconditionFailed
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


class Copies:
    """Copies files for a principal."""

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
        try:
            return self._copy(principal, request)
        except FileNotFoundError:
            pass  # the source was replaced, and its bytes collected, after it was looked up
        try:
            return self._copy(principal, request)
        except FileNotFoundError as error:
            key = quoted(request.source.key)
            raise DamagedFile(f"The bytes of file {key} are missing; ask the operator.") from error

    def _copy(self, principal: Principal, request: CopyRequest) -> tuple[File, bool]:
        copying = self._checked(principal, request)
        bucket, file = copying.target.bucket, copying.file
        intent = Intent(
            process=self._commits.process,
            kind=IntentKind.WRITE,
            bucket_uid=bucket.uid,
            key=file.key,
            blob=file.blob,
            size=rules.growth(file.size, copying.target.existing),
        )
        with (
            self._commits.recorded(intent, quota_check(bucket, intent)),
            self._staged(copying) as staged,
            self._store.stage_sidecar(bucket, file, staged) as sidecar,
            self._commits.keys([(intent, bucket)]) as commit,
        ):
            locked = commit.only
            right = upload_right(principal, locked.bucket, self._lookups.policy)
            target = Target(locked.bucket, right, locked.current)
            decided = rules.decide(copying.upload, target, file, locked.totals, self._limits)
            if decided != file:
                sidecar.restage(decided)
            commit.replace(locked, sidecar, staged)
        return sidecar.file, locked.current is None

    def _checked(self, principal: Principal, request: CopyRequest) -> "_Copying":
        """Check a copy by all rules that need no lock, and return what it is about to do."""
        wanted = request.source
        bucket, source = self._lookups.bucket_and_file(principal, wanted.bucket_name, wanted.key)
        if not self._lookups.allowed(principal, Action.READ_FILE, bucket, source):
            raise refusal(principal, Action.READ_FILE)
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
        if request.source_etag not in (None, source.etag):
            raise PreconditionFailed("source_etag does not hold: the source is another version now; ask for it again.")
        self._uploads.check_early(upload, DeclaredBody(size=source.size, is_stored=True), target)
        file = self._described(bucket, source, request, target)
        return _Copying(bucket, source, upload, target, file)

    def _described(self, bucket: Bucket, source: File, request: CopyRequest, target: Target) -> File:
        """Return the file that the copy of `source`, which is in `bucket`, becomes."""
        key, written = request.destination.key, now()
        copied = replace(
            source,
            bucket_uid=target.bucket.uid,
            key=key,
            blob=new_blob_name(key),
            filename=_following_filename(source, key),
            created_at=written,
            updated_at=written,
        )
        file = edited(copied, request.changes, target.bucket, partial(head_of, self._store, bucket, source))
        rules.check_accepted(target.bucket, file.content_type)
        return rules.inheriting(file, target)

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
    """A copy that was checked: of `source`, which is in `source_bucket`, to `file` in the bucket of `target`."""

    source_bucket: Bucket
    source: File
    upload: UploadRequest
    target: Target
    file: File


def _following_filename(source: File, key: str) -> str:
    """Return the filename of a copy at `key`: a filename that comes from the key follows it, and any other stays."""
    if source.filename == source.key:
        return key
    if source.filename == source.key.rpartition("/")[2]:
        return key.rpartition("/")[2]
    return source.filename
