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
# Files of one transaction, and for how long it should keep other writers waiting.
MAX_BATCH, _MIN_BATCH = 100, 10
MAX_LOCKED_SECONDS = 0.025
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
    """How far an operation got: the number of files that it is done with, those that it failed for, and if it ended.

    `batch` is how many files the next batch may have.
    """

    done: int = 0
    failed: list[Failure] = field(default_factory=list)
    complete: bool = False
    batch: int = field(default=MAX_BATCH, compare=False)

    def fit_batch(self, seconds: float) -> None:
        """Fit the size of the next batch to how long the locks of this one were held, because others wait for them."""
        if seconds > MAX_LOCKED_SECONDS:
            self.batch = max(_MIN_BATCH, self.batch // 2)
        elif seconds < MAX_LOCKED_SECONDS / 4:
            self.batch = min(MAX_BATCH, self.batch * 2)

    def fail(self, key: str, refusal: StorageError) -> None:
        """Count the file at `key` as failed."""
        self.failed.append(Failure(key, refusal.code))

    @property
    def room(self) -> int:
        """How many more files may fail."""
        return MAX_FAILED - len(self.failed)


Progress = Callable[[BulkResult], object]


class Bulk:
    """Runs operations on many files. All processes of this host together run a few at a time."""

    def __init__(self, slots: Path) -> None:
        self._slots = Slots(slots, _MAX_AT_ONCE, name="bulk-", full=_too_many)

    def run(
        self,
        take: Callable[[int], Sequence[Item]],
        work: Callable[[Sequence[Item], BulkResult], None],
        *,
        progress: Progress = lambda _: None,
    ) -> BulkResult:
        """Call `work` with batches until `take(limit)`, which returns up to `limit` more items, returns none.

        `work` is done with a batch, or fails for some of it, and says so in the result. Ends before that after
        MAX_SECONDS or MAX_FAILED failures: the result is not complete then. Calls `progress` after each batch. Raises
        `Unavailable` if too many such operations are in progress, and what `work` raises. What is done stays done.
        """
        result, until = BulkResult(), time.monotonic() + MAX_SECONDS
        with self._slots.hold():
            expect_long_work()
            detach()
            items = take(MAX_BATCH)
            while items and result.room and time.monotonic() < until:
                work(items, result)
                progress(result)
                items = take(min(result.batch, result.room or 1))
        result.complete = not items
        return result


def _too_many() -> Unavailable:
    return Unavailable(
        f"{_MAX_AT_ONCE} operations on many files are in progress, and no more run at once; try again in a moment.",
        retry_after=_RETRY_SECONDS,
    )
