"""Entries of a list, and the positions between them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .files import File, Folder


@dataclass(frozen=True, slots=True)
class Position:
    """The place in a list where a page begins: after `key`, or at it if `after` is False, and `skip` entries later.

    `created_at` is in microseconds since the epoch. It is None unless the list is ordered by creation, and then None is
    its beginning.
    """

    key: str
    after: bool = True
    created_at: int | None = None
    skip: int = 0


class Listed(NamedTuple):
    """An entry of a list, and the position after it, which is None if nothing can follow.

    If the work of one request is done before the list is at its end, the last entry is None, and the list goes on at
    its position.
    """

    entry: File | Folder | None
    following: Position | None


class Name(NamedTuple):
    """The names of a file, and when it was created, in microseconds since the epoch."""

    key: str
    filename: str
    created_at: int


class Listing(NamedTuple):
    """A list from a position on. `total` is the length of the whole list, None if counting would cost anything."""

    entries: Iterator[Listed]
    total: int | None
