"""Pages of a bucket's files, with folders where a delimiter asks for them."""

from ..domain.buckets import Bucket
from ..domain.files import File, Folder
from ..domain.pages import Page, Position
from ..index import Index
from ..index.page_queries import successor
from ..index.rows import to_microseconds


def page_by_creation(index: Index, bucket: Bucket, *, prefix: str, position: Position | None, limit: int) -> Page:
    """Return the newest files first."""
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
    """Return files by key; with `delimiter`, the keys that share what comes before it are one folder.

    A folder costs one look-up however many files are in it: the next one begins behind it.
    """
    entries: list[File | Folder] = []
    following: Position | None = position or Position(prefix, after=False)
    batch = limit + 1 if delimiter is None else 1
    while following is not None and len(entries) <= limit:
        batch = min(batch, limit + 1 - len(entries))
        files = index.files_by_key(bucket.uid, prefix=prefix, start=following.key, after=following.after, limit=batch)
        found, following = _fold(files, prefix, delimiter, complete=len(files) < batch)
        entries += found
        # Doubling finds long runs of files quickly and reads little for nothing where folders are many.
        batch = batch * 2 if len(found) == len(files) else 1
    if len(entries) <= limit:
        return Page(entries, None)
    return Page(entries[:limit], _behind(entries[limit - 1]))


def _fold(
    files: list[File], prefix: str, delimiter: str | None, *, complete: bool
) -> tuple[list[File | Folder], Position | None]:
    """Turn files into entries, up to the first folder that may hold more than was read; and where to read on."""
    entries: list[File | Folder] = []
    for file in files:
        folder = _folder_of(file.key, prefix, delimiter)
        if folder is not None:
            return [*entries, folder], _behind(folder)
        entries.append(file)
    return entries, None if complete else _behind(files[-1])


def _folder_of(key: str, prefix: str, delimiter: str | None) -> Folder | None:
    if delimiter is None:
        return None
    end = key.find(delimiter, len(prefix))
    return None if end < 0 else Folder(key[: end + len(delimiter)])


def _behind(entry: File | Folder) -> Position | None:
    """Return where the list goes on behind `entry`; None where nothing can follow."""
    if isinstance(entry, File):
        return Position(entry.key)
    end = successor(entry.id)
    return None if end is None else Position(end, after=False)
