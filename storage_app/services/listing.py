"""Lists of a bucket's files, with folders if the client gives a delimiter. Rows are read as the caller takes them."""

from collections.abc import Iterator
from dataclasses import replace

from ..domain.buckets import Bucket
from ..domain.files import File, Folder
from ..domain.pages import Listed, Position
from ..index import Index
from ..index.page_queries import successor
from ..index.rows import to_microseconds

# The most rows of one query. A file may have 16 KiB of metadata, so a page of them ends after 64 rows.
MAX_BATCH = 100
# The most entries that one request skips where each may cost a query, as a folder does.
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

    A folder costs one query however many files it holds, because the next query begins after it. If `position` skips
    more entries than MAX_SKIPPED and there is a delimiter, the only entry is None.
    """
    following: Position | None = position or Position(prefix, after=False)
    if following is not None and following.skip:
        following = _skipped(index, bucket, prefix, delimiter, following)
        if following is not None and following.skip:
            yield Listed(None, following)
            return
    batch = MAX_BATCH if delimiter is None else 1
    while following is not None and limit > 0:
        batch = min(batch, limit, MAX_BATCH)
        files = index.files_by_key(bucket.uid, prefix=prefix, start=following.key, after=following.after, limit=batch)
        found = _fold(files, prefix, delimiter)
        yield from found
        limit -= len(found)
        following = found[-1].following if len(files) == batch or _ends_in_folder(found) else None
        # Doubling reads long runs of files in a few queries, and wastes little where folders are many.
        batch = batch * 2 if len(found) == len(files) else 1


def _skipped(index: Index, bucket: Bucket, prefix: str, delimiter: str | None, position: Position) -> Position | None:
    """Return the position `position.skip` entries later, or None if there are not that many.

    With a delimiter it is MAX_SKIPPED entries later at most, and skips the others.
    """
    if delimiter is None:
        key = index.key_after(bucket.uid, prefix=prefix, start=position.key, after=position.after, skip=position.skip)
        return None if key is None else Position(key)
    count, following = min(position.skip, MAX_SKIPPED), replace(position, skip=0)
    entries = list_by_key(index, bucket, prefix=prefix, delimiter=delimiter, position=following, limit=count)
    positions = [after for _, after in entries]
    if len(positions) < count or positions[-1] is None:
        return None
    return replace(positions[-1], skip=position.skip - count)


def _fold(files: list[File], prefix: str, delimiter: str | None) -> list[Listed]:
    """Return the entries up to the first folder, which may hold unread files."""
    entries: list[Listed] = []
    for file in files:
        folder = _folder_of(file.key, prefix, delimiter)
        if folder is not None:
            return [*entries, Listed(folder, _position_after(folder))]
        entries.append(Listed(file, Position(file.key)))
    return entries


def _ends_in_folder(entries: list[Listed]) -> bool:
    return bool(entries) and isinstance(entries[-1].entry, Folder)


def _folder_of(key: str, prefix: str, delimiter: str | None) -> Folder | None:
    if delimiter is None:
        return None
    end = key.find(delimiter, len(prefix))
    return None if end < 0 else Folder(key[: end + len(delimiter)])


def _position_after(folder: Folder) -> Position | None:
    end = successor(folder.id)
    return None if end is None else Position(end, after=False)
