"""Operations on buckets: create, show, list, change and delete."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from ..auth.permissions import Action, BucketFilter, allowed, visible_buckets
from ..blobstore import BlobStore
from ..domain.buckets import Bucket, Totals, check_bucket_name, new_uid
from ..domain.intents import Intent, IntentKind
from ..domain.pages import Position
from ..domain.principals import Principal, PrincipalKind
from ..domain.text import counted, quoted
from ..domain.times import following, now
from ..errors import BucketExists, BucketNotEmpty, BucketNotFound, Forbidden, InsufficientStorage
from ..host.ballast import Ballast
from ..index import Index
from ..journal.commit import BucketCommit, Commits
from .lookups import Lookups, refusal

# The most rows of one query. The grants of a bucket may take 300 KB, so a page of them ends after few rows.
_MAX_BATCH = 16


class Buckets:
    """Creates, shows, lists, changes and deletes buckets for a principal."""

    def __init__(self, index: Index, store: BlobStore, commits: Commits, lookups: Lookups, ballast: Ballast) -> None:
        self._index = index
        self._store = store
        self._commits = commits
        self._lookups = lookups
        self._ballast = ballast

    def authorize_create(self, principal: Principal) -> str:
        """Return the id of the owner of a bucket that `principal` creates. Raises unless it may create one."""
        if not allowed(principal, Action.CREATE_BUCKET) or principal.sub is None:
            raise refusal(principal, Action.CREATE_BUCKET)
        return principal.sub

    def create(
        self, principal: Principal, name: str, settings: Mapping[str, Any], *, owner_id: str | None = None
    ) -> tuple[Bucket, Totals]:
        """Create a bucket that `principal` owns. `settings` are fields of `Bucket`.

        The service may name another owner. Raises `InvalidName`, and `BucketExists` if the name is taken.
        """
        own_id = self.authorize_create(principal)
        if owner_id not in (None, own_id) and principal.kind is not PrincipalKind.SERVICE:
            raise Forbidden("Only the service may create a bucket for another user; leave 'owner_id' out.")
        created = now()
        bucket = Bucket(new_uid(), check_bucket_name(name), owner_id or own_id, created, created, **settings)
        with self._commit(bucket) as commit:
            if commit.current is not None:
                raise BucketExists(f"There is a bucket {quoted(name)} already; choose another name.")
            commit.create(bucket)
        return bucket, Totals(0, 0)

    def get(self, principal: Principal, name: str) -> tuple[Bucket, Totals]:
        return self._lookups.bucket(principal, name, Action.SEE_BUCKET)

    def list_by_name(
        self, principal: Principal, *, position: Position | None, limit: int
    ) -> Iterator[tuple[Bucket, Totals]]:
        """Return up to `limit` of the buckets that `principal` may see, ordered by name, from `position` on.

        Reads rows as they are taken.
        """
        if not allowed(principal, Action.LIST_BUCKETS):
            raise refusal(principal, Action.LIST_BUCKETS)
        return self._visible(visible_buckets(principal, self._lookups.policy), position or Position(""), limit)

    def authorize_change(self, principal: Principal, name: str) -> Bucket:
        """Return the bucket. Raises unless `principal` may change it."""
        return self._lookups.bucket(principal, name, Action.CHANGE_BUCKET)[0]

    def change(self, principal: Principal, name: str, settings: Mapping[str, Any]) -> tuple[Bucket, Totals]:
        """Replace the given settings, which are fields of `Bucket`, and keep the others."""
        bucket = self.authorize_change(principal, name)
        with self._commit(bucket) as commit:
            current, totals = self._checked(principal, bucket, commit.current)
            changed = replace(current, **settings, updated_at=following(now(), current.updated_at))
            commit.replace(changed)
        return changed, totals

    def delete(self, principal: Principal, name: str, *, force: bool) -> None:
        """Delete the bucket, even on a full disk. Raises `BucketNotEmpty` if it holds files, unless `force` is set."""
        try:
            self._delete(principal, name, force=force)
        except InsufficientStorage:
            self._ballast.give_up()
            with suppress(BucketNotFound):  # the first try may have deleted it, and failed only in the index
                self._delete(principal, name, force=force)

    def _delete(self, principal: Principal, name: str, *, force: bool) -> None:
        bucket = self.authorize_change(principal, name)
        with self._commit(bucket) as commit:
            current, totals = self._checked(principal, bucket, commit.current)
            # Ask the store too, because the index may not know every file yet, or may have lost rows.
            if not force and (totals.file_count or self._store.has_files(current)):
                held = counted(totals.file_count, "file") if totals.file_count else "files"
                raise BucketNotEmpty(
                    f"Bucket {quoted(name)} holds {held}; pass force=true to delete the bucket with all it holds, or "
                    "empty it first."
                )
            commit.delete(current)

    def may_change(self, principal: Principal, bucket: Bucket) -> bool:
        """Return whether `principal` may change `bucket`, and so may see the settings that are hidden from others."""
        return allowed(principal, Action.CHANGE_BUCKET, bucket)

    def _visible(self, visible: BucketFilter, position: Position, limit: int) -> Iterator[tuple[Bucket, Totals]]:
        while limit > 0:
            batch = min(limit, _MAX_BATCH)
            found = self._index.buckets(visible, after=position.key, limit=batch, skip=position.skip)
            yield from found
            position = Position(found[-1][0].name if found else "")
            limit = limit - batch if len(found) == batch else 0

    @contextmanager
    def _commit(self, bucket: Bucket) -> Iterator[BucketCommit]:
        """Record the intent to change `bucket`, and commit what the body of `with` decides."""
        intent = Intent(self._commits.process, IntentKind.BUCKET, bucket.uid, bucket.name)
        with self._commits.recorded(intent), self._commits.bucket(intent, bucket) as commit:
            yield commit

    def _checked(
        self, principal: Principal, bucket: Bucket, found: tuple[Bucket, Totals] | None
    ) -> tuple[Bucket, Totals]:
        """Return the bucket `found` under the lock. Raises unless it is `bucket`, and `principal` may change it."""
        if found is None or found[0].uid != bucket.uid:
            raise BucketNotFound(bucket.name)
        if not allowed(principal, Action.CHANGE_BUCKET, found[0]):
            raise refusal(principal, Action.CHANGE_BUCKET)
        return found
