"""The deletion of many files at once, by their keys or by a prefix of them."""

import time
from collections.abc import Iterable, Sequence
from functools import partial

from ..auth.permissions import Action
from ..domain.buckets import Bucket
from ..domain.files import File
from ..domain.intents import Intent, IntentKind
from ..domain.principals import Principal
from ..errors import DamagedFile
from ..host.ballast import Ballast
from ..index import Index
from ..journal.attempt import LockedKey
from ..journal.commit import Commits
from .bulk import Bulk, BulkResult, Progress
from .lookups import Lookups, refusal

# A key, and its file according to the index.
Found = tuple[str, File | None]


class Deletions:
    """Deletes many files of a bucket for a principal."""

    def __init__(self, index: Index, commits: Commits, lookups: Lookups, ballast: Ballast, bulk: Bulk) -> None:
        self._index = index
        self._commits = commits
        self._lookups = lookups
        self._ballast = ballast
        self._bulk = bulk

    def authorize(self, principal: Principal, bucket_name: str) -> Bucket:
        """Return the bucket. Raises as `Lookups.bucket` does. The files are judged one by one."""
        return self._lookups.bucket(principal, bucket_name)[0]

    def by_keys(self, principal: Principal, bucket_name: str, keys: Iterable[str]) -> BulkResult:
        """Delete the files of `keys`, in their order. A key without a file counts as deleted, as in S3.

        A file that `principal` may not change is one of the failed. Raises as `authorize` and `Bulk.run` do.
        """
        bucket = self.authorize(principal, bucket_name)
        left = sorted(set(keys), reverse=True)

        def take(limit: int) -> list[Found]:
            batch = [left.pop() for _ in range(min(limit, len(left)))]
            files = self._index.files(bucket.uid, batch)
            return [(key, files.get(key)) for key in batch]

        return self._bulk.run(take, partial(self._delete_batch, principal, bucket))

    def by_prefix(
        self, principal: Principal, bucket_name: str, prefix: str, *, progress: Progress = lambda _: None
    ) -> BulkResult:
        """Delete the files whose keys begin with `prefix`, in the order of their keys. Otherwise like `by_keys`.

        `principal` must be allowed to list them, because the failed are named.
        """
        bucket, _ = self._lookups.bucket(principal, bucket_name, Action.SEE_BUCKET)
        last = ""

        def take(limit: int) -> list[Found]:
            nonlocal last
            files = self._index.files_by_key(bucket.uid, prefix=prefix, start=last, after=True, limit=limit)
            last = files[-1].key if files else last
            return [(file.key, file) for file in files]

        return self._bulk.run(take, partial(self._delete_batch, principal, bucket), progress=progress)

    def _delete_batch(self, principal: Principal, bucket: Bucket, batch: Sequence[Found], result: BulkResult) -> None:
        files = []
        for key, file in batch:
            if not self._lookups.allowed(principal, Action.CHANGE_FILE, bucket, file):
                result.fail(key, refusal(principal, Action.CHANGE_FILE))
            elif file is None:
                result.done += 1
            else:
                files.append(file)
        if files:
            self._delete_files(principal, bucket, files, result)

    def _delete_files(self, principal: Principal, bucket: Bucket, files: Sequence[File], result: BulkResult) -> None:
        """Delete `files` in one commit or, if a sidecar among them cannot be read, each in its own."""
        try:
            refused = self._ballast.spend_on(partial(self._commit, principal, bucket, files, result))
        except DamagedFile as error:
            if len(files) == 1:
                result.fail(files[0].key, error)
                return
            for file in files:
                self._delete_files(principal, bucket, [file], result)
        else:
            for key in refused:
                result.fail(key, refusal(principal, Action.CHANGE_FILE))
            result.done += len(files) - len(refused)

    def _commit(self, principal: Principal, bucket: Bucket, files: Sequence[File], result: BulkResult) -> list[str]:
        """Delete `files` that are still there. Return the keys of those that `principal` may not change any more."""
        intents = [Intent(self._commits.process, IntentKind.DELETE, bucket.uid, file.key, file.blob) for file in files]
        with (
            self._commits.recorded_all(intents),
            self._commits.keys([(intent, bucket) for intent in intents]) as commit,
        ):
            there = [locked for locked in commit.keys if locked.current is not None]
            allowed = [locked for locked in there if self._may_change(principal, locked)]
            commit.delete_all(bucket, allowed)
            result.fit_batch(time.monotonic() - commit.locked_at)
        kept = {locked.key for locked in there} - {locked.key for locked in allowed}
        return sorted(kept)

    def _may_change(self, principal: Principal, locked: LockedKey) -> bool:
        return self._lookups.allowed(principal, Action.CHANGE_FILE, locked.bucket, locked.current)
