"""Pages of a bucket's files, with folders if the client gives a delimiter."""

from ..domain.buckets import Bucket
from ..domain.files import File, Folder
from ..domain.pages import Page, Position
from ..index import Index
from ..index.page_queries import successor
from ..index.rows import to_microseconds


def page_by_creation(index: Index, bucket: Bucket, *, prefix: str, position: Position | None, limit: int) -> Page:
    """Return a page of files, newest first."""
    before = None
    if position is not None and position.created_at is not None:
        before = (position.created_at, position.key)
    files = index.files_by_creation(bucket.uid, prefix=prefix, before=before, limit=limit + 1)
    if len(files) <= limit:
        return Page(list(files), None)
    last = files[limit - 1]
    return Page(list(files[:limit]), Position(last.key, created_at=to_microseconds(last.created_at)))


def page_by_key(
    index: Index, bucket: Bucket, *, prefix: str, delimiter: str | None, position: Position | None, limit: int
) -> Page:
    """Return a page of files, ordered by key. Keys that share the part up to a `delimiter` make one folder.

    A folder costs one query however many files it holds, because the next query begins after it.
    """
    entries: list[File | Folder] = []
    following: Position | None = position or Position(prefix, after=False)
    batch = limit + 1 if delimiter is None else 1
    while following is not None and len(entries) <= limit:
        batch = min(batch, limit + 1 - len(entries))
        files = index.files_by_key(bucket.uid, prefix=prefix, start=following.key, after=following.after, limit=batch)
        found, following = _fold(files, prefix, delimiter, complete=len(files) < batch)
        entries += found
        # Doubling reads long runs of files in a few queries, and wastes little where folders are many.
        batch = batch * 2 if len(found) == len(files) else 1
    if len(entries) <= limit:
        return Page(entries, None)
    return Page(entries[:limit], _position_after(entries[limit - 1]))


def _fold(
    files: list[File], prefix: str, delimiter: str | None, *, complete: bool
) -> tuple[list[File | Folder], Position | None]:
    """Return the entries up to the first folder, which may hold unread files, and the position to read on from."""
    entries: list[File | Folder] = []
    for file in files:
        folder = _folder_of(file.key, prefix, delimiter)
        if folder is not None:
            return [*entries, folder], _position_after(folder)
        entries.append(file)
    return entries, None if complete else _position_after(files[-1])


def _folder_of(key: str, prefix: str, delimiter: str | None) -> Folder | None:
    if delimiter is None:
        return None
    end = key.find(delimiter, len(prefix))
    return None if end < 0 else Folder(key[: end + len(delimiter)])


def _position_after(entry: File | Folder) -> Position | None:
    """Return the position after `entry`, or None if nothing can follow it."""
    if isinstance(entry, File):
        return Position(entry.key)
    end = successor(entry.id)
    return None if end is None else Position(end, after=False)
