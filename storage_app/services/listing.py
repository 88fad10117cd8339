"""Lists of a bucket's files, with folders if the client gives a delimiter. Rows are read as the caller takes them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..domain.buckets import Bucket
from ..domain.files import Folder
from ..domain.pages import Listed, Position
from ..index import Index
from ..index.page_queries import successor
from ..index.rows import to_microseconds

# The most rows of one query. A file may have 16 KiB of metadata, so a page of them ends after 64 rows.
MAX_BATCH = 100
# The most entries that one request skips where each costs a look-up in the index, as with folders.
MAX_SKIPPED = 1000


def list_by_creation(index: Index, bucket: Bucket, *, position: Position | None, limit: int) -> Iterator[Listed]:
    """Yield up to `limit` files, newest first."""
    before = None if position is None or position.created_at is None else (position.created_at, position.key)
    if position is not None and position.skip:
        before = index.creation_after(bucket.uid, before=before, skip=position.skip)
        if before is None:
            return
    while limit > 0:
        batch = min(limit, MAX_BATCH)
        files = index.files_by_creation(bucket.uid, before=before, limit=batch)
        for file in files:
            before = to_microseconds(file.created_at), file.key
            yield Listed(file, Position(file.key, created_at=before[0]))
        limit = limit - batch if len(files) == batch else 0


def list_by_key(
    index: Index, bucket: Bucket, *, prefix: str, delimiter: str | None, position: Position | None, limit: int
) -> Iterator[Listed]:
    """Yield up to `limit` files, ordered by key. Keys that share the part up to a `delimiter` make one folder.

    A folder costs one look-up in the index of the database, however many files it holds. If `position` skips more
    entries than MAX_SKIPPED and there is a delimiter, the only entry is None.
    """
    following: Position | None = position or Position(prefix, after=False)
    if following is not None and following.skip:
        following = _skipped(index, bucket, prefix, delimiter, following)
        if following is not None and following.skip:
            yield Listed(None, following)
            return
    while following is not None and limit > 0:
        batch = min(limit, MAX_BATCH)
        found = _read(index, bucket, prefix, delimiter, following, batch)
        yield from found
        limit -= batch
        following = found[-1].following if len(found) == batch else None


def _skipped(index: Index, bucket: Bucket, prefix: str, delimiter: str | None, position: Position) -> Position | None:
    """Return the position `position.skip` entries later, or None if there are not that many.

    With a delimiter it is MAX_SKIPPED entries later at most, and skips the others.
    """
    place: Any = {"prefix": prefix, "start": position.key, "after": position.after}
    if delimiter is None:
        key = index.key_after(bucket.uid, **place, skip=position.skip)
        return None if key is None else Position(key)
    count = min(position.skip, MAX_SKIPPED)
    key = index.entry_after(bucket.uid, **place, delimiter=delimiter, skip=count)
    following = None if key is None else _position_after(_folder_of(key, prefix, delimiter), key)
    return None if following is None else replace(following, skip=position.skip - count)


def _read(
    index: Index, bucket: Bucket, prefix: str, delimiter: str | None, position: Position, limit: int
) -> list[Listed]:
    place: Any = {"prefix": prefix, "start": position.key, "after": position.after, "limit": limit}
    if delimiter is None:
        return [Listed(file, Position(file.key)) for file in index.files_by_key(bucket.uid, **place)]
    first_files = index.entries_by_key(bucket.uid, **place, delimiter=delimiter)
    entries = ((_folder_of(file.key, prefix, delimiter), file) for file in first_files)
    return [Listed(folder or file, _position_after(folder, file.key)) for folder, file in entries]


def _folder_of(key: str, prefix: str, delimiter: str) -> Folder | None:
    end = key.find(delimiter, len(prefix))
    return None if end < 0 else Folder(key[: end + len(delimiter)])


def _position_after(folder: Folder | None, key: str) -> Position | None:
    """Return the position after `folder`, or after the file of `key`. None if no key can follow."""
    if folder is None:
        return Position(key)
    end = successor(folder.id)
    return None if end is None else Position(end, after=False)
