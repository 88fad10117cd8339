"""Operations on stored files: read, list, edit and delete."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, BinaryIO

from ..auth.permissions import Action
from ..auth.signed_urls import SignedDownload
from ..blobstore import BlobStore, NginxPath
from ..domain.buckets import Bucket, check_bucket_name
from ..domain.files import File, WriteConditions
from ..domain.intents import Intent, IntentKind
from ..domain.pages import Listing, Position
from ..domain.principals import Principal
from ..domain.text import quoted
from ..domain.times import following, now
from ..errors import FileNotFound, InsufficientStorage, InvalidSignedUrl
from ..host.ballast import Ballast
from ..index import Index
from ..journal.attempt import LockedKey
from ..journal.commit import Commits
from .edits import edited, head_of
from .listing import list_by_creation, list_by_key
from .lookups import Lookups
from .search import find


class Files:
    """Reads, lists, edits and deletes files for a principal."""

    def __init__(self, index: Index, store: BlobStore, commits: Commits, lookups: Lookups, ballast: Ballast) -> None:
        self._index = index
        self._store = store
        self._commits = commits
        self._lookups = lookups
        self._ballast = ballast

    def get(self, principal: Principal, bucket_name: str, key: str) -> tuple[Bucket, File]:
        return self._lookups.file(principal, bucket_name, key, Action.READ_FILE)

    def get_signed(self, grant: SignedDownload, bucket_name: str) -> tuple[Bucket, File]:
        """Return the file of a download URL.

        Raises `InvalidSignedUrl` if the bucket was deleted since the URL was signed, and `FileNotFound`.
        """
        found = self._index.bucket_and_file(check_bucket_name(bucket_name), grant.key)
        if found is None or found[0].uid != grant.bucket_uid:
            raise InvalidSignedUrl(f"The signed URL is not for this bucket {quoted(bucket_name)}; ask for a new one.")
        bucket, file = found
        if file is None:
            raise FileNotFound(bucket_name, grant.key)
        return bucket, file

    def open(self, bucket: Bucket, file: File) -> BinaryIO:
        """Open the bytes of `file`. The caller closes them. Raises `FileNotFoundError` if they are missing."""
        return self._store.open(bucket, file.blob)

    def locate(self, bucket: Bucket, file: File) -> NginxPath | None:
        """Return where the bytes can be fetched without this process, or None."""
        return self._store.locate(bucket, file.blob)

    def list_by_key(
        self,
        principal: Principal,
        bucket_name: str,
        *,
        position: Position | None,
        limit: int,
        prefix: str = "",
        delimiter: str | None = None,
        search: str = "",
    ) -> Listing:
        """Return up to `limit` of the bucket's files and folders, ordered by key. Reads rows as they are taken.

        A `search` has no folders.
        """
        bucket, totals = self._lookups.bucket(principal, bucket_name, Action.SEE_BUCKET)
        place: Any = {"prefix": prefix, "position": position, "limit": limit}
        if search:
            return Listing(find(self._index, bucket, text=search, **place), None)
        listed = list_by_key(self._index, bucket, delimiter=delimiter, **place)
        return Listing(listed, None if prefix or delimiter else totals.file_count)

    def list_by_creation(
        self,
        principal: Principal,
        bucket_name: str,
        *,
        position: Position | None,
        limit: int,
        prefix: str = "",
        search: str = "",
    ) -> Listing:
        """Return up to `limit` of the bucket's files, newest first. Reads rows as they are taken."""
        bucket, totals = self._lookups.bucket(principal, bucket_name, Action.SEE_BUCKET)
        if prefix or search:
            found = find(
                self._index, bucket, prefix=prefix, text=search, position=position, limit=limit, by_creation=True
            )
            return Listing(found, None)
        return Listing(list_by_creation(self._index, bucket, position=position, limit=limit), totals.file_count)

    def authorize_change(self, principal: Principal, bucket_name: str, key: str) -> tuple[Bucket, File]:
        """Return the file with its bucket. Raises unless `principal` may edit and delete the file."""
        return self._lookups.file(principal, bucket_name, key, Action.CHANGE_FILE)

    def edit(
        self,
        principal: Principal,
        bucket_name: str,
        key: str,
        *,
        changes: Mapping[str, Any],
        conditions: WriteConditions,
    ) -> tuple[Bucket, File]:
        """Change the attributes in `changes`: `metadata`, `content_type`, `filename` (None = the key), `cache_control`.

        Raises `PreconditionFailed` unless `conditions` hold at the commit.
        """
        bucket, file = self.authorize_change(principal, bucket_name, key)
        edited = self._edited(bucket, file, changes)
        intent = Intent(self._commits.process, IntentKind.WRITE, bucket.uid, key)
        with (
            self._commits.recorded(intent),
            self._store.stage_sidecar(bucket, edited) as sidecar,
            self._commits.keys([(intent, bucket)]) as commit,
        ):
            current = self._current(commit.only, principal)
            conditions.check(current)
            if current != file:
                sidecar.restage(self._edited(bucket, current, changes))
            commit.replace(commit.only, sidecar)
        return bucket, sidecar.file

    def delete(self, principal: Principal, bucket_name: str, key: str, *, conditions: WriteConditions) -> None:
        """Delete the file, even on a full disk. Raises `PreconditionFailed` unless `conditions` hold at the commit."""
        try:
            self._delete(principal, bucket_name, key, conditions)
        except InsufficientStorage:
            self._ballast.give_up()
            with suppress(FileNotFound):  # the first try may have deleted it, and failed only in the index
                self._delete(principal, bucket_name, key, conditions)

    def _delete(self, principal: Principal, bucket_name: str, key: str, conditions: WriteConditions) -> None:
        bucket, file = self.authorize_change(principal, bucket_name, key)
        intent = Intent(self._commits.process, IntentKind.DELETE, bucket.uid, key, file.blob)
        with self._commits.recorded(intent), self._commits.keys([(intent, bucket)]) as commit:
            conditions.check(self._current(commit.only, principal))
            commit.delete(commit.only)

    def _current(self, locked: LockedKey, principal: Principal) -> File:
        """Return the file as it is under the lock. Raises unless it exists and `principal` may still change it."""
        return self._lookups.check_file(principal, locked.bucket, locked.key, locked.current, Action.CHANGE_FILE)

    def _edited(self, bucket: Bucket, file: File, changes: Mapping[str, Any]) -> File:
        changed = edited(file, changes, bucket, partial(head_of, self._store, bucket, file))
        return replace(changed, updated_at=following(now(), file.updated_at))
