"""Pages of a bucket's files."""

from dataclasses import dataclass

from .files import File, Folder


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins: `after` this key, or at it. `created_at` (microseconds) where the order is by creation."""

    key: str
    after: bool = True
    created_at: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Entries in order, and where the next page begins; None on the last."""

    entries: list[File | Folder]
    following: Position | None
