"""Searches in a list: they look through the names of files, and read the files that match."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..domain.buckets import Bucket
from ..domain.pages import Listed, Name, Position
from ..domain.text import folded
from ..index import Index
from .listing import MAX_BATCH

# A search of one request looks at no more names than this, which takes about as long as a page of files.
MAX_NAMES = 5_000
_BATCH = 1000


def find(
    index: Index,
    bucket: Bucket,
    *,
    prefix: str,
    text: str,
    position: Position | None,
    limit: int,
    by_creation: bool = False,
) -> Iterator[Listed]:
    """Yield the files whose key begins with `prefix` and whose filename contains `text`, whatever the case.

    They are ordered by key or, `by_creation`, newest first. After MAX_NAMES names the last entry is None. The caller
    takes up to `limit` entries.
    """
    wanted = folded(text)
    position = position or Position(prefix, after=False)
    skip = position.skip
    for _ in range(MAX_NAMES // _BATCH):
        names = _names(index, bucket, prefix, position, by_creation=by_creation)
        found = [name for name in names if name.key.startswith(prefix) and wanted in folded(name.filename)]
        yield from _files(index, bucket, found[skip:], batch=min(limit, MAX_BATCH), by_creation=by_creation)
        skip = max(0, skip - len(found))
        if len(names) < _BATCH:
            return
        position = _after(names[-1], by_creation=by_creation)
    yield Listed(None, replace(position, skip=skip))


def _names(index: Index, bucket: Bucket, prefix: str, position: Position, *, by_creation: bool) -> list[Name]:
    if by_creation:
        # Not by prefix: the database might pass over any number of files to find a few.
        before = None if position.created_at is None else (position.created_at, position.key)
        return index.names_by_creation(bucket.uid, before=before, limit=_BATCH)
    return index.names_by_key(bucket.uid, prefix=prefix, start=position.key, after=position.after, limit=_BATCH)


def _files(index: Index, bucket: Bucket, names: Sequence[Name], *, batch: int, by_creation: bool) -> Iterator[Listed]:
    """Yield the files of `names`, without those that were deleted since."""
    for start in range(0, len(names), batch):
        wanted = names[start : start + batch]
        files = index.files(bucket.uid, [name.key for name in wanted])
        for name in wanted:
            if name.key in files:
                yield Listed(files[name.key], _after(name, by_creation=by_creation))


def _after(name: Name, *, by_creation: bool) -> Position:
    return Position(name.key, created_at=name.created_at if by_creation else None)
