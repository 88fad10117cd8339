"""Operations on many files in one request: their bounds, and how far one got."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ..errors import StorageError, Unavailable
from ..host.blocking import detach
from ..host.clients import expect_long_work
from ..host.locks import Slots

# Of one request. Whoever wants more asks again.
MAX_SECONDS = 20.0
MAX_FAILED = 1000
# Files of one transaction.
MAX_BATCH = 100
# A batch waits for the index, the disk and its locks like any other write. More at once would only wait for each other.
_MAX_AT_ONCE = 4
_RETRY_SECONDS = 5

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that the operation left as it was, and the code of the refusal."""

    key: str
    code: str


@dataclass(slots=True)
class BulkResult:
    """How far an operation got: the number of files that it is done with, those that it failed for, and if it ended."""

    done: int = 0
    failed: list[Failure] = field(default_factory=list)
    complete: bool = False

    def fail(self, key: str, refusal: StorageError) -> None:
        """Count the file at `key` as failed."""
        self.failed.append(Failure(key, refusal.code))

    @property
    def room(self) -> int:
        """How many more files may fail."""
        return MAX_FAILED - len(self.failed)


class Bulk:
    """Runs operations on many files. All processes of this host together run a few at a time."""

    def __init__(self, slots: Path) -> None:
        self._slots = Slots(slots, _MAX_AT_ONCE, name="bulk-", full=_too_many)

    def run(
        self, take: Callable[[int], Sequence[Item]], work: Callable[[Sequence[Item], BulkResult], None]
    ) -> BulkResult:
        """Call `work` with batches until `take(limit)`, which returns up to `limit` more items, returns none.

        `work` is done with a batch, or fails for some of it, and says so in the result. Ends before that after
        MAX_SECONDS or MAX_FAILED failures: the result is not complete then. Raises `Unavailable` if too many such
        operations are in progress, and what `work` raises. Finished work is kept.
        """
        result, until = BulkResult(), time.monotonic() + MAX_SECONDS
        with self._slots.hold():
            expect_long_work()
            detach()
            items = take(MAX_BATCH)
            while items and result.room and time.monotonic() < until:
                work(items, result)
                items = take(min(MAX_BATCH, result.room or 1))
        result.complete = not items
        return result


def _too_many() -> Unavailable:
    return Unavailable(
        f"{_MAX_AT_ONCE} operations on many files are in progress, and no more run at once; try again in a moment.",
        retry_after=_RETRY_SECONDS,
    )
