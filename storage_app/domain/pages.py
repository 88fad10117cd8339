"""Entries of a list, and the positions between them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .files import File, Folder


@dataclass(frozen=True, slots=True)
class Position:
    """The place in a list where a page begins: after `key`, or at it if `after` is False.

    `created_at` is in microseconds since the epoch, and None unless the list is ordered by creation.
    """

    key: str
    after: bool = True
    created_at: int | None = None


class Listed(NamedTuple):
    """An entry of a list, and the position after it, which is None if nothing can follow."""

    entry: File | Folder
    following: Position | None


class Listing(NamedTuple):
    """A list from a position on. `total` is the length of the whole list, None if counting would cost anything."""

    entries: Iterator[Listed]
    total: int | None
