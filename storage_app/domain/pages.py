"""Pages of a list, and the positions between them."""

from dataclasses import dataclass

from .files import File, Folder


@dataclass(frozen=True, slots=True)
class Position:
    """The place in a list where a page begins: after `key`, or at it if `after` is False.

    `created_at` is in microseconds since the epoch, and None unless the list is ordered by creation.
    """

    key: str
    after: bool = True
    created_at: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Entries in order. `following` is where the next page begins, or None on the last page."""

    entries: list[File | Folder]
    following: Position | None
