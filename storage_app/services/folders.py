"""Copies and moves of all files whose keys begin with a prefix, one by one."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from ..auth.permissions import Action
from ..domain.buckets import Bucket
from ..domain.copies import CopyRequest, Place
from ..domain.files import File
from ..domain.principals import Principal
from ..errors import Conflict, DamagedFile, StorageError
from ..index import Index
from .bulk import Bulk, BulkResult, Progress
from .copies import Copies, following_filename
from .lookups import Lookups

# Each file has a commit of its own, so the time is looked at after a few.
_BATCH = 10

_AMONG_THE_SOURCES = "It would become one of the files to take; move those that begin with its new key first."

# Copies or moves one file, as the request says that names its key.
_Act = Callable[[File, CopyRequest], object]


class Folders:
    """Copies and moves many files for a principal. Each is copied or moved whole, or is among the failed.

    In the requests, the keys of `source` and `destination` are prefixes: the second takes the place of the first.
    """

    def __init__(self, index: Index, lookups: Lookups, copies: Copies, bulk: Bulk) -> None:
        self._index = index
        self._lookups = lookups
        self._copies = copies
        self._bulk = bulk

    def copy(self, principal: Principal, request: CopyRequest, *, progress: Progress = lambda _: None) -> BulkResult:
        """Copy the files whose keys begin with the prefix. A file that has been copied already is done.

        `principal` must be allowed to list them. Raises as `Lookups.bucket` and `Bulk.run` do.
        """
        target, _ = self._lookups.bucket(principal, request.destination.bucket_name)

        def act(file: File, asked: CopyRequest) -> None:
            if not self._is_copied(file, target, asked.destination.key):
                self._copies.copy(principal, asked)

        return self._run(principal, request, act, progress)

    def move(self, principal: Principal, request: CopyRequest, *, progress: Progress = lambda _: None) -> BulkResult:
        """Move the files whose keys begin with the prefix. Raises as `copy`."""
        self._lookups.bucket(principal, request.destination.bucket_name)
        return self._run(principal, request, lambda _, asked: self._copies.move(principal, asked), progress)

    def _run(self, principal: Principal, request: CopyRequest, act: _Act, progress: Progress) -> BulkResult:
        bucket, _ = self._lookups.bucket(principal, request.source.bucket_name, Action.SEE_BUCKET)
        prefix, last = request.source.key, ""
        is_within = request.destination.bucket_name == bucket.name

        def take(limit: int) -> Sequence[File]:
            nonlocal last
            limit = min(limit, _BATCH)
            files = self._index.files_by_key(bucket.uid, prefix=prefix, start=last, after=True, limit=limit)
            last = files[-1].key if files else last
            return files

        def work(files: Sequence[File], result: BulkResult) -> None:
            for file in files:
                asked = _of_file(request, file)
                if is_within and asked.destination.key.startswith(prefix):
                    result.fail(file.key, Conflict(_AMONG_THE_SOURCES))  # it would be taken again
                else:
                    _count(file, partial(act, file, asked), result)

        return self._bulk.run(take, work, progress=progress)

    def _is_copied(self, file: File, target: Bucket, key: str) -> bool:
        """Return whether the file at `key` is a copy of `file`, so that a copy that is asked for again goes on."""
        there = self._index.file(target.uid, key)
        names = ("size", "sha256", "content_type", "metadata", "cache_control")
        copied = {"filename": following_filename(file, key), **{name: getattr(file, name) for name in names}}
        return there is not None and all(getattr(there, name) == value for name, value in copied.items())


def _of_file(request: CopyRequest, file: File) -> CopyRequest:
    """Return the request for one of the files."""
    key = request.destination.key + file.key.removeprefix(request.source.key)
    source = Place(request.source.bucket_name, file.key)
    return replace(request, source=source, destination=Place(request.destination.bucket_name, key))


def _count(file: File, act: Callable[[], object], result: BulkResult) -> None:
    """Call `act`, and count `file` as done, or as failed if it is refused. Raises errors that are no refusals."""
    try:
        act()
    except StorageError as error:
        if error.status >= 500 and not isinstance(error, DamagedFile):
            raise
        result.fail(file.key, error)
    else:
        result.done += 1
